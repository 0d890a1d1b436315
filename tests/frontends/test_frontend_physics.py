"""What a signal of known physics must give."""

import math

import pytest
import torch

from ser.frontends.functional import deltas
from ser.frontends.log_mel import LogMel
from ser.frontends.mel import Mel
from ser.frontends.mfcc import Mfcc
from ser.frontends.spectrogram import Spectrogram
from ser.frontends.stft import Stft
from ser.frontends.zcr_rms_chroma import ZcrRmsChroma

RATE, STFT = 16_000, Stft(n_fft=1024, hop_length=256)
PITCHES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


def run(frontend, samples) -> torch.Tensor:
    """Features (F, L) without the two frames at each end, which look beyond the signal."""
    return frontend(torch.as_tensor(samples)[None], torch.tensor([len(samples)]))[0][0, :, 2:-2]


@pytest.mark.parametrize(("hz", "pitch"), [(440.0, "A"), (880.0, "A"), (261.63, "C"), (1174.66, "D")])
def test_tone_has_its_pitch_class(hz, pitch, make_tone):
    chroma = run(ZcrRmsChroma(RATE, STFT, zcr=False, rms=False), make_tone(hz, 1.0))
    assert {PITCHES[row] for row in chroma.argmax(0)} == {pitch}
    assert torch.all(chroma.amax(0) == 1)


def test_rms_of_a_sine_is_its_amplitude_over_root_two(make_tone):
    rms = run(ZcrRmsChroma(RATE, STFT, zcr=False, chroma=False), make_tone(500.0, 1.0, amplitude=0.3))
    assert rms.numpy() == pytest.approx(0.3 / math.sqrt(2), rel=1e-4)


@pytest.mark.parametrize("hz", [125.0, 1000.0, 3999.0])
def test_zcr_of_a_tone_is_twice_its_frequency(hz, make_tone):
    zcr = run(ZcrRmsChroma(RATE, STFT, rms=False, chroma=False), make_tone(hz, 1.0))
    assert zcr.numpy() == pytest.approx(2 * hz / RATE, abs=1.5 / STFT.n_fft)


def test_tone_peaks_in_its_bin(make_tone):
    assert set(run(Spectrogram(STFT), make_tone(2000.0, 1.0)).argmax(0).tolist()) == {2000 * 1024 // RATE}


def test_twice_the_amplitude_is_four_times_the_power_and_6_db(make_tone):
    quiet, loud = make_tone(700.0, 0.5, 0.2), make_tone(700.0, 0.5, 0.4)
    assert torch.allclose(run(Mel(RATE, STFT), loud), 4 * run(Mel(RATE, STFT), quiet))
    assert run(LogMel(RATE, STFT), loud) - run(LogMel(RATE, STFT), quiet) == pytest.approx(6.0206, abs=1e-3)


def test_silence_is_the_floor():
    silence = torch.zeros(8000)
    assert torch.all(run(LogMel(RATE, STFT, log_floor=1e-5), silence) == -50)
    assert not run(ZcrRmsChroma(RATE, STFT), silence).any()


def test_top_db_is_each_utterances_own(make_tone):
    loud, quiet = torch.as_tensor(make_tone(440.0, 0.5, 0.9)), torch.as_tensor(make_tone(440.0, 0.5, 1e-3))
    features, _ = LogMel(RATE, STFT, top_db=30)(torch.stack([loud, quiet]), torch.tensor([8000, 8000]))
    ranges = features.amax((1, 2)) - features.amin((1, 2))
    assert ranges.numpy() == pytest.approx(30.0, abs=1e-4)


def test_steady_tone_does_not_change(make_tone):
    assert run(Mfcc(RATE, STFT, 13, deltas=1), make_tone(1000.0, 1.0))[13:, 4:-4].abs().max() < 1e-3


def test_slope_and_curvature_of_a_parabola():
    """With x = l² the slope is 2l and the curvature 2 wherever all 9 frames lie inside."""
    x = (torch.arange(30.0) ** 2)[None, None]
    frames = torch.tensor([30])
    assert torch.allclose(deltas(x, frames, 1)[0, 0, 4:-4], 2 * torch.arange(4.0, 26.0), rtol=1e-5)
    assert torch.allclose(deltas(x, frames, 2)[0, 0, 4:-4], torch.tensor(2.0), atol=1e-3)
