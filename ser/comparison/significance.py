"""Whether the difference between two rows is more than chance: paired over shared seed, fold and utterance.

The difference is that of UAR, or CCC of numbers, run by run where both were tested on the same part, and then the mean
over those runs.
Its 95 % interval resamples speakers, the same for both rows and all runs (`ser.evaluation.confidence`): how the
difference would vary with other speakers, for these trainings. The p value comes from the test that fits:

1. ten speakers or more: Wilcoxon's signed-rank test over the speakers' differences;
2. fewer, but six shared runs or more: the same over the runs' differences (of five, none can have p < 0.05);
3. else, where each utterance was tested once: McNemar's exact test over utterances;
4. else Wilcoxon's test over utterances, each with its share of right answers over the runs.

Of numbers an utterance has its absolute error, in standard deviations of the true number, a speaker the mean of those,
and the fourth test stands for the third as well.

The tests ask whether speakers, runs or utterances agree, each counting once; the difference weighs them as the figure
does. Where the two point to different rows, as a few speakers with most utterances, or accuracy and UAR of classes of
unequal size may have it, no row is called better.

The first holds for these trainings, as the interval does. Over 400 simulated pairs of equal systems, which differ
by speaker with a standard deviation of 0.5 logits, 3 to 4 % were called different, but where trainings too differ by
0.3 logits, 7 % with a training for each of six folds, and 20 % with one training each: use more seeds.

The last two count utterances of a speaker as independent, and so hold for these speakers only. Holm's correction is
over all pairs shown, of all sections. Where the rows are sorted by a figure of test, the pairs with the first row were
chosen by what they are tested on: the correction is then over all pairs of rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from ser.comparison.load_runs import Answered
from ser.comparison.rows import Row
from ser.comparison.signed_rank import rank_sign, signed_rank
from ser.evaluation.confidence import DIFFERENCE, FEWEST_SPEAKERS, Estimate, Speakers
from ser.evaluation.metrics import mean_of_defined, uar
from ser.evaluation.numbers import FIGURES, moments, relative_errors
from ser.evaluation.predictions import Predictions

FEWEST_RUNS = 6  # two-sided p of n signs that agree is 2 / 2^n
ALPHA = 0.05

Shared = Sequence[tuple[Answered, Answered]]
Figure = Callable[[np.ndarray], np.ndarray]  # of confusion matrices (..., K, K), such as `uar`


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows compared.

    Args:
        first, second: Their places in the ranking, from 1.
        names: Of the two.
        difference: UAR (CCC of numbers) of the first less that of the second, with its interval.
        runs: Shared by both: the same seed, fold and test part.
        speakers: In those runs; None where unknown.
        test: Where p comes from.
        p: Of the test; None where nothing is shared.
        favours: Which row the test speaks for: 1 the first, -1 the second, 0 none.
        corrected: After Holm's correction (`corrected`).
    """

    first: int
    second: int
    names: tuple[str, str]
    difference: Estimate
    runs: int
    speakers: int | None
    test: str
    p: float | None
    favours: int = 0
    corrected: float | None = None

    @property
    def distinguishable(self) -> bool:
        """Whether the corrected p is below 0.05, the test favours the row whose figure is higher, and the interval does
        not hold 0 where there is one.
        """
        if self.corrected is None or self.corrected >= ALPHA or self.favours != np.sign(self.difference.value):
            return False
        return self.difference.low is None or not self.difference.low <= 0 <= self.difference.high

    @property
    def better(self) -> int | None:
        """The place of the better row; None where they are not distinguishable."""
        if not self.distinguishable:
            return None
        return self.first if self.favours > 0 else self.second

    @property
    def verdict(self) -> str:
        """In words."""
        if self.p is None:
            return f"{self.difference.remark}: not compared"
        if not self.distinguishable:
            return "not distinguishable"
        return f"{self.names[self.favours < 0]} is better"


def compare_rows(rows: Sequence[Row], pairs: str = "best") -> list[Pair]:
    """Pairs of ranked rows, not yet corrected for their number.

    Args:
        rows: In the order shown.
        pairs: `best`: the first against each other; `all`; or `none`.
    """
    places = {"best": [(0, i) for i in range(1, len(rows))], "all": list(combinations(range(len(rows)), 2)), "none": []}
    return [_compared(rows, *pair) for pair in places[pairs]]


def corrected(pairs: Sequence[Pair], unshown: int = 0) -> list[Pair]:
    """The pairs with Holm's correction over those that have a p value.

    Args:
        pairs: Of all sections.
        unshown: Further pairs to correct for without testing them, where the test part selected the pairs. Each counts
            as p = 1, which can only raise the corrected p of the others.
    """
    tested = [pair.p for pair in pairs if pair.p is not None]
    if not tested:
        return list(pairs)
    adjusted = iter(multipletests([*tested, *[1.0] * unshown], method="holm")[1].tolist())
    return [pair if pair.p is None else replace(pair, corrected=next(adjusted)) for pair in pairs]


def _compared(rows: Sequence[Row], first: int, second: int) -> Pair:
    names = rows[first].name, rows[second].name
    shared = shared_tests(rows[first], rows[second])
    if not shared:
        parts = [{run.answered.part for run in row.runs} for row in (rows[first], rows[second])]
        why = "no shared test part" if parts[0].isdisjoint(parts[1]) else "no seed and fold in common"
        nothing = Estimate(np.nan, remark=why)
        return Pair(first + 1, second + 1, names, nothing, 0, None, "", None)
    difference, by_run, by_speaker = differences(shared)
    speakers = None if by_speaker is None else len(by_speaker)
    return Pair(first + 1, second + 1, names, difference, len(shared), speakers, *tested(shared, by_run, by_speaker))


def shared_tests(one: Row, other: Row) -> list[tuple[Answered, Answered]]:
    """The test parts of runs with equal seed, fold and pooled settings, over one set of recordings."""
    theirs = other.units()
    pairs = [(run.answered, theirs[unit].answered) for unit, run in one.units().items() if unit in theirs]
    return [(ours, other) for ours, other in pairs if ours.part == other.part]


def differences(shared: Shared, figure: Figure | None = None) -> tuple[Estimate, np.ndarray, np.ndarray | None]:
    """The mean difference of a figure with its interval, that of each run (U,), and that of each speaker (S,) if known.

    Without a figure it is UAR, or CCC of numbers.

    In a resample a run counts as much as its utterances that are drawn: where each run tests other speakers, as folds
    do, drawing a speaker twice counts its fold's run more.
    """
    ours, theirs = zip(*shared, strict=True)
    speakers = speakers_of(ours)
    first, second = (resampled(parts, speakers, figure) for parts in (ours, theirs))
    values, by_run, by_speaker = (one - other for one, other in zip(first, second, strict=True))
    estimate = speakers.estimate(values, speakers.utterances(slice(None)), DIFFERENCE)
    return estimate, by_run, mean_of_defined(by_speaker) if speakers.known else None


def resampled(
    parts: Sequence[Answered], speakers: Speakers, figure: Figure | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean of a figure over runs in the part itself and in each resample, (1 + R,); that of each run, (U,); and of
    each speaker in each run, (S, U), NaN where a run does not test the speaker.

    Args:
        parts: The test part of each of U runs.
        speakers: Of these parts, one after the other.
        figure: Of confusion matrices.
    """
    total, weight = np.zeros((2, len(speakers.weights)))
    by_run, by_speaker = [], []
    at = 0
    figure = figure or (FIGURES["ccc"] if parts[0].are_numbers else uar)
    for part in parts:
        numbers = speakers.numbers[at : at + len(part.true)]
        at += len(part.true)
        sums = _sums(part, numbers, speakers.count)  # (S, K, K), or (S, D, 7)
        present = np.unique(numbers)
        values = figure(np.tensordot(speakers.weights[:, present], sums[present], 1))
        share = speakers.weights @ np.bincount(numbers, minlength=speakers.count) / len(numbers)
        total += np.where(share > 0, values, 0) * share
        weight += share
        by_run.append(values[0])
        by_speaker.append(figure(sums))
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return mean, np.array(by_run), np.stack(by_speaker, axis=-1)


def tested(shared: Shared, by_run: np.ndarray, by_speaker: np.ndarray | None) -> tuple[str, float, int]:
    """The test that fits, by name, its two-sided p, and which it speaks for: 1 the first, -1 the second, 0 none."""
    numbers = shared[0][0].are_numbers
    if by_speaker is not None and len(by_speaker) >= FEWEST_SPEAKERS:
        values = _by_speaker(shared) if numbers else by_speaker
        return f"Wilcoxon, {len(by_speaker)} speakers", signed_rank(values), rank_sign(values)
    if len(by_run) >= FEWEST_RUNS:
        return f"Wilcoxon, {len(by_run)} runs", signed_rank(by_run), rank_sign(by_run)
    right: dict[tuple[str, str], list[float]] = {}
    for ours, theirs in shared:
        for recording, lead in zip(ours.recordings, _right(ours) - _right(theirs), strict=True):
            right.setdefault(recording, []).append(lead)
    leads = np.array([np.mean(of_one) for of_one in right.values()])
    if not numbers and all(len(of_one) == 1 for of_one in right.values()):
        only = [int((leads > 0).sum()), int((leads < 0).sum())]  # McNemar's test asks for no more
        p = float(mcnemar([[0, only[0]], [only[1], 0]], exact=True).pvalue)
        return f"McNemar, {len(right)} utterances", p, int(np.sign(only[0] - only[1]))
    return f"Wilcoxon, {len(right)} utterances", signed_rank(leads), rank_sign(leads)


def _by_speaker(shared: Shared) -> np.ndarray:
    """How much more right the first is on each speaker (S,), as the mean over utterances."""
    leads: dict[str, list[float]] = {}
    for ours, theirs in shared:
        for speaker, lead in zip(ours.speakers, _right(ours) - _right(theirs), strict=True):
            leads.setdefault(speaker, []).append(lead)
    return np.array([np.mean(of_one) for of_one in leads.values()])


def speakers_of(parts: Sequence[Answered]) -> Speakers:
    """The speakers of all runs together, drawn alike in every run, and in every row with these test parts."""
    names = [name for part in parts for name in part.speakers]
    empty = np.zeros(len(names), dtype=np.int64)
    return Speakers.of(Predictions((), tuple(names), empty, empty, np.zeros((0, 0)), {"speaker": tuple(names)}))


def _right(answered: Answered) -> np.ndarray:
    """How right each answer is (N,): 1 or 0; of numbers the error, negative, in standard deviations."""
    if not answered.are_numbers:
        return (answered.predicted == answered.true).astype(np.int64)
    return -relative_errors(answered.true, answered.predicted)


def _sums(answered: Answered, numbers: np.ndarray, count: int) -> np.ndarray:
    """Of each speaker the confusion matrix, (S, K, K), or the sums that figures of numbers take, (S, D, 7)."""
    if answered.are_numbers:
        of_speaker = np.zeros((count, len(answered.classes), 7))
        np.add.at(of_speaker, numbers, moments(answered.true, answered.predicted))
        return of_speaker
    size = len(answered.classes)
    cells = (numbers * size + answered.true) * size + answered.predicted
    return np.bincount(cells, minlength=count * size**2).reshape(count, size, size).astype(np.float64)
