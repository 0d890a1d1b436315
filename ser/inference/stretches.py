"""From the answers to overlapping windows to stretches of one emotion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ser.inference.answers import Answer, Answers
from ser.inference.streaming import Speech, Window


@dataclass(frozen=True, slots=True)
class Stretch(Answer):
    """A stretch of a recording with one emotion.

    Args:
        start, end: Seconds from the beginning of the recording.
        emotion: The most probable class, or 'unsure'.
        probabilities: Of each class: the mean over the stretch.
    """

    start: float
    end: float
    emotion: str
    probabilities: dict[str, float]


def stretches_of(
    speech: Speech, windows: Sequence[Window], shares: np.ndarray, smooth_s: float, answers: Answers
) -> Iterator[Stretch]:
    """Stretches of one emotion in one stretch of speech: each moment has the answer of the window nearest to it.

    Args:
        speech: Between two pauses.
        windows: Of it, in order.
        shares: Probabilities (N, classes); rows of NaN, of windows that could not be used, count for nothing.
        smooth_s: A window's probabilities are the mean of those whose middles are at most so many seconds away.
        answers: How probabilities become an emotion.
    """
    usable = np.isfinite(shares).all(axis=1)
    if not usable.any():
        return
    middles = np.array([(window.start + window.end) / 2 for window in windows])[usable]
    first, last = middles.searchsorted(middles - smooth_s - 1e-9), middles.searchsorted(middles + smooth_s + 1e-9)
    sums = np.pad(shares[usable].cumsum(axis=0), ((1, 0), (0, 0)))
    smoothed = (sums[last] - sums[first]) / (last - first)[:, None]
    edges = np.array([speech.start, *((middles[1:] + middles[:-1]) / 2), speech.end])
    emotions = [answers.named(row)[0] for row in smoothed]
    for emotion, group in groupby(range(len(middles)), key=emotions.__getitem__):
        cells = list(group)
        weights = np.diff(edges)[cells]
        mean = weights @ smoothed[cells] / weights.sum()
        probabilities = dict(zip(answers.classes, mean.tolist(), strict=True))
        yield Stretch(float(edges[cells[0]]), float(edges[cells[-1] + 1]), emotion, probabilities)
