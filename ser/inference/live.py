"""The emotion of live sound: five times a second the answer to the last seconds of speech, smoothed."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ser.data.audio.pcm_stream import Pcm
from ser.inference.answers import Answer, check_classes
from ser.inference.live_sources import Microphone, Piped
from ser.inference.long_recordings import StreamingModel
from ser.inference.streaming import MARGIN_S, Speech, SpeechStream, Window, window_length
from ser.inference.voice_activity import FRAME_S, Detector
from ser.system.threads import one_thread_each

EVERY = 6  # frames of 32 ms from answer to answer: 5.2 a second
FIRST_S = 0.5  # of speech before the first answer
SMOOTH_S = 1.0


@dataclass(frozen=True, slots=True)
class Moment(Answer):
    """The answer at one time.

    Args:
        time: Seconds from the beginning of the stream.
        emotion: The most probable class, or 'unsure'; None in a pause.
        probabilities: Of each class, smoothed; empty in a pause.
        behind: Seconds from the arrival of the newest sound to the answer.
    """

    time: float
    emotion: str | None
    probabilities: dict[str, float]
    behind: float


class LatestWindows(SpeechStream):
    """Every 0.19 s a window of the last speech, of what there is of it; in a pause an empty one."""

    def new_windows(self) -> Iterator[Window]:
        """The window that ends now."""
        if round(self.now / FRAME_S) % EVERY:
            return
        speech = self.speech
        if speech is None or self.spoken_until - speech.start < FIRST_S:
            yield Window(Speech(self.now), self.now, self.now, np.empty(0, np.float32))
            return
        end = min(self.now, self.spoken_until + MARGIN_S)
        yield self.cut(max(speech.start, end - self.window_s), end)

    def last_windows(self) -> Iterator[Window]:
        """None: the next is due soon."""
        return iter(())


def listen(
    model: StreamingModel,
    source: Piped | Microphone,
    detector: Detector,
    raw: Pcm | None = None,
    window_s: float | None = None,
    smooth_s: float = SMOOTH_S,
) -> Iterator[Moment]:
    """Answers to live sound, to the end of the stream.

    One view of each window is answered: the run's evaluation views would cost their number times as much.

    Args:
        model: As loaded.
        source: Of the sound.
        detector: Of speech.
        raw: The format of piped sound without a header.
        window_s: Seconds of a window; None: as the run's clips, or 3.
        smooth_s: In so many seconds the weight of an answer falls to a third; 0: each answer alone.

    Raises:
        UserError: The run cannot answer to a stream, or the stream fails; all answers before are given.
        BadRecording: The channels of the sound do not fit.
    """
    check_classes(model.answers, "Live sound")
    seconds = window_length(window_s, model.clip_s)
    stream = LatestWindows(model.sample_rate, seconds, detector)
    forget = math.exp(-EVERY * FRAME_S / smooth_s) if smooth_s else 0.0
    speech, smoothed = None, None
    with one_thread_each():
        warm = np.random.default_rng(0).normal(0, 0.1, int(seconds * model.sample_rate)).astype(np.float32)
        model.window_logits([warm], model.sample_rate, views=False)  # what is made at the first use is made now
        for samples, sample_rate in source.blocks(raw, model.channel):
            for window in stream.push(samples, sample_rate):
                if not len(window.waveform):
                    yield Moment(round(stream.now, 3), None, {}, time.monotonic() - source.arrived)
                    continue
                if source.is_behind():
                    continue
                (shares,) = model.answers.shares(model.window_logits([window.waveform], model.sample_rate, views=False))
                if window.speech is not speech:
                    speech, smoothed = window.speech, None
                if np.isfinite(shares).all():
                    smoothed = shares if smoothed is None else forget * smoothed + (1 - forget) * shares
                named = (None, {}) if smoothed is None else model.answers.named(smoothed)
                yield Moment(round(stream.now, 3), *named, time.monotonic() - source.arrived)
