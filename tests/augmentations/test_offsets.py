"""Other levels and other floors under features."""

import math

import pytest
import torch

from ser.augmentations.offsets import LevelOffset, RandomFloor
from ser.errors import UserError
from ser.frontends.log_mel import LogMel
from ser.frontends.mfcc import Mfcc
from ser.frontends.normaliser import Normaliser
from ser.frontends.stft import Stft

STFT = Stft(512, 256)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_level_is_the_same_in_all_frames_and_padding_stays_zero():
    x, frames = torch.zeros(4000, 3, 5), torch.full((4000,), 4)
    moved, after = LevelOffset(utterance=0.3, feature=0.1)(x, frames, generator())
    assert torch.equal(after, frames) and not moved[..., 4].any()
    assert torch.equal(moved[..., :1].expand(-1, -1, 4), moved[..., :4])
    offsets = moved[..., 0]
    assert offsets.std().item() == pytest.approx(math.hypot(0.3, 0.1), rel=0.05)
    assert (offsets[:, 0] - offsets[:, 1]).std().item() == pytest.approx(0.1 * math.sqrt(2), rel=0.05)


def test_a_drawn_floor_is_what_the_frontend_would_have_given_with_that_floor():
    """Features over a floor of 1e-3 become those over another one, whatever the normaliser did to them."""
    waveforms = 0.01 * torch.randn(2, 8000, generator=generator())
    lengths = torch.tensor([8000, 4000])
    frontend = LogMel(16000, STFT, n_mels=20, log_offset=1e-3, top_db=None)
    features, frames = frontend(waveforms, lengths)
    normaliser = Normaliser("feature", 20)
    normaliser.fit([(features, frames)])
    for factor in (0.2, 5.0):
        augment = RandomFloor((factor, factor))
        augment.attach(frontend, normaliser)
        moved, _ = augment(normaliser(features, frames), frames, generator())
        other = LogMel(16000, STFT, n_mels=20, log_offset=factor * 1e-3, top_db=None)
        torch.testing.assert_close(moved, normaliser(other(waveforms, lengths)[0], frames), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "frontend",
    [
        LogMel(16000, STFT, n_mels=20),
        LogMel(16000, STFT, n_mels=20, log_offset=1e-3, top_db=80.0),
        Mfcc(16000, STFT, 13, n_mels=20, log_offset=1e-3, top_db=None),
    ],
)
def test_a_floor_that_is_not_there_is_not_changed(frontend):
    with pytest.raises(UserError, match="RandomFloor changes the floor under a logarithm"):
        RandomFloor().attach(frontend, Normaliser("none", 20))


def test_a_level_that_was_taken_away_is_not_read_back():
    frontend = LogMel(16000, STFT, n_mels=20, log_offset=1e-3, top_db=None)
    with pytest.raises(UserError, match="normaliser=utterance has taken the utterance's level away"):
        RandomFloor().attach(frontend, Normaliser("utterance", 20))
