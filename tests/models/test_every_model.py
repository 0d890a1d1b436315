"""What every model in configs/model keeps: the contract of `ser.models.base.Model`."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml

from ser.errors import UserError

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))
SHAPES = [(64, 50), (64, None), (1, None), (13, None), (14, 63), (1, 17), (40, 1)]  # (F, L), None: lengths vary
K = 5

every_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
every_shape = pytest.mark.parametrize("num_features, num_frames", SHAPES)


def build(config: Path, num_features: int, num_frames: int | None, **overrides):
    settings = yaml.safe_load(config.read_text()) | overrides
    module, name = settings.pop("_target_").rsplit(".", 1)
    if num_frames == 1 and "axis" in settings:
        settings["axis"] = "features"
    torch.manual_seed(0)
    try:
        model = getattr(import_module(module), name)(num_features, num_frames, K, **settings)
    except UserError as error:
        if num_frames != 1 or "frames over time" not in str(error):
            raise
        pytest.skip("needs frames over time, and says so: the one shape a model may refuse")
    return settle(model, num_features, num_frames or 40)


def settle(model, num_features: int, num_frames: int):
    """Running statistics and biases away from their neutral start, where mistakes would not show."""
    for _ in range(2):
        model(torch.randn(6, num_features, num_frames) + 0.5, torch.full((6,), num_frames))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def batch(num_features: int, num_frames: int | None):
    """Three utterances, the longest as long as the batch, the shortest as short as can be."""
    longest = num_frames or 37
    return torch.randn(3, num_features, longest), torch.tensor([longest, max(longest // 2, 1), 1])


@every_config
@every_shape
def test_logits_have_one_row_an_utterance(config, num_features, num_frames):
    logits = build(config, num_features, num_frames)(*batch(num_features, num_frames))
    assert logits.shape == (3, K) and logits.isfinite().all()


@every_config
@every_shape
def test_content_of_padding_is_not_seen(config, num_features, num_frames):
    model = build(config, num_features, num_frames)
    features, frames = batch(num_features, num_frames)
    for junk in (1e3, torch.nan):
        filled = features.clone()
        for row, count in zip(filled, frames, strict=True):
            row[:, count:] = junk
        torch.testing.assert_close(model(filled, frames), model(features, frames), atol=1e-5, rtol=0)


@every_config
@pytest.mark.parametrize("num_features", [64, 13, 1])
def test_amount_of_padding_is_not_seen(config, num_features):
    model = build(config, num_features, None)
    features, frames = batch(num_features, None)
    for more in (1, 2, 3, 8, 25):
        longer = torch.nn.functional.pad(features, (0, more), value=9.0)
        torch.testing.assert_close(model(longer, frames), model(features, frames), atol=1e-5, rtol=0)


@every_config
@every_shape
def test_batch_mates_are_not_seen(config, num_features, num_frames):
    model = build(config, num_features, num_frames)
    features, frames = batch(num_features, num_frames)
    together = model(features, frames)
    for i, count in enumerate(frames):
        alone = features[i : i + 1] if num_frames else features[i : i + 1, :, :count]  # as it comes by itself
        torch.testing.assert_close(model(alone, frames[i : i + 1]), together[i : i + 1], atol=1e-5, rtol=0)


@every_config
@every_shape
def test_gradients_are_finite(config, num_features, num_frames):
    model = build(config, num_features, num_frames).train()
    features, frames = batch(num_features, num_frames)
    features[1] = 0.25  # constant: its standard deviation is 0
    model(features.requires_grad_(), frames).square().sum().backward()
    for name, parameter in [("features", features), *model.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert features.grad[1, :, frames[1] :].abs().sum() == 0  # padding gets none


@every_config
def test_dropout_is_one_number_that_acts_in_training_only(config):
    signature = inspect.signature(type(build(config, 20, None)))
    assert isinstance(signature.parameters["dropout"].default, float)
    features, frames = batch(20, None)
    model = build(config, 20, None, dropout=0.5)
    assert torch.equal(model(features, frames), model(features, frames))
    model.train()
    assert not torch.equal(model(features, frames), model(features, frames))
    model = build(config, 20, None, dropout=0).train()
    assert torch.equal(model(features, frames), model(features, frames))


@every_config
@pytest.mark.parametrize("num_features, num_frames", [(20, None), (40, 1)])
def test_eight_utterances_are_learned_by_heart(config, num_features, num_frames):
    model = build(config, num_features, num_frames, dropout=0).train()
    features, frames = torch.randn(8, num_features, num_frames or 40), torch.full((8,), num_frames or 40)
    labels = torch.arange(8) % K
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(model(features, frames), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


@every_config
def test_one_utterance_is_a_batch_in_training(config):
    model = build(config, 20, None).train()
    assert model(torch.randn(1, 20, 1), torch.tensor([1])).isfinite().all()


@every_config
def test_checkpoint_restores_the_logits(config):
    model, other = build(config, 20, None), build(config, 20, None)
    settle(other, 20, 40)
    features, frames = batch(20, None)
    assert not torch.allclose(model(features, frames), other(features, frames))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(features, frames), other(features, frames))


@every_config
def test_half_precision_is_finite(config):
    model = build(config, 20, None).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(*batch(20, None))
    logits.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@every_config
def test_forward_never_waits_for_the_device(config):
    """On the meta device there are no values: `.item()`, `if tensor`, or a shape taken from data would raise."""
    model = build(config, 20, None).train().to("meta")
    assert model(torch.empty(3, 20, 37, device="meta"), torch.empty(3, dtype=torch.int64, device="meta")).is_meta


@every_config
def test_config_is_a_short_page(config):
    lines = config.read_text().splitlines()
    assert lines[0].startswith("# ") and len(lines) < 25
    assert not {"num_features", "num_frames", "num_classes"} & set(yaml.safe_load(config.read_text()))


@every_config
def test_config_says_every_setting(config):
    settings = yaml.safe_load(config.read_text())
    module, name = settings.pop("_target_").rsplit(".", 1)
    signature = inspect.signature(getattr(import_module(module), name)).parameters
    assert set(settings) == set(signature) - {"num_features", "num_frames", "num_classes"}
    for key, value in settings.items():
        default = signature[key].default
        assert key == "blocks" and default == () or value == (list(default) if isinstance(default, tuple) else default)
