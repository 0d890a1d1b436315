"""From a stream of sound to windows of speech: blocks in, windows of a clip's length out, in memory that does not grow.

Long recordings and live sound share it. Pauses divide the sound into stretches of speech; no window crosses a pause, so
that each is what a recording is in training: one piece of speech, of the length of a clip or shorter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ser.data.audio.blocks import Resampler
from ser.errors import UserError
from ser.inference.voice_activity import FRAME, FRAME_S, RATE, Detector

SPEECH, PAUSE = 0.5, 0.35  # probabilities at which a stretch begins, and below which it may end (silero-vad's)
SHORTEST_PAUSE_S = 0.5  # that ends a stretch
SHORTEST_SPEECH_S = 0.2
MARGIN_S = 0.2  # before and behind what the detector finds
WINDOWS_S = (0.25, 30.0)  # the shortest and the longest
WHOLE_S = 3.0  # of a window, where the run takes recordings of any length
SLACK_S = 2.0  # kept in memory beyond a window


@dataclass(slots=True)
class Speech:
    """A stretch of speech between two pauses.

    Args:
        start: Seconds from the beginning of the stream.
        end: Seconds; None while it goes on.
    """

    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a stretch of speech.

    Args:
        speech: The stretch.
        start, end: Seconds from the beginning of the stream.
        waveform: (T,) float32.
    """

    speech: Speech
    start: float
    end: float
    waveform: np.ndarray


class SpeechStream:
    """Finds the stretches of speech in a stream, and keeps the last seconds of it.

    Args:
        sample_rate: Hz of the windows' waveforms; blocks of any other rate are resampled.
        window_s: Seconds of a window.
        detector: Of speech, at the beginning of a stream.
    """

    def __init__(self, sample_rate: int, window_s: float, detector: Detector):
        self.sample_rate, self.window_s = sample_rate, window_s
        self.now = 0.0  # seconds whose speech is known
        self.speech: Speech | None = None  # the current stretch
        self.spoken_until = 0.0  # end of the last frame of speech
        self._spoken_from = 0.0
        self._detector = detector
        self._frames, self._waiting = 0, np.empty(0, np.float32)
        self._to_model, self._to_detector = Resampler(sample_rate), Resampler(RATE)
        self._kept, self._dropped = np.empty(0, np.float32), 0  # samples, and how many were before them

    def push(self, samples: np.ndarray, sample_rate: int) -> Iterator[Window]:
        """Takes the next block, and gives the windows that it completes. To be read to its end.

        Args:
            samples: (n,) float32.
            sample_rate: Hz; the same for all blocks.

        Raises:
            UserError: Another rate.
        """
        yield from self._advance(self._to_model(samples, sample_rate), self._to_detector(samples, sample_rate))

    def finish(self) -> Iterator[Window]:
        """Ends the stream: what is still to come. To be read to its end."""
        rest = self._to_detector.rest()
        samples = self._frames * FRAME + len(self._waiting) + len(rest)
        rest = np.pad(rest, (0, -samples % FRAME))
        yield from self._advance(self._to_model.rest(), rest, is_end=True)
        end = samples / RATE
        if self.speech is not None:
            yield from self._close(min(end, self.spoken_until + MARGIN_S))

    def cut(self, start: float, end: float) -> Window:
        """The window between two times of the current stretch."""
        first, last = (round(time * self.sample_rate) - self._dropped for time in (start, end))
        return Window(self.speech, start, end, self._kept[max(0, first) : last].copy())

    def new_windows(self) -> Iterator[Window]:
        """Called at each frame, 32 ms: windows that are now complete."""
        raise NotImplementedError

    def last_windows(self) -> Iterator[Window]:
        """Called when a stretch has ended: windows that are still missing."""
        raise NotImplementedError

    def _advance(self, samples: np.ndarray, at_detector: np.ndarray, is_end: bool = False) -> Iterator[Window]:
        self._kept = np.concatenate([self._kept, samples])
        found = np.concatenate([self._waiting, at_detector])
        # one of the resamplers may be ahead of the other: as far as both are
        ready = (self._dropped + len(self._kept)) * RATE // self.sample_rate - self._frames * FRAME
        whole = (len(found) if is_end else min(len(found), ready)) // FRAME * FRAME
        self._waiting = found[whole:].copy()
        for probability in self._detector(found[:whole]).tolist() if whole else ():
            self._frames += 1
            self.now = self._frames * FRAME_S
            yield from self._step(probability)
        if (old := len(self._kept) - round((self.window_s + SLACK_S) * self.sample_rate)) > 0:
            self._kept, self._dropped = self._kept[old:].copy(), self._dropped + old

    def _step(self, probability: float) -> Iterator[Window]:
        if self.speech is None and probability >= SPEECH:
            self._spoken_from = self.now - FRAME_S
            self.speech = Speech(max(0.0, self._spoken_from - MARGIN_S))
        if self.speech is not None and probability >= PAUSE:
            self.spoken_until = self.now
        elif self.speech is not None and self.now - self.spoken_until >= SHORTEST_PAUSE_S:
            yield from self._close(self.spoken_until + MARGIN_S)
        yield from self.new_windows()

    def _close(self, end: float) -> Iterator[Window]:
        if self.spoken_until - self._spoken_from >= SHORTEST_SPEECH_S:
            self.speech.end = end
            yield from self.last_windows()
        self.speech = None


class OverlappingWindows(SpeechStream):
    """Windows one hop apart from the beginning of each stretch of speech; the last one ends with it.

    Args:
        hop_s: Seconds from the start of a window to that of the next.
    """

    def __init__(self, sample_rate: int, window_s: float, detector: Detector, hop_s: float):
        super().__init__(sample_rate, window_s, detector)
        self.hop_s = hop_s
        self._of, self._next, self._covered = None, 0.0, 0.0  # the stretch, and what its windows cover

    def new_windows(self) -> Iterator[Window]:
        """Those that lie wholly in what was spoken."""
        if self.speech is None:
            return
        self._begin()
        while self.spoken_until >= self._next + self.window_s:
            self._covered = self._next + self.window_s
            yield self.cut(self._next, self._covered)
            self._next += self.hop_s

    def last_windows(self) -> Iterator[Window]:
        """The one at the end, if anything is not yet in a window."""
        self._begin()
        if self._covered < self.spoken_until:
            yield self.cut(max(self.speech.start, self.speech.end - self.window_s), self.speech.end)

    def _begin(self) -> None:
        if self._of is not self.speech:
            self._of, self._next, self._covered = self.speech, self.speech.start, self.speech.start


def window_length(asked: float | None, of_clips: float | None) -> float:
    """Seconds of a window: as asked for, else as the run's clips.

    Raises:
        UserError: Too short or too long for a stream.
    """
    low, high = WINDOWS_S
    seconds = asked if asked is not None else of_clips if of_clips is not None else WHOLE_S
    if not low <= seconds <= high:
        whose = "" if asked is not None else "The run's clips (audio.duration_s) cannot be cut from a stream: "
        raise UserError(f"{whose}window={seconds:g} must be from {low:g} to {high:g} seconds; set the window.")
    return float(seconds)
