"""Timing two ways of doing one thing: side by side, in turns, so that a busy machine slows both."""

import contextlib
import io
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a benchmark.

    Args:
        what: What is measured.
        against: What it is compared with; empty where it is compared with nothing.
        ours, theirs: Medians; None for what this machine cannot measure.
        unit: Of both.
        ratio: How the two compare, as `meaning` says; None where there is nothing to compare with.
        meaning: `times as fast` (theirs / ours) or `times the time` (ours / theirs).
        spread: Smallest and largest ratio of single rounds; of `ours` where there is no ratio.
        target: What was asked for, in words.
        note: What else there is to know.
    """

    what: str
    against: str
    ours: float | None
    theirs: float | None
    unit: str
    ratio: float | None
    meaning: str
    spread: tuple[float, float] | None
    target: str
    note: str = ""


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallows what a run says while it is timed."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def in_turns(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int = 5
) -> tuple[list[float], list[float]]:
    """Measures both `rounds` times, in turns, after one round that warms up.

    Args:
        ours, theirs: Measure once and give the result.
        rounds: At least 5 for a median worth telling.
    """
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def compare(
    what: str, against: str, ours: Sequence[float], theirs: Sequence[float], unit: str, meaning: str, target: str,
    note: str = "",
) -> Row:  # fmt: skip
    """A row from measurements taken in turns.

    >>> row = compare("a", "b", [1.0, 2.0], [4.0, 4.0], "s", "times as fast", "≥ 2")
    >>> row.ours, row.theirs, round(row.ratio, 2), row.spread
    (1.5, 4.0, 2.67, (2.0, 4.0))
    """
    faster = meaning == "times as fast"

    def ratio(a: float, b: float) -> float:
        return b / a if faster else a / b

    rounds = [ratio(a, b) for a, b in zip(ours, theirs, strict=True)]
    middle = statistics.median(ours), statistics.median(theirs)
    return Row(what, against, *middle, unit, ratio(*middle), meaning, (min(rounds), max(rounds)), target, note)


def alone(what: str, measured: Sequence[float], unit: str, target: str, note: str = "") -> Row:
    """A row of something that is compared with a fixed target only; of nothing measured, an empty one."""
    if not measured:
        return Row(what, "", None, None, unit, None, "", None, target, note)
    middle, spread = statistics.median(measured), (min(measured), max(measured))
    return Row(what, "", middle, None, unit, None, "", spread, target, note)
