"""Noise: its level against the signal, its colour, and what it does to silence."""

import numpy as np
import pytest
import torch

from ser.augmentations.noise import Noise, coloured_noise
from ser.augmentations.snr import add_at_snr, as_loud_as
from tests.augmentations.signals import batch, decibels, generator, tone


def snr_db(before, after, length):
    """Signal against what was added, over the valid samples, in float64."""
    signal, added = before[:length].double(), after[:length].double() - before[:length].double()
    return 10 * float(torch.log10(signal.square().sum() / added.square().sum()))


@pytest.mark.parametrize("exponent", [0, 1, 2, -1, [0.3, 0.6]])
@pytest.mark.parametrize("wanted", [-10, 0, 5.5, 20, 40])
def test_snr_is_met_to_a_tenth_of_a_decibel(exponent, wanted):
    x, lengths = batch([tone(200, 16000), 0.001 * tone(1000, 9000), 1.5 * tone(3000, 500)])
    after, _ = Noise(wanted, exponent)(x, lengths, generator(1))
    for before, noisy, length in zip(x, after, lengths.tolist(), strict=True):
        assert snr_db(before, noisy, length) == pytest.approx(wanted, abs=0.1)


def test_a_silent_clip_stays_silent_and_silent_noise_adds_nothing():
    x, lengths = batch([torch.zeros(1000), tone(300, 1000)])
    after, _ = Noise(10)(x, lengths, generator())
    assert (after[0] == 0).all() and snr_db(x[1], after[1], 1000) == pytest.approx(10, abs=0.1)
    assert torch.equal(add_at_snr(x, lengths, torch.zeros_like(x), torch.full((2,), 5.0)), x)


def test_snr_is_drawn_evenly_from_its_range_for_each_clip():
    x, lengths = batch([tone(500, 400)] * 600)
    after, _ = Noise([10, 30])(x, lengths, generator(2))
    drawn = np.array([snr_db(*pair, 400) for pair in zip(x, after, strict=True)])
    assert drawn.min() >= 9.99 and drawn.max() <= 30.01
    assert drawn.mean() == pytest.approx(20, abs=1) and drawn.std() == pytest.approx(20 / 12**0.5, abs=0.6)


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.0, 2.0])
def test_colour_is_a_slope_of_power_per_octave(exponent):
    """-3.01 dB an octave for each unit of the exponent, between 125 and 4000 Hz, by a fit over 200 spectra."""
    noise = coloured_noise(torch.full((200,), exponent), 16000, generator(3)).double().numpy()
    power = np.square(np.abs(np.fft.rfft(noise))).mean(0)
    hz = np.fft.rfftfreq(16000, 1 / 16000)
    inside = (hz >= 125) & (hz <= 4000)
    slope, _ = np.polyfit(np.log2(hz[inside]), 10 * np.log10(power[inside]), 1, w=1 / np.sqrt(hz[inside]))
    assert slope == pytest.approx(-10 * np.log10(2) * exponent, abs=0.15)


def test_noise_is_gaussian_without_offset_and_uncorrelated_where_white():
    noise = coloured_noise(torch.zeros(50), 8000, generator(4)).double().numpy()
    noise /= noise.std()
    assert abs(noise.mean()) < 1e-3
    assert (noise**4).mean() == pytest.approx(3, abs=0.05)
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 0.01


@pytest.mark.parametrize("exponent", [0, 2])
def test_clips_get_noises_of_their_own(exponent):
    x, lengths = batch([tone(500, 4000)] * 3)
    after, _ = Noise(0, exponent)(x, lengths, generator(5))
    added = (after - x).double().numpy()
    assert np.abs(np.corrcoef(added) - np.eye(3)).max() < 0.5
    assert not np.allclose(added[0], added[1])


def test_as_loud_as_a_model():
    loud = as_loud_as(torch.stack([tone(300, 1000), torch.zeros(1000)]), torch.stack([0.01 * tone(90, 1000)] * 2))
    assert decibels(loud[0]) == pytest.approx(decibels(0.01 * tone(90, 1000)), abs=1e-3)
    assert (loud[1] == 0).all()
