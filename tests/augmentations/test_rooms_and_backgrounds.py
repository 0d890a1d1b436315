"""Reverberation and backgrounds: times, levels, alignment."""

import numpy as np
import pytest
import scipy.signal
import torch

from ser.augmentations.background import Background
from ser.augmentations.reverberation import RecordedReverberation, Reverberation, synthetic_room
from tests.augmentations.signals import RATE, batch, decibels, frequency, generator, noisy_batch, tone


def measured_rt60(response):
    """Seconds to -60 dB by Schroeder's backward integration: a line through -5 to -25 dB (T20 of ISO 3382)."""
    decay = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(decay / decay[0])
    inside = np.flatnonzero((level <= -5) & (level >= -25))
    slope, _ = np.polyfit(inside / RATE, level[inside], 1)
    return -60 / slope


@pytest.mark.parametrize("rt60_s", [0.1, 0.3, 0.8, 1.5])
def test_reverberation_decays_by_60_db_in_rt60(rt60_s):
    count = int(1.2 * rt60_s * RATE)
    rooms = synthetic_room(torch.full((20,), rt60_s), torch.zeros(20), count, RATE, generator(1)).double().numpy()
    times = [measured_rt60(room[1:]) for room in rooms]
    assert np.mean(times) == pytest.approx(rt60_s, rel=0.05)


@pytest.mark.parametrize("drr_db", [-6, 0, 10])
def test_direct_against_reverberant_energy(drr_db):
    rooms = synthetic_room(torch.full((5,), 0.4), torch.full((5,), float(drr_db)), 6400, RATE, generator())
    assert (rooms[:, 0] == 1).all()
    ratio = 10 * torch.log10(1 / rooms[:, 1:].double().square().sum(1))
    assert ratio.numpy() == pytest.approx(drr_db, abs=0.01)


@pytest.mark.parametrize("room", [Reverberation(RATE, [0.2, 1.0]), None])
def test_level_is_preserved_and_nothing_is_delayed(room):
    room = room or RecordedReverberation("x", [np.float32([0] * 500 + [-0.8] + [0.3, -0.2, 0.1] * 50)])
    x, lengths = noisy_batch([16000, 9000, 300])
    after, _ = room(x, lengths, generator(2))
    for before, wet, length in zip(x.numpy(), after.numpy(), lengths.tolist(), strict=True):
        assert (wet[:length] ** 2).sum() == pytest.approx((before[:length] ** 2).sum(), rel=1e-3)
        lags = scipy.signal.correlation_lags(length, length)
        correlation = np.abs(scipy.signal.correlate(wet[:length], before[:length]))
        assert lags[correlation.argmax()] == 0


def test_a_recorded_room_is_a_convolution_from_its_direct_path_on():
    response = np.float32([0.01, -0.02, 0.9, 0.4, -0.3, 0.2])
    x, lengths = noisy_batch([400, 250])
    after, _ = RecordedReverberation("x", [response])(x, lengths, generator())
    for before, wet, length in zip(x.double().numpy(), after.numpy(), lengths.tolist(), strict=True):
        wanted = np.convolve(before[:length], response[2:].astype(float))[:length]
        wanted *= np.sqrt((before**2).sum() / (wanted**2).sum())
        assert np.allclose(wet[:length], wanted, atol=1e-5)


def test_each_clip_has_a_room_of_its_own():
    responses = [np.float32([1, *[0.0] * i, 0.5]) for i in range(4)]
    pulse = torch.zeros(60, 50)
    pulse[:, 0] = 1
    after, _ = RecordedReverberation("x", responses)(pulse, torch.full((60,), 50), generator(1))
    assert set(after[:, 1:].argmax(1).tolist()) == {0, 1, 2, 3}
    x, lengths = noisy_batch([4000])
    pair, _ = Reverberation(RATE)(x.repeat(2, 1), lengths.repeat(2), generator(1))
    assert not torch.allclose(pair[0], pair[1])


def test_a_room_longer_than_the_clip():
    x, lengths = noisy_batch([100, 1])
    after, _ = RecordedReverberation("x", [np.float32(0.9 ** np.arange(5000))])(x, lengths, generator())
    assert after.isfinite().all() and after.shape == x.shape
    assert after[1, 0] == pytest.approx(float(x[1, 0]), rel=1e-4)


# ---- backgrounds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [-5, 0, 10, 25])
def test_a_background_is_at_its_snr_over_the_valid_samples(wanted):
    sounds = [np.random.default_rng(i).standard_normal(n).astype(np.float32) for i, n in enumerate((900, 20000))]
    x, lengths = batch([tone(200, 8000), 0.01 * tone(900, 3000), tone(500, 100)])
    after, _ = Background("x", sounds, wanted)(x, lengths, generator(1))
    for before, mixed, length in zip(x.double(), after.double(), lengths.tolist(), strict=True):
        added = (mixed - before)[:length]
        assert 10 * float(torch.log10(before.square().sum() / added.square().sum())) == pytest.approx(wanted, abs=0.1)


def test_excerpts_are_cut_from_anywhere_in_a_recording():
    """A rising tone tells where an excerpt came from."""
    count = 160000
    sweep = np.sin(2 * np.pi * np.cumsum(np.linspace(500, 6000, count)) / RATE).astype(np.float32)
    x = torch.full((60, 2000), 1e-3)
    after, _ = Background("x", [sweep], -40)(x, torch.full((60,), 2000), generator(3))
    found = np.array([frequency(clip) for clip in after - x])
    assert found.min() < 1200 and found.max() > 5300 and np.ptp(found) <= 5500


def test_a_short_recording_goes_round():
    x = torch.full((1, 1000), 0.1)
    period = np.float32([1, -1, 2, -2, 0.5])
    after, _ = Background("x", [period], 0)(x, torch.tensor([1000]), generator())
    added = (after - x)[0].numpy().reshape(-1, 5)
    assert np.allclose(added, added[0], atol=1e-6)
    assert any(
        np.allclose(np.roll(period, k) / added[0], (np.roll(period, k) / added[0])[0], rtol=1e-3) for k in range(5)
    )


def test_every_recording_is_drawn_and_a_silent_excerpt_adds_nothing():
    sounds = [np.full(50, level, np.float32) for level in (0.0, 1.0, -1.0)]
    x = torch.full((80, 40), 0.1)
    after, _ = Background("x", sounds, 0)(x, torch.full((80,), 40), generator(1))
    kinds = {round(float(value), 3) for value in (after - x)[:, 0]}
    assert kinds == {0.0, 0.1, -0.1}
    assert decibels(after[0]) < 0
