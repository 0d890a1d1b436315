"""The 2D CNNs."""

import pytest
import torch
from torchaudio.functional import compute_deltas

from ser.errors import UserError
from ser.models.cnn2d import CNN2D, PlainCNN2D
from ser.models.image_layers import slopes


def test_size_depends_on_features_only_through_the_embedding():
    for num_features, num_frames in [(64, 188), (1, None)]:
        model = CNN2D(num_features, num_frames, 8, embedding=None)
        assert sum(parameter.numel() for parameter in model.parameters()) == 174_897
    for num_frames in (188, None):
        model = CNN2D(64, num_frames, 8)
        joined = 96 * 8 * 128 + 2 * 128  # 8 of 64 features are left; scale and shift of the norm
        smaller_head = (2 * 96 * 8 + 8 + 97) - (2 * 128 * 8 + 8 + 129)
        assert sum(parameter.numel() for parameter in model.parameters()) == 174_897 + joined - smaller_head


def test_embedding_sees_where_in_frequency_a_pattern_lies():
    """Moved up by the whole stride, a pattern away from the edges looks the same to a mean over the features."""
    low = torch.zeros(1, 64, 40)
    low[:, 24:28, 10:20] = 1
    high, frames = low.roll(8, dims=1), torch.tensor([40])
    for embedding, same in ((None, True), (16, False)):
        torch.manual_seed(0)
        model = CNN2D(64, None, 8, width=4, stages=[1, 1], embedding=embedding).eval()
        with torch.no_grad():
            assert torch.allclose(model(low, frames), model(high, frames), atol=1e-6) == same


def test_width_stages_and_blocks():
    model = CNN2D(64, None, 8, width=8, stages=[1, 2], blocks=2)
    assert [stage.second.conv.out_channels for stage in model.stages] == [8, 8, 16, 16]
    assert [stage.first.stride for stage in model.stages] == [(1, 1), (1, 1), (2, 2), (1, 1)]
    assert model(torch.randn(2, 64, 30), torch.tensor([30, 7])).shape == (2, 8)


def test_memory_stays_channels_last():
    """A layer that falls back to the default format costs a copy in every step."""
    for model in (CNN2D(64, None, 8), PlainCNN2D(64, None, 8)):
        model.head.register_forward_pre_hook(check_channels_last)
        model(torch.randn(2, 64, 30), torch.tensor([30, 7]))


def check_channels_last(_, inputs) -> None:
    assert inputs[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("num_features", [1, 2, 3, 7, 13, 14])
@pytest.mark.parametrize("num_frames", [2, 3, 5])
def test_small_inputs_pass(num_features, num_frames):
    for kind in (CNN2D, PlainCNN2D):
        logits = kind(num_features, num_frames, 8)(torch.randn(2, num_features, num_frames), torch.tensor([1, 2]))
        assert logits.shape == (2, 8)


@pytest.mark.parametrize(
    "kind, settings, message",
    [
        (CNN2D, {"pooling": "atention"}, "Did you mean 'attention'"),
    ],
)
def test_settings_that_cannot_be(kind, settings, message):
    with pytest.raises(UserError, match=message):
        kind(64, None, 8, **settings)


def test_a_pooled_vector_is_no_image():
    for kind, name in [(CNN2D, "cnn2d"), (PlainCNN2D, "cnn2d_plain")]:
        with pytest.raises(UserError, match=f"model={name} needs frames over time.*set model=mlp"):
            kind(64, 1, 8)


def test_strides_over_time_are_those_that_are_named():
    model = CNN2D(64, 100, 8, width=4, stages=[1, 2], time_strides=[1, 1, 2], embedding=None)
    frames = []
    model.head.register_forward_pre_hook(lambda _, inputs: frames.append((inputs[0].shape, inputs[1].tolist())))
    model(torch.randn(2, 64, 100), torch.tensor([100, 31]))
    assert frames == [((2, 8, 16, 50), [50, 16])]  # over the features 2 · 2
    with pytest.raises(UserError, match=r"names 2 strides, and there are 3 to name"):
        CNN2D(64, 100, 8, stages=[1, 2], time_strides=[1, 2])


def test_the_network_of_the_recipes_has_its_published_size():
    recipe = {"stages": (1, 2, 4, 4), "time_strides": (1, 1, 2, 2, 2), "embedding": None, "attention_hidden": 64}
    for width, size in ((24, 356_753), (32, 629_737)):
        model = CNN2D(64, None, 8, width=width, block_dropout=0.1, **recipe)
        assert sum(parameter.numel() for parameter in model.parameters()) == size


def test_slopes_are_torchaudios_deltas_of_each_utterance_by_itself():
    x, frames = torch.randn(3, 4, 30), torch.tensor([30, 11, 1])
    x = x * (torch.arange(30) < frames[:, None])[:, None]
    found = slopes(x, frames)
    for row, features, count in zip(found, x, frames.tolist(), strict=True):
        torch.testing.assert_close(row[:, :count], compute_deltas(features[:, :count], win_length=5))
        assert not row[:, count:].any()


def test_deltas_are_channels_beside_the_features():
    model = CNN2D(64, None, 8, width=4, deltas=2)
    assert model.stem.conv.in_channels == 3
    assert model(torch.randn(2, 64, 30), torch.tensor([30, 7])).shape == (2, 8)


def test_several_heads_of_attention_stand_beside_each_other():
    model = CNN2D(64, None, 8, width=4, stages=[1, 2], embedding=None, attention_hidden=5, attention_heads=3)
    assert model.head.linear.in_features == 3 * 2 * 8
    with pytest.raises(UserError, match="pooling=mean has no attention"):
        CNN2D(64, None, 8, pooling="mean", attention_heads=2)
