"""Gain, polarity and shift, sample by sample."""

import numpy as np
import pytest
import torch

from ser.augmentations.level import Gain, Polarity
from ser.augmentations.shift import Shift
from tests.augmentations.signals import RATE, batch, decibels, generator, noisy_batch, tone


@pytest.mark.parametrize("gain_db", [-20, -6, 0.5, 12])
def test_gain_is_in_decibels(gain_db):
    x, lengths = batch([tone(440, 3000), 0.01 * tone(100, 1000)])
    after, _ = Gain(gain_db)(x, lengths, generator())
    for before, scaled, length in zip(x, after, lengths.tolist(), strict=True):
        assert decibels(scaled[:length]) - decibels(before[:length]) == pytest.approx(gain_db, abs=1e-3)
        assert np.corrcoef(scaled[:length], before[:length])[0, 1] == pytest.approx(1)


def test_gain_is_drawn_for_each_clip():
    x, lengths = batch([tone(440, 100)] * 500)
    after, _ = Gain([-6, 6])(x, lengths, generator(1))
    drawn = 20 * np.log10((after.abs().amax(1) / x.abs().amax(1)).numpy())
    assert -6.001 <= drawn.min() < -5.5 and 5.5 < drawn.max() <= 6.001 and abs(drawn.mean()) < 0.6


def test_polarity_turns_half_of_the_clips_upside_down():
    x, lengths = noisy_batch([50] * 400)
    after, _ = Polarity()(x, lengths, generator(1))
    turned = (after == -x).all(1)
    assert ((after == x).all(1) | turned).all() and 150 < int(turned.sum()) < 250


def test_a_circular_shift_keeps_the_samples():
    x, lengths = noisy_batch([1000, 377, 2, 999])
    after, _ = Shift(RATE, [-0.05, 0.05])(x, lengths, generator(1))
    for before, moved, length in zip(x, after, lengths.tolist(), strict=True):
        assert torch.equal(moved[:length].sort().values, before[:length].sort().values)


@pytest.mark.parametrize(("shift_s", "samples"), [(0.01, 160), (-0.01, -160), (0.1, 1600), (0.00003, 0)])
def test_a_shift_is_what_numpy_rolls(shift_s, samples):
    x, lengths = noisy_batch([1000, 377])
    after, _ = Shift(RATE, shift_s)(x, lengths, generator())
    for before, moved, length in zip(x.numpy(), after.numpy(), lengths.tolist(), strict=True):
        assert np.array_equal(moved[:length], np.roll(before[:length], samples))


@pytest.mark.parametrize("samples", [100, -100, 5])
def test_without_wrap_zeros_come_in(samples):
    x, lengths = noisy_batch([1000, 377])
    after, _ = Shift(RATE, samples / RATE, wrap=False)(x, lengths, generator())
    for before, moved, length in zip(x.numpy(), after.numpy(), lengths.tolist(), strict=True):
        wanted = np.roll(before[:length], samples)
        wanted[slice(0, samples) if samples > 0 else slice(samples, None)] = 0
        assert np.array_equal(moved[:length], wanted)


@pytest.mark.parametrize("shift_s", [50, -50])
def test_a_shift_past_the_clip_leaves_one_sample(shift_s):
    x, lengths = noisy_batch([1000, 1])
    after, _ = Shift(RATE, shift_s, wrap=False)(x, lengths, generator())
    assert after.count_nonzero(dim=1).tolist() == [1, 1]


def test_shifts_are_drawn_evenly_in_both_directions():
    x = torch.zeros(500, 2001)
    x[:, 1000] = 1
    after, _ = Shift(RATE, [-0.05, 0.05])(x, torch.full((500,), 2001), generator(2))
    drawn = (after.argmax(1) - 1000).float()
    assert drawn.min() >= -800 and drawn.max() <= 800
    assert abs(float(drawn.mean())) < 80 and float(drawn.std()) == pytest.approx(1600 / 12**0.5, rel=0.1)
