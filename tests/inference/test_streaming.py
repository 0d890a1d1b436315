"""From a stream to windows: of speech alone, without gaps, and the same however the stream is cut into blocks."""

import numpy as np
import pytest

from ser.errors import UserError
from ser.inference.live import EVERY, LatestWindows
from ser.inference.streaming import MARGIN_S, OverlappingWindows, window_length
from ser.inference.voice_activity import FRAME_S, Energy, Everything

RATE = 8000
SPEECH = [(1.0, 3.0), (4.0, 4.9), (6.0, 13.0)]  # seconds


def sound(rate: int = RATE, seconds: float = 15.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.arange(int(seconds * rate)) / rate
    loud = sum((time >= start) & (time < end) for start, end in SPEECH)
    return (rng.standard_normal(len(time)) * np.where(loud, 0.1, 0.0005)).astype(np.float32)


def cut(stream, samples: np.ndarray, sizes, rate: int = RATE) -> list:
    """All windows of a stream whose blocks have these sizes, again and again."""
    windows, start = [], 0
    for size in np.resize(sizes, len(samples)).tolist():
        if start >= len(samples):
            break
        windows += stream.push(samples[start : start + size], rate)
        start += size
    return [*windows, *stream.finish()]


def overlapping(**other) -> OverlappingWindows:
    return OverlappingWindows(**{"sample_rate": RATE, "window_s": 2.0, "detector": Energy(), "hop_s": 1.0, **other})


def test_windows_cover_all_speech_and_cross_no_pause():
    windows = cut(overlapping(), sound(), [4000])
    stretches = list({id(window.speech): window.speech for window in windows}.values())
    assert len(stretches) == len(SPEECH)
    for speech, (start, end) in zip(stretches, SPEECH, strict=True):
        assert abs(speech.start - (start - MARGIN_S)) < 0.07 and abs(speech.end - (end + MARGIN_S)) < 0.07
        inside = [window for window in windows if window.speech is speech]
        assert inside[0].start == speech.start and inside[-1].end >= end
        for window, after in zip(inside, inside[1:], strict=False):
            assert (
                window.end - window.start == pytest.approx(2.0)
                and window.start < after.start <= window.start + 1.0 + 1e-9
            )
        assert all(speech.start <= window.start < window.end <= speech.end + 1e-9 for window in inside)
    assert [round(window.end - window.start, 1) for window in windows if window.speech is stretches[1]] == [1.3]


def test_a_window_holds_the_samples_of_its_time():
    samples = sound()
    for window in cut(overlapping(), samples, [3000]):
        first, last = round(window.start * RATE), round(window.end * RATE)
        np.testing.assert_array_equal(window.waveform, samples[first:last])


@pytest.mark.parametrize("rate", [8000, 44100, 16000])
def test_blocks_of_any_size_give_the_same_windows(rate):
    expected = cut(overlapping(), sound(rate), [rate * 20], rate)
    for sizes in ([rate // 100], [1, 5000, 333], [rate * 2]):
        found = cut(overlapping(), sound(rate), sizes, rate)
        assert [(window.start, window.end) for window in found] == [(window.start, window.end) for window in expected]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.waveform, other.waveform, atol=1e-6)


def test_memory_does_not_grow():
    stream = overlapping(detector=Everything())
    for _ in range(100):
        list(stream.push(sound(seconds=1.0), RATE))
    assert len(stream._kept) <= 4.1 * RATE


def test_everything_is_one_stretch_to_its_very_end():
    windows = cut(overlapping(detector=Everything()), sound()[: int(7.3 * RATE)], [1000])
    assert {id(window.speech) for window in windows} == {id(windows[0].speech)}
    assert windows[0].start == 0 and windows[-1].end == pytest.approx(7.3, abs=0.04)


def test_a_stream_without_speech_has_no_windows():
    assert cut(overlapping(), np.zeros(RATE * 5, np.float32), [1000]) == []
    assert cut(overlapping(), np.zeros(3, np.float32), [1]) == []


def test_live_windows_come_five_times_a_second_and_never_wait():
    stream = LatestWindows(RATE, 2.0, Energy())
    windows = cut(stream, sound(), [80])
    assert len(windows) == round(windows[-1].end / FRAME_S) // EVERY == int(15 / FRAME_S) // EVERY
    spoken = [window for window in windows if len(window.waveform)]
    for window in spoken:
        assert any(start - 0.3 < window.start < window.end < end + 0.6 for start, end in SPEECH)
        assert len(window.waveform) == pytest.approx((window.end - window.start) * RATE, abs=1)
    first, longest = spoken[0], max(window.end - window.start for window in spoken)
    assert first.end - 1.0 < 0.6 and longest == pytest.approx(2.0)


def test_a_window_has_limits():
    assert window_length(None, 2.5) == 2.5 and window_length(1.0, 2.5) == 1.0 and window_length(None, None) == 3.0
    with pytest.raises(UserError, match="The run's clips .* cannot be cut from a stream: window=60"):
        window_length(None, 60.0)
    with pytest.raises(UserError, match="^window=0.1 must be from 0.25 to 30 seconds"):
        window_length(0.1, 60.0)
