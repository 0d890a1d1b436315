"""Which files of a corpus deserve a look before training, and why.

Some rules look at one file (clipped, DC offset, unusable), some compare it with the others of its corpus: robust
z-scores, so that a few odd files neither hide each other nor make the others look odd. The thresholds are the constants
below; a match does not prove that a file is wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ser.errors import some
from ser.reports.exploration.inspection import Inspected, Measured

KINDS = {  # in the order of the report: `5 files with another number of channels`
    "unusable": "that cannot be used",
    "copy": "with the samples of another",
    "clipped": "clipped",
    "offset": "with a DC offset",
    "rate": "at another sample rate",
    "channels": "with another number of channels",
    "quiet": "very quiet",
    "loud": "very loud",
    "silence": "mostly silence",
    "short": "very short",
    "long": "very long",
}

LEAST_CLIPPED = 5e-4  # share of samples; single flat tops are inaudible
LEAST_OFFSET = 0.002  # of full scale: -54 dBFS ...
LEAST_OFFSET_SHARE = 0.05  # ... and of the file's own level (RMS)
MOST_Z = 4.5
FEWEST = 10  # recordings of a corpus from which on they can be compared
MOST_COMMON = 0.9  # share that one sample rate or channel count must have for the others to be odd
# The least spread assumed: among nearly equal recordings, tiny differences would stand out.
LEVEL_SPREAD = 2.0  # dB
LENGTH_SPREAD = 0.1  # of the natural logarithm: half as long again stands out
SILENCE_SPREAD = 0.05  # of the share


class Suspicion(NamedTuple):
    """Why one recording deserves a look: its index, a key of `KINDS`, and the reason in words."""

    index: int
    kind: str
    reason: str


def find_suspicious(recordings: Sequence[Inspected]) -> list[Suspicion]:
    """All reasons to look, by kind in the order of `KINDS`, then by recording.

    Args:
        recordings: Inspected ones; corpora among them (`Utterance.corpus`) are compared each with itself.
    """
    found = [*_flaws(recordings), *_copies(recordings)]
    by_corpus = defaultdict(list)
    for i, recording in enumerate(recordings):
        if recording.file is not None and recording.bad is None:
            by_corpus[recording.utterance.corpus].append(i)
    for indices in by_corpus.values():
        found += _odd_ones(recordings, indices)
        found += _outliers(recordings, indices)
    order = list(KINDS)
    return sorted(found, key=lambda suspicion: (order.index(suspicion.kind), suspicion.index))


def _flaws(recordings: Sequence[Inspected]) -> Iterator[Suspicion]:
    """Flaws of single files."""
    for i, recording in enumerate(recordings):
        if recording.bad is not None:
            yield Suspicion(i, "unusable", f"cannot be used: {recording.bad}")
        if (file := recording.file) is None:
            continue
        if file.clipped >= LEAST_CLIPPED:
            share = f"{100 * file.clipped:.{2 if file.clipped < 0.1 else 3}g} %"
            yield Suspicion(i, "clipped", f"clipped: {share} of its samples are in flat tops")
        if abs(file.dc_offset) >= max(LEAST_OFFSET, LEAST_OFFSET_SHARE * 10 ** (file.rms_db / 20)):
            yield Suspicion(i, "offset", f"DC offset: its mean is {file.dc_offset:+.3f} of full scale")


def _copies(recordings: Sequence[Inspected]) -> Iterator[Suspicion]:
    """Recordings with the same samples, as prepared in the store, as another."""
    by_content = defaultdict(list)
    for i, recording in enumerate(recordings):
        if recording.utterance.content:
            by_content[recording.utterance.content].append(i)
    for group in by_content.values():
        for i in group if len(group) > 1 else ():
            others = [recordings[j] for j in group if j != i]
            reason = f"same samples as {some([other.utterance.key for other in others])}"
            labels = sorted({other.emotion for other in others} - {recordings[i].emotion})
            yield Suspicion(i, "copy", reason + (f", labelled {', '.join(labels)}" if labels else ""))


def _odd_ones(recordings: Sequence[Inspected], indices: Sequence[int]) -> Iterator[Suspicion]:
    """Files with another format than nearly all."""
    formats: dict[str, tuple[Callable[[Measured], int], Callable[[int], str]]] = {
        "rate": (lambda file: file.facts.sample_rate, lambda rate: f"{rate:,} Hz"),
        "channels": (lambda file: file.facts.channels, _channels),
    }
    for kind, (value, words) in formats.items():
        values = [value(recordings[i].file) for i in indices]
        usual = _usual(values)
        for i, found in zip(indices, values, strict=True):
            if usual is not None and found != usual:
                yield Suspicion(i, kind, f"{words(found)}, nearly all others: {words(usual)}")


def _usual(values: Sequence[Hashable]) -> Hashable | None:
    """The value that nearly all have, or None."""
    value, count = Counter(values).most_common(1)[0]
    return value if len(values) >= FEWEST and count >= MOST_COMMON * len(values) else None


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def _outliers(recordings: Sequence[Inspected], indices: Sequence[int]) -> Iterator[Suspicion]:
    """Files far from the median of their corpus in level, in length without silent ends, or in silence."""
    if len(indices) < FEWEST:
        return
    files = [recordings[i].file for i in indices]
    levels = np.array([file.rms_db for file in files])
    lengths = np.log([recordings[i].used_s for i in indices])
    silences = np.array([file.silent_share for file in files])
    for low, high, values, spread, words in (
        ("quiet", "loud", levels, LEVEL_SPREAD, lambda level: f"{level:.0f} dBFS"),
        ("short", "long", lengths, LENGTH_SPREAD, lambda length: f"{np.exp(length):.2f} s"),
        (None, "silence", silences, SILENCE_SPREAD, lambda share: f"{100 * share:.0f} %"),
    ):
        for i, value, score in zip(indices, values, robust_z(values, spread), strict=True):
            kind = high if score > MOST_Z else low if score < -MOST_Z else None
            if kind:
                yield Suspicion(i, kind, f"{KINDS[kind]}: {words(value)}, median {words(np.median(values))}")


def robust_z(values: np.ndarray, least_spread: float) -> np.ndarray:
    """Distance of each value from the median, in robust standard deviations (1.4826 × the median absolute deviation).

    Args:
        values: (N,).
        least_spread: The standard deviation is taken to be at least this.

    >>> robust_z(np.array([1.0, 2.0, 3.0, 4.0, 90.0]), 1.0).round(1).tolist()
    [-1.3, -0.7, 0.0, 0.7, 58.7]
    """
    distances = values - np.median(values)
    return distances / max(1.4826 * float(np.median(np.abs(distances))), least_spread)
