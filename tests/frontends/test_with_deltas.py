"""Features with their changes: librosa's, for any frontend."""

import librosa
import numpy as np
import pytest
import torch

from ser.errors import UserError
from ser.frontends.stft import Stft
from ser.frontends.time_stats import TimeStats
from ser.frontends.with_deltas import WithDeltas
from ser.frontends.zcr_rms_chroma import ZcrRmsChroma


def inner():
    return ZcrRmsChroma(16000, Stft(512, 256))


@pytest.mark.parametrize("width", [3, 9])
def test_slopes_and_curvatures_are_librosas(width, error):
    waveform = torch.randn(1, 16000, generator=torch.Generator().manual_seed(3))
    length = torch.tensor([16000])
    plain, frames = inner()(waveform, length)
    found, same = WithDeltas(inner(), order=2, width=width)(waveform, length)
    assert torch.equal(frames, same) and found.shape[1] == 3 * plain.shape[1]
    own = plain[0].numpy()
    wanted = [own, *(librosa.feature.delta(own, width=width, order=order, mode="nearest") for order in (1, 2))]
    assert error(found[0], np.concatenate(wanted)) < 1e-5


def test_it_composes_with_statistics_over_time():
    waveforms, lengths = torch.randn(2, 8000), torch.tensor([8000, 5000])
    both = WithDeltas(inner())
    features, frames = TimeStats(both, ["std"])(waveforms, lengths)
    assert features.shape == (2, both.num_features, 1) and frames.tolist() == [1, 1]
    assert both.hop_length == 256


def test_an_even_width_is_refused():
    with pytest.raises(UserError, match="frontend.width=4 must be odd"):
        WithDeltas(inner(), width=4)
