"""Fingerprints: what another level, rate or filter changes in them, and what another recording does."""

import numpy as np
import pytest
import scipy.signal
import soxr

from ser.data.corpora.demo_speakers import codes, utter
from ser.data.corpora.demo_voice import SAMPLE_RATE
from ser.data.store import fingerprints as module
from ser.data.store.fingerprints import BITS, HOP, RATE, bit_counts, coherence, fingerprint, narrow, overlap

VOICE = utter(1, *next(codes())).astype(np.float32)


def tone(frequency, sample_rate, duration_s=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(duration_s * sample_rate)) / sample_rate).astype(np.float32)


def unequal_bits(first, second, hops=0):
    """Share of unequal bits where both are voiced."""
    (words, voiced), (other_words, other_voiced) = fingerprint(first), fingerprint(second)
    both = np.logical_and(*overlap(voiced, other_voiced, hops))
    words, other_words = overlap(words, other_words, hops)
    return bit_counts((words ^ other_words)[both]).mean() / BITS


@pytest.mark.parametrize("sample_rate", [1000, 4000, 8000, 11025, 16000, 22050, 24414, 44100, 48000, 96000])
def test_narrowing_keeps_a_tone_where_it_is(sample_rate):
    narrowed = narrow(tone(400, sample_rate), sample_rate)
    assert narrowed.dtype == np.float32 and len(narrowed) == RATE
    middle = slice(RATE // 4, -RATE // 4)
    np.testing.assert_allclose(narrowed[middle], tone(400, RATE)[middle], atol=5e-3)


@pytest.mark.parametrize(("frequency", "gain"), [(50, 0), (100, 1), (1000, 1), (1850, 1), (1950, 0), (3000, 0)])
def test_narrowing_keeps_80_to_1900_hz(frequency, gain):
    middle = narrow(tone(frequency, 16000), 16000)[RATE // 4 : -RATE // 4]
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(gain, abs=0.02)


def test_an_offset_is_gone():
    middle = slice(400, -400)  # at the ends its step rings
    np.testing.assert_allclose(narrow(VOICE + 0.1, 16000)[middle], narrow(VOICE, 16000)[middle], atol=2e-3)


@pytest.mark.parametrize("gain", [0.01, -1.0, 30.0])
def test_level_and_polarity_change_no_word(gain):
    words, voiced = fingerprint(narrow(VOICE, 16000))
    others, other_voiced = fingerprint(narrow(np.float32(gain) * VOICE, 16000))
    assert voiced.sum() > 30 and np.array_equal(voiced, other_voiced)
    assert bit_counts(words ^ others).mean() < 0.1


@pytest.mark.parametrize("sample_rate", [8000, 11025, 22050, 48000])
def test_the_sample_rate_hardly_matters(sample_rate):
    other = soxr.resample(VOICE, SAMPLE_RATE, sample_rate)
    assert unequal_bits(narrow(VOICE, SAMPLE_RATE), narrow(other, sample_rate)) < 0.02


def test_silence_in_front_moves_the_words():
    hops = 25
    padded = np.concatenate([np.zeros(hops * HOP * SAMPLE_RATE // RATE, np.float32), VOICE])
    assert unequal_bits(narrow(padded, 16000), narrow(VOICE, 16000), hops) < 0.01


def test_another_voice_has_other_words():
    other = utter(2, *next(codes())).astype(np.float32)
    assert unequal_bits(narrow(VOICE, 16000), narrow(other, 16000)) > 0.3


@pytest.mark.parametrize("samples", [0, 1, 100, 511])
def test_too_short_for_a_word(samples):
    words, voiced = fingerprint(np.ones(samples, np.float32))
    assert len(words) == len(voiced) == 0


def test_a_long_recording_is_taken_in_blocks(monkeypatch):
    narrowed = narrow(VOICE, 16000)
    whole = fingerprint(narrowed)
    monkeypatch.setattr(module, "_BLOCK", 7)
    for part, expected in zip(fingerprint(narrowed), whole, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_silence_has_no_voiced_word():
    assert not fingerprint(np.zeros(RATE, np.float32))[1].any()


@pytest.mark.parametrize("lag", [-900, -129, -1, 0, 1, 500])
@pytest.mark.parametrize("error", [-2 * HOP, 0, 77])
def test_coherence_of_a_shifted_copy_is_one(lag, error):
    whole = narrow(VOICE, 16000)
    first, second = whole[max(0, -lag) :], whole[max(0, lag) :]
    assert coherence(first, second, lag + error) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("cutoffs", [80, 200, (300, 3400)])
def test_a_filter_that_ruins_correlation_leaves_coherence(cutoffs):
    kind = "bandpass" if np.ndim(cutoffs) else "highpass"
    filtered = scipy.signal.sosfilt(scipy.signal.butter(4, cutoffs, kind, fs=16000, output="sos"), VOICE)
    assert np.corrcoef(filtered, VOICE)[0, 1] < 0.9
    assert coherence(narrow(VOICE, 16000), narrow(filtered, 16000), 0) > 0.85


def test_noise_is_not_coherent():
    first, second = np.random.default_rng(0).standard_normal((2, 2 * RATE)).astype(np.float32)
    assert coherence(narrow(first, RATE), narrow(second, RATE), 0) < 0.2


def test_monotones_of_one_pitch_are_not_coherent():
    """Two buzzes at 120 Hz whose harmonics have other phases and levels: what a steady vowel is to another one."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE

    def buzz():
        levels, phases = rng.uniform(0.1, 1, 15), rng.uniform(0, 2 * np.pi, 15)
        glide = 120 * time + 0.5 * rng.uniform(-1, 1) * time**2
        return sum(a * np.sin(2 * np.pi * k * glide + p) for k, a, p in zip(range(1, 16), levels, phases, strict=True))

    assert coherence(narrow(buzz(), RATE), narrow(buzz(), RATE), 0) < 0.7


def test_a_cut_and_padded_copy_is_compared_where_it_is_heard():
    whole = narrow(VOICE, 16000)
    cut = np.where(np.arange(len(whole)) < 0.6 * len(whole), whole, 0)
    assert coherence(whole, cut, 0) > 0.99
