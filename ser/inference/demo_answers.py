"""What the demo page says about a recording: the emotion, its course, and what decided it; or why there is none."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser.data.audio.blocks import Resampler, read_blocks
from ser.data.audio.decode import BadRecording
from ser.data.corpora.audio_files import why_no_file
from ser.errors import UserError
from ser.inference.ensemble_predictor import EnsemblePredictor
from ser.inference.long_recordings import TimelineSettings, file_timeline
from ser.inference.occlusion import Decision, explain
from ser.inference.predictor import Predictor
from ser.inference.streaming import WINDOWS_S, window_length
from ser.inference.stretches import Stretch

MOST_BYTES = 50 * 2**20
MOST_S = 600.0
LONG = 2.0  # clips: from here on the emotion has a course


@dataclass(frozen=True, slots=True)
class DemoAnswer:
    """The answer to one recording.

    Args:
        emotion: The most probable class: of the recording, or at the mean over the speech of a long one.
        probabilities: Of each class.
        waveform: (T,) float32, mono.
        sample_rate: Hz.
        stretches: Of a long one; else empty.
        decision: What decided it; None where nothing did.
        part: Start and end in seconds of what `decision` is about: all of it, or the surest stretch of a long one.
    """

    emotion: str
    probabilities: dict[str, float]
    waveform: np.ndarray
    sample_rate: int
    stretches: tuple[Stretch, ...]
    decision: Decision | None
    part: tuple[float, float]


def answer(model: Predictor | EnsemblePredictor, path: Path) -> DemoAnswer:
    """The answer to a file that a stranger sent.

    A short recording is answered as by `ser predict`, a long one as by `ser predict --timeline`.

    Args:
        model: As loaded.
        path: Of at most 50 MB and ten minutes.

    Raises:
        UserError: It cannot be used; the reason is a sentence for its sender.
    """
    try:
        waveform = _decode(path, model.sample_rate, model.channel)
        seconds, clip_s = len(waveform) / model.sample_rate, _clip_s(model)
        if seconds > LONG * clip_s:
            return _of_long(model, path, waveform, clip_s)
        (found,) = model.read([path])
        if found.error:
            raise BadRecording(found.error)
        decision = explain(model, waveform, model.sample_rate)
    except BadRecording as error:
        raise UserError(f"This recording cannot be used: {error}.") from error
    return DemoAnswer(found.emotion, found.probabilities, waveform, model.sample_rate, (), decision, (0.0, seconds))


def _decode(path: Path, sample_rate: int, channel: int | None) -> np.ndarray:
    """The recording as mono, unless it is too large or too long: no more is decoded than is allowed."""
    if reason := why_no_file(path):
        raise BadRecording(reason)
    if path.stat().st_size > MOST_BYTES:
        raise BadRecording(f"larger than {MOST_BYTES // 2**20} MB")
    resample, pieces, seconds = Resampler(sample_rate), [], 0.0
    for samples, rate in read_blocks(path, channel):
        seconds += len(samples) / rate
        if seconds > MOST_S:
            raise BadRecording(f"longer than {MOST_S / 60:g} minutes; cut it, or use ser predict --timeline")
        pieces.append(resample(samples, rate))
    return np.concatenate([*pieces, resample.rest()])


def _clip_s(model: Predictor | EnsemblePredictor) -> float:
    low, high = WINDOWS_S
    seconds = model.clip_s
    # a run of longer clips has no windows: its recordings are answered as wholes
    return window_length(None, seconds) if seconds is None or low <= seconds <= high else MOST_S


def _of_long(model: Predictor | EnsemblePredictor, path: Path, waveform: np.ndarray, clip_s: float) -> DemoAnswer:
    found = file_timeline(model, path, TimelineSettings())
    if found.error:
        raise BadRecording(found.error)
    weights = np.array([stretch.end - stretch.start for stretch in found.stretches])
    shares = np.array([list(stretch.probabilities.values()) for stretch in found.stretches])
    emotion, probabilities = model.answers.named(weights @ shares / weights.sum())
    surest = max(found.stretches, key=lambda stretch: stretch.probability)
    middle, seconds = (surest.start + surest.end) / 2, len(waveform) / model.sample_rate
    start = min(max(0.0, middle - clip_s / 2), seconds - clip_s)
    start, end = max(start, surest.start), min(start + clip_s, surest.end)
    part = waveform[round(start * model.sample_rate) : round(end * model.sample_rate)]
    decision = explain(model, part, model.sample_rate, offset=False)
    return DemoAnswer(emotion, probabilities, waveform, model.sample_rate, found.stretches, decision, (start, end))
