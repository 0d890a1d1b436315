"""Runs that predict numbers: paired by speaker, on CCC, against the formula and scipy."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon

from ser.comparison.load_runs import Answered, Run
from ser.comparison.rows import Row
from ser.comparison.significance import compare_rows
from tests.comparison.made_runs import config_with
from tests.evaluation.simulated_numbers import TRUTHS, simulate
from tests.evaluation.test_numbers import lins


def rows_of(parts_of_systems):
    """A row a system, of a run a seed."""
    rows = []
    for number, parts in enumerate(parts_of_systems):
        configs = [config_with({"seed": seed, "split.seed": 0, "optimizer.lr": number}) for seed in range(len(parts))]
        runs = [Run(Path("."), "", "", it, {}, Answered.of(part)) for it, part in zip(configs, parts, strict=True)]
        rows.append(Row({"optimizer.lr": number}, tuple(runs)))
    return rows


def systems(num_speakers):
    """Two seeds of a good system and of a worse one, on the same recordings."""
    rng = np.random.default_rng(4)
    part = simulate(TRUTHS[2], num_speakers, rng)

    def noisy(spread):
        predicted = part.predicted + rng.normal(0, spread, part.predicted.shape)
        return type(part)(part.targets, part.keys, part.true, predicted, part.traits)

    return [[noisy(0.1), noisy(0.1)], [noisy(0.8), noisy(0.8)]]


def test_the_difference_is_that_of_ccc_and_p_that_of_the_speakers():
    made = systems(12)
    (pair,) = compare_rows(rows_of(made))
    of_systems = [np.mean([lins(part.true[:, 0], part.predicted[:, 0]) for part in parts]) for parts in made]
    assert pair.difference.value == pytest.approx(of_systems[0] - of_systems[1], abs=1e-9)
    assert 0 < pair.difference.low < pair.difference.value < pair.difference.high
    speakers = np.array(made[0][0].traits["speaker"])
    by_speaker = []
    for name in dict.fromkeys(speakers):
        rows = speakers == name
        of_speaker = [np.mean([lins(p.true[rows, 0], p.predicted[rows, 0]) for p in parts]) for parts in made]
        by_speaker.append(of_speaker[0] - of_speaker[1])
    assert pair.test == "Wilcoxon, 12 speakers" and pair.p == pytest.approx(wilcoxon(by_speaker, method="exact").pvalue)


def test_of_few_speakers_utterances_are_compared_by_their_errors():
    made = systems(4)
    (pair,) = compare_rows(rows_of(made))
    ours, theirs = (
        np.mean([np.abs(part.predicted - part.true)[:, 0] / part.true.std() for part in parts], axis=0)
        for parts in made
    )
    assert pair.test == f"Wilcoxon, {len(ours)} utterances" and pair.difference.low is None
    assert pair.p == pytest.approx(wilcoxon(np.round(theirs - ours, 12)).pvalue) and pair.p < 0.001


def test_equal_predictions_do_not_differ():
    made = systems(12)
    (pair,) = compare_rows(rows_of([made[0], made[0]]))
    assert pair.difference.value == 0 and pair.p == 1
