"""Preparation in tensor operations gives what `ser.data.audio.prepare` gives to each recording."""

import numpy as np
import pytest
import torch

from ser.data.audio.decode import BadRecording
from ser.data.audio.prepare import AudioSettings, prepare
from ser.inference.graph_audio import cut, prepared
from tests.inference.untrained import side_by_side, voices

SETTINGS = [
    {"trim_db": None},
    {"trim_db": 40},
    {"trim_db": 10, "level": "rms"},
    {"trim_db": 30, "level": "peak", "offset_s": 0.21},
    {"trim_db": None, "level": "rms", "offset_s": 0.05, "min_duration_s": 0.5},
]


def recordings() -> list[np.ndarray]:
    """Voices, with silence around, quiet, of few samples, and those that are refused."""
    first, *others = voices(16_000)
    silence = np.zeros(3000, np.float32)
    return [
        first, *others, np.r_[silence, first, silence], np.r_[first, np.float32(0)], 0.001 * first, first[3000:5600],
        first[3000:4400], first[:100], silence, first * 5e-5, np.r_[first, np.float32(np.inf)], 1e4 * first,
        np.r_[first[:500], np.float32(np.nan), first],
    ]  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_each_row_is_prepared_as_a_recording_by_itself(settings):
    audio = AudioSettings(**settings)
    waveforms, lengths, usable = prepared(torch.from_numpy(side_by_side(recordings())), audio)
    refused = 0
    for i, recording in enumerate(recordings()):
        try:
            if not np.isfinite(recording).all() or np.abs(recording).max() > 100:  # refused when they are decoded
                raise BadRecording("not finite")
            expected = prepare(recording, 16_000, audio)
        except BadRecording:
            refused += 1
            assert not usable[i]
            continue
        assert usable[i] and lengths[i] == len(expected)
        np.testing.assert_allclose(waveforms[i, : lengths[i]], expected, rtol=2e-6, atol=1e-9)
        assert not waveforms[i, lengths[i] :].any()
    assert refused >= 6


def test_what_is_cut_beyond_the_end_is_zero():
    found = cut(torch.arange(1.0, 11.0).view(2, 5), torch.tensor([3, 0]), 4)
    assert found.tolist() == [[4, 5, 0, 0], [6, 7, 8, 9]]
