"""What moves frequencies or durations, measured on tones: a hundredth of a semitone is a cent."""

import numpy as np
import pytest
import scipy.signal
import torch

from ser.augmentations.pitch import PitchShift
from ser.augmentations.resampling import resample
from ser.augmentations.speed import Speed
from ser.augmentations.stretch import TimeStretch
from ser.augmentations.vocoder import stretch, window_length
from ser.errors import UserError
from tests.augmentations.signals import RATE, batch, cents, decibels, frequency, generator, noisy_batch, tone

TONES = [110.0, 220.0, 440.0, 1000.0, 2500.0]
INSIDE = slice(2000, -2000)  # away from the ends, where a tone begins


@pytest.mark.parametrize("semitones", [-7, -2, -0.3, 0.37, 1, 4, 12])
def test_pitch_moves_by_the_asked_semitones_within_5_cents_and_length_stays(semitones):
    x, lengths = batch([tone(hz, 24000 + 100 * i) for i, hz in enumerate(TONES)])
    after, after_lengths = PitchShift(RATE, semitones)(x, lengths, generator())
    assert torch.equal(after_lengths, lengths) and after.shape == x.shape
    for hz, clip, length in zip(TONES, after, lengths.tolist(), strict=True):
        assert abs(cents(frequency(clip[:length][INSIDE]), hz * 2 ** (semitones / 12))) < 5
        assert decibels(clip[:length][INSIDE]) == pytest.approx(decibels(tone(hz)), abs=0.5)


def test_harmonics_stay_harmonics():
    """Each of a vowel's harmonics moves by the same interval: a comb at 150 Hz becomes one at 200 Hz."""
    vowel = sum(tone(150 * k, 32000) / k for k in range(1, 11))
    after, _ = PitchShift(RATE, 12 * np.log2(4 / 3))(vowel[None], torch.tensor([32000]), generator())
    spectrum = np.abs(np.fft.rfft(after[0].numpy()[4000:-4000] * np.hanning(24000)))
    peaks, _ = scipy.signal.find_peaks(spectrum, height=0.03 * spectrum.max(), distance=100)
    assert np.allclose(peaks * RATE / 24000, 200 * np.arange(1, len(peaks) + 1), atol=1.0) and len(peaks) >= 9


def test_intervals_are_drawn_for_each_clip():
    x, lengths = batch([tone(440, 16000)] * 40)
    after, _ = PitchShift(RATE, [-2, 2])(x, lengths, generator(1))
    drawn = np.array([cents(frequency(clip[INSIDE]), 440) / 100 for clip in after])
    assert drawn.min() >= -2.05 and drawn.max() <= 2.05 and drawn.std() > 0.8


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100])
def test_pitch_at_other_sample_rates(sample_rate):
    clip = tone(440, sample_rate, sample_rate)
    after, _ = PitchShift(sample_rate, 3)(clip[None], torch.tensor([len(clip)]), generator())
    assert abs(cents(frequency(after[0, 2000:-2000], sample_rate), 440 * 2 ** (3 / 12))) < 5


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.93, 1.1, 1.25, 2.0])
def test_a_stretch_keeps_the_pitch_and_scales_the_length(rate):
    x, lengths = batch([tone(hz, 24000 + 100 * i) for i, hz in enumerate(TONES)])
    after, after_lengths = TimeStretch(RATE, rate)(x, lengths, generator())
    assert after_lengths.tolist() == [round(length / rate) for length in lengths.tolist()]
    for hz, clip, length in zip(TONES, after, after_lengths.tolist(), strict=True):
        assert abs(cents(frequency(clip[:length][INSIDE]), hz)) < 5
        assert decibels(clip[:length][INSIDE]) == pytest.approx(decibels(tone(hz)), abs=0.5)


def test_events_keep_their_order_and_move_in_proportion():
    """Two bursts of noise at 0.5 and 1.2 s of 2 s are at 0.625 and 1.5 s of 2.5 s."""
    clip = 1e-4 * torch.randn(32000, generator=generator())
    for start in (8000, 19200):
        clip[start : start + 800] = 0.3 * torch.randn(800, generator=generator(start))
    slow = stretch(clip, 0.8, window_length(RATE))
    power = np.convolve(slow.numpy() ** 2, np.ones(1000), mode="same")
    peaks, _ = scipy.signal.find_peaks(power, height=0.3 * power.max(), distance=5000)
    assert peaks == pytest.approx(np.array([8400, 19600]) / 0.8, abs=200)


def test_a_rate_of_1_gives_the_waveform_back():
    clip = torch.randn(10007, generator=generator())
    assert torch.allclose(stretch(clip, 1.0, 512), clip, atol=1e-4)
    assert torch.allclose(resample(clip, 1.0), clip, atol=1e-5)


@pytest.mark.parametrize("rate", [0.8, 0.95, 1.07, 1.3])
def test_speed_multiplies_frequencies_and_divides_the_duration(rate):
    x, lengths = batch([tone(hz, 16000 + 77 * i) for i, hz in enumerate(TONES)])
    after, after_lengths = Speed(rate)(x, lengths, generator())
    assert after_lengths.tolist() == [round(length / rate) for length in lengths.tolist()]
    for hz, clip, length in zip(TONES, after, after_lengths.tolist(), strict=True):
        assert abs(cents(frequency(clip[:length][INSIDE]), hz * rate)) < 1
        assert decibels(clip[:length][INSIDE]) == pytest.approx(decibels(tone(hz)), abs=0.05)


def test_resampling_has_no_delay_and_no_aliases():
    """A pulse at sample 6000 is at 6000 / rate; 7 kHz read 1.5 times as fast would be above half the sample rate."""
    pulse = torch.zeros(12000)
    pulse[6000] = 1
    for rate in (0.75, 1.5):
        assert int(resample(pulse, rate).abs().argmax()) == round(6000 / rate)
    assert decibels(resample(tone(7000), 1.5)[INSIDE]) < -60


def test_resampling_agrees_with_scipy():
    clip = torch.randn(16000, generator=generator())
    ours = resample(clip, 1.25).numpy()
    reference = scipy.signal.resample(np.pad(clip.numpy(), (0, 4000)), 16000)[:12800]  # 20000 samples become 16000
    assert np.abs(ours - reference)[200:-200].max() < 0.02  # the padding differs, and only its ringing


def test_what_is_left_of_next_to_nothing():
    """A clip keeps at least one sample, however fast."""
    x, lengths = noisy_batch([1, 2, 3, 40])
    for augmentation in (Speed(4), TimeStretch(RATE, 4)):
        after, after_lengths = augmentation(x, lengths, generator())
        assert after_lengths.tolist() == [1, 1, 1, 10] and after.isfinite().all()


def test_lengths_of_neighbours_do_not_matter():
    x, lengths = noisy_batch([3000, 8000])
    for augmentation in (PitchShift(RATE, 2), TimeStretch(RATE, 0.9), Speed(0.9)):
        together, together_lengths = augmentation(x, lengths, generator())
        alone, alone_lengths = augmentation(x[:1, :3000], lengths[:1], generator())
        assert alone_lengths[0] == together_lengths[0]
        assert torch.equal(together[0, : alone.shape[1]], alone[0])


def test_speed_of_a_list_is_one_of_them_and_each_view_has_its_own():
    x, lengths = noisy_batch([1000] * 200)
    listed = Speed(rates=[0.8, 1.25])
    _, after = listed(x, lengths, generator(0))
    assert set(after.tolist()) == {1250, 800} and 60 < (after == 800).sum() < 140
    assert [set(listed.for_view(v)(x, lengths, generator(v))[1].tolist()) for v in (1, 2, 3)] == [{1250}, {800}, {1250}]
    drawn = Speed([0.9, 1.1])
    assert drawn.for_view(2) is drawn
    with pytest.raises(UserError, match="rates=\\[\\] is an empty list: give at least one rate"):
        Speed(rates=[])
