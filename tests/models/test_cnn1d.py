"""The 1D CNN: the published layouts, the order of steps, the dropout rule, the errors."""

import pytest
import torch
import yaml
from torch import nn

from ser.errors import UserError
from ser.models.cnn1d import CNN1D

# The published layers as a preset writes them:
# (num_features, num_frames, num_classes, trainable parameters, running statistics, YAML)
LAYOUTS = {
    "ravdess_cnn1d_314k": (1, 258, 8, 314_568, 0, """
        blocks:
          - {channels: 64, kernel_size: 10, padding: valid, norm: none, dropout: 0}
          - {channels: 128, kernel_size: 10, padding: valid, norm: none, pool: 8}
          - {channels: 128, kernel_size: 10, padding: valid, norm: none, pool: 8}
        pooling: flatten
        dense: [256]
        dropout: 0.4
        init: keras
        """),
    "ravdess_cnn1d_1m": (1, 259, 8, 1_128_488, 896, """
        blocks:
          - &block {channels: 64, kernel_size: 5, padding: valid, pool: 2, dropout: 0, norm_eps: 1.0e-3,
                    norm_momentum: 0.01, order: [conv, activation, pool, norm]}
          - {<<: *block, channels: 128}
          - {<<: *block, channels: 256}
        pooling: flatten
        dense: [{units: 128}, {units: 32, activation: none, dropout: 0}]
        dropout: 0.2
        init: keras
        """),
    "tess_cnn1d": (40, 1, 7, 209_159, 0, """
        axis: features
        blocks:
          - {channels: 64, norm: none, pool: 4, order: [conv, activation, dropout, pool]}
          - {channels: 128, norm: none, pool: 4, order: [conv, activation, dropout, pool]}
          - {channels: 256, norm: none}
        pooling: flatten
        dropout: 0.1
        init: keras
        """),
    "ravdess_cnn1d_augmented": (162, 1, 8, 557_288, 0, """
        axis: features
        blocks:
          - &block {channels: 256, norm: none, pool: 5, pool_stride: 2, pool_padding: same, dropout: 0}
          - *block
          - {<<: *block, channels: 128, dropout: 0.2}
          - {<<: *block, channels: 64}
        pooling: flatten
        dense: [32]
        dropout: 0.3
        init: keras
        """),
}  # fmt: skip


def build(name: str) -> CNN1D:
    num_features, num_frames, num_classes, *_, text = LAYOUTS[name]
    return CNN1D(num_features, num_frames, num_classes, **yaml.safe_load(text))


@pytest.mark.parametrize("name", LAYOUTS)
def test_published_parameter_counts(name):
    num_features, num_frames, num_classes, trainable, running, _ = LAYOUTS[name]
    model = build(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == trainable
    assert sum(b.numel() for key, b in model.named_buffers() if "running" in key) == running
    features, frames = torch.randn(2, num_features, num_frames), torch.full((2,), num_frames)
    assert model(features, frames).shape == (2, num_classes)


@pytest.mark.parametrize(
    "name, rates",
    [
        ("ravdess_cnn1d_314k", [0, 0.4, 0.4, 0.4]),
        ("ravdess_cnn1d_1m", [0.2, 0]),
        ("tess_cnn1d", [0.1, 0.1, 0.1]),
        ("ravdess_cnn1d_augmented", [0, 0, 0.2, 0, 0.3]),
    ],
)
def test_published_dropout_rates(name, rates):
    assert [layer.p for layer in build(name).modules() if isinstance(layer, nn.Dropout)] == rates


def test_a_published_model_is_the_bare_stack_of_layers():
    """The third system, written as its authors did, computes the same."""
    model = build("ravdess_cnn1d_1m").eval()
    stack = []
    for before, after in [(1, 64), (64, 128), (128, 256)]:
        stack += [nn.Conv1d(before, after, 5), nn.ReLU(), nn.MaxPool1d(2), nn.BatchNorm1d(after, eps=1e-3)]
    bare = nn.Sequential(*stack, nn.Flatten(), nn.Linear(7168, 128), nn.ReLU(), nn.Linear(128, 32), nn.Linear(32, 8))
    bare.load_state_dict(dict(zip(bare.state_dict(), model.state_dict().values(), strict=True)))
    x = torch.randn(2, 1, 259)
    torch.testing.assert_close(model(x, torch.tensor([259, 259])), bare.eval()(x))


def test_flatten_does_not_see_padding():
    model = build("ravdess_cnn1d_314k").eval()
    x, frames = torch.randn(2, 1, 258), torch.tensor([100, 3])
    filled = x.clone()
    filled[0, :, 100:] = filled[1, :, 3:] = torch.nan
    torch.testing.assert_close(model(filled, frames), model(x, frames), atol=1e-5, rtol=0)


@pytest.mark.parametrize("order", [["norm", "activation", "conv"], ["pool", "conv"], ["conv", "norm", "pool"]])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("pool_padding", ["same", "valid"])
def test_padding_is_not_seen_in_any_order(order, padding, pool_padding):
    """Negative values before the pooling, normalised padding before the convolution, odd and even lengths."""
    block = {"channels": 6, "padding": padding, "order": order, "activation": "leaky_relu"}
    if "pool" in order:
        block |= {"pool": 3, "pool_stride": 2, "pool_padding": pool_padding}
    model = CNN1D(4, None, 3, blocks=[block] * 3).train()
    x, frames = torch.randn(4, 4, 40), torch.tensor([40, 23, 8, 1])
    model(x + 2, frames)
    model.eval()
    for i, count in enumerate(frames):
        for length in (int(count), int(count) + 1, 40):
            padded = torch.full((1, 4, max(length, int(count))), 7.0)
            padded[..., :count] = x[i, :, :count]
            expected = model(x, frames)[i : i + 1]
            torch.testing.assert_close(model(padded, frames[i : i + 1]), expected, atol=1e-5, rtol=0)


def test_dropout_of_the_model_holds_where_none_is_named():
    blocks = [{"channels": 4}, {"channels": 4, "dropout": 0.5}, {"channels": 4, "order": ["conv", "activation"]}]
    model = CNN1D(4, None, 3, blocks=blocks, dense=[8, {"units": 8, "dropout": 0}], dropout=0.1)
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.1, 0.5, 0.1, 0.0]


def test_parameter_names_are_the_steps():
    """Weight decay on one layer names it: blocks.1.conv.weight."""
    names = {name for name, _ in build("ravdess_cnn1d_314k").named_parameters()}
    assert {"blocks.1.conv.weight", "blocks.1.conv.bias", "dense.0.weight"} <= names


BLOCK = {"channels": 8, "pool": 2}


@pytest.mark.parametrize(
    "num_frames, settings, message",
    [
        (None, {"blocks": [BLOCK], "pooling": "flatten"}, "set audio.duration_s"),
        (
            20,
            {"blocks": [BLOCK | {"pool": 8}] * 2},
            "model.blocks.1.pool takes 8 frames .* 2 reach it.* audio.duration_s",
        ),
        (8, {"blocks": [BLOCK | {"padding": "valid", "kernel_size": 10}]}, "model.blocks.0.conv takes 10 frames"),
        (1, {"blocks": [BLOCK]}, "set model.axis=features"),
        (20, {"blocks": [BLOCK], "axis": "features"}, "set frontend=time_stats"),
        (None, {"blocks": [BLOCK], "axis": "features"}, "set frontend=time_stats"),
        (1, {"blocks": [BLOCK | {"pool": 50}], "axis": "features"}, "takes 50 features .* or more features"),
        (20, {"blocks": [BLOCK], "axis": "tim"}, "model.axis has no choice 'tim'. Did you mean 'time'"),
        (20, {"blocks": []}, "model.blocks is empty"),
        (20, {"blocks": [3]}, "model.blocks.0 must be a mapping"),
        (20, {"blocks": [BLOCK | {"kernel": 3}]}, "model.blocks.0 has no setting 'kernel'. Did you mean 'kernel_size'"),
        (20, {"blocks": [{"pool": 2}]}, "model.blocks.0 needs a value for model.blocks.0.channels"),
        (20, {"blocks": [BLOCK, BLOCK | {"channels": "64"}]}, "model.blocks.1.channels=64 must be a whole number"),
        (20, {"blocks": [BLOCK | {"padding": "sam"}]}, "model.blocks.0.padding has no choice .* 'same'"),
        (20, {"blocks": [BLOCK | {"pool_padding": "vali"}]}, "model.blocks.0.pool_padding has no choice .* 'valid'"),
        (20, {"blocks": [BLOCK | {"norm": "bath"}]}, "model.blocks.0.norm has no choice .* 'batch'"),
        (20, {"blocks": [BLOCK | {"activation": "rel"}]}, "model.blocks.0.activation has no choice .* 'relu'"),
        (
            20,
            {"blocks": [BLOCK | {"order": ["conv", "activaton"]}]},
            "model.blocks.0.order has no choice .* 'activation'",
        ),
        (20, {"blocks": [BLOCK | {"order": ["pool"]}]}, "model.blocks.0.order must hold 'conv'"),
        (20, {"blocks": [BLOCK | {"order": ["conv", "conv"]}]}, "no step twice"),
        (20, {"blocks": [BLOCK | {"order": ["conv"]}]}, "model.blocks.0.pool is 2, but .* leaves 'pool' out"),
        (20, {"blocks": [BLOCK], "pooling": "flaten"}, "model.pooling has no choice .* 'flatten'"),
        (20, {"blocks": [BLOCK], "dense": [{"unit": 3}]}, "model.dense.0 has no setting 'unit'. Did you mean 'units'"),
        (20, {"blocks": [BLOCK], "init": "kears"}, "model.init has no choice 'kears'. Did you mean 'keras'"),
    ],
)
def test_settings_that_cannot_be(num_frames, settings, message):
    with pytest.raises(UserError, match=message):
        CNN1D(20, num_frames, 8, **settings)


def test_another_length_than_flattened_says_so():
    model = build("ravdess_cnn1d_314k")
    with pytest.raises(UserError, match="flattens 258 frames and was given 300"):
        model(torch.randn(1, 1, 300), torch.tensor([300]))
