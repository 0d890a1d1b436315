"""The contract of base.py, for every YAML file in configs/frontend: a new one is tested by being there."""

import copy
from pathlib import Path

import pytest
import torch

from tests.parts import needs

CONFIGS = Path(__file__).parents[2] / "configs" / "frontend"
VARIANTS = [
    *[f"frontend={path.stem}" for path in sorted(CONFIGS.glob("*.yaml"))],
    "frontend=mfcc frontend.deltas=2",
    "frontend=zcr_rms_chroma frontend.chroma=false",
    "frontend=log_mel_contour frontend.skip_frames=1",
    "frontend=time_stats frontend@frontend.of=concat",
]

VARIANTS += [f"frontend=wav2vec2 frontend.layers={layers}" for layers in ("mean", "weighted", 1)]

pytestmark = pytest.mark.parametrize("overrides", VARIANTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("needs")


@pytest.fixture(scope="module")
def composed():
    """Frontends by their overrides."""
    return {}


@pytest.fixture
def frontend(overrides, compose, folder, composed):
    """Composed once; each test has a copy to itself."""
    choice, *settings = overrides.split()
    if overrides not in composed:
        composed[overrides] = compose(choice, *needs("frontend", choice.partition("=")[2], folder), *settings)
    return copy.deepcopy(composed[overrides])


def test_shapes(frontend, clips, collate):
    waveforms, lengths = collate(clips)
    features, frames = frontend(waveforms, lengths)
    assert features.shape[:2] == (len(clips), frontend.num_features)
    assert features.dtype == torch.float32 and frames.dtype == torch.int64
    assert features.isfinite().all()
    assert frames.min() >= 1 and frames.max() == features.shape[-1]
    assert torch.equal(frames, frontend.count_frames(lengths))


def test_padded_frames_are_zero(frontend, clips, collate):
    features, frames = frontend(*collate(clips, extra=5000, content=1.0))
    for row, count in zip(features, frames, strict=True):
        assert not row[:, count:].any()


@pytest.mark.parametrize("content", [0.0, 1.0, float("nan"), float("inf")])
def test_padding_and_batch_mates_change_nothing(frontend, clips, collate, error, content):
    features, frames = frontend(*collate(clips, extra=3001, content=content))
    for row, count, clip in zip(features, frames, clips, strict=True):
        alone, frames_alone = frontend(*collate([clip]))
        assert frames_alone.item() == count
        assert error(row[:, :count].detach(), alone[0].detach()) <= 1e-5


def test_silence_and_single_samples_are_finite(frontend):
    features, frames = frontend(torch.zeros(2, 4000), torch.tensor([4000, 1]))
    assert features.isfinite().all() and frames.min() >= 1


def test_gradients_are_finite_in_noise_and_silence(frontend):
    waveforms = torch.cat([torch.randn(1, 4000, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 4000)])
    waveforms.requires_grad_()
    features, _ = frontend(waveforms, torch.tensor([4000, 3000]))
    if features.requires_grad:  # not where all rows are counts
        features.square().sum().backward()
        assert waveforms.grad.isfinite().all()
        assert waveforms.grad[0].any()


def test_float32_under_autocast(frontend, clips, collate):
    waveforms, lengths = collate(clips)
    plain, _ = frontend(waveforms, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features, _ = frontend(waveforms, lengths)
    assert features.dtype == torch.float32
    assert torch.equal(features, plain)


def test_checkpoints_stay_small(frontend):
    assert not frontend.state_dict()


def test_config_says_what_it_is_in_under_25_lines(overrides):
    lines = (CONFIGS / f"{overrides.split()[0].removeprefix('frontend=')}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ") and len(lines) < 25
