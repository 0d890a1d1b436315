"""Figures of predicted numbers: equal to their references, exact, and with intervals over speakers."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as reference
from torchmetrics import regression

from ser.errors import UserError
from ser.evaluation.averaging import average
from ser.evaluation.baselines import training_mean
from ser.evaluation.confidence import Speakers
from ser.evaluation.epoch_scores import build_metrics, compute
from ser.evaluation.evaluate import Fold, evaluate
from ser.evaluation.numbers import FIGURES, moments, number_sums, score_numbers
from ser.evaluation.predictions import pool, read_predictions, write_predictions
from ser.evaluation.scored import Scores
from tests.evaluation.simulated_numbers import TRUTHS, coverage, made_of, simulate

RNG = np.random.default_rng(7)
TWO = ("arousal", "valence")


def figures(true, predicted):
    sums = moments(true, predicted).sum(axis=0)
    return {name: figure.of(sums) for name, figure in FIGURES.items()}


def numbers(count, targets=2, offset=0.0, spread=1.0):
    true = offset + spread * RNG.normal(0, 1, (count, targets))
    return true, 0.6 * true + 0.4 * offset + spread * RNG.normal(0.2, 0.5, (count, targets))


def lins(x, y):
    """The formula of Lin (1989), written out."""
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    return 2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


@pytest.mark.parametrize(("count", "offset", "spread"), [(2, 0, 1), (7, 3, 1), (300, 0, 1e-3), (300, 1e6, 1)])
def test_figures_are_those_of_the_references(count, offset, spread):
    true, predicted = numbers(count, offset=offset, spread=spread)
    found = figures(true, predicted)
    for target, (x, y) in enumerate(zip(true.T, predicted.T, strict=True)):
        close = {"rel": 1e-9, "abs": 1e-9 * spread}
        assert found["ccc"][target] == pytest.approx(lins(x, y), **close)
        assert found["pearson"][target] == pytest.approx(stats.pearsonr(x, y).statistic, **close)
        assert found["mae"][target] == pytest.approx(reference.mean_absolute_error(x, y), **close)
        assert found["rmse"][target] == pytest.approx(reference.root_mean_squared_error(x, y), **close)


def test_what_is_logged_is_what_torchmetrics_has_up_to_its_definition_of_a_variance():
    """torchmetrics' CCC divides variances by n − 1: the same of a mean difference of √((n − 1) / n) times ours."""
    true, predicted = numbers(50)
    logged = compute(build_metrics(None, 2, numbers=True), true, predicted)
    by_name = {"mae": regression.MeanAbsoluteError, "pearson": regression.PearsonCorrCoef}
    of_float64 = torch.as_tensor(predicted), torch.as_tensor(true)
    for name, kind in by_name.items():
        metric = kind(num_outputs=2).set_dtype(torch.float64)
        assert logged[name] == pytest.approx(float(metric(*of_float64).mean()), abs=1e-9)
    theirs = regression.ConcordanceCorrCoef(num_outputs=2).set_dtype(torch.float64)
    assert logged["ccc"] == pytest.approx(float(theirs(*of_float64).mean()), abs=1 / 50)
    nearer = predicted + (true - predicted).mean(axis=0) * (1 - np.sqrt(49 / 50))
    assert compute({"ccc": build_metrics(None, 2, numbers=True)["ccc"]}, true, nearer)["ccc"] == pytest.approx(
        float(theirs(*of_float64).mean()), abs=1e-9
    )


def test_a_constant_prediction_has_no_concordance_and_no_correlation():
    true, _ = numbers(40, 1, offset=3.3)
    for constant in (3.3, float(true.mean()), 0.0):
        found = figures(true, np.full_like(true, constant))
        assert found["ccc"] == pytest.approx(0, abs=1e-12) and np.isnan(found["pearson"])
    assert figures(true, true)["ccc"] == pytest.approx(1) and figures(true, true)["rmse"] == 0
    assert figures(true, 2 * true.mean() - true)["ccc"] == pytest.approx(-1)


def test_a_resample_is_the_part_with_its_speakers_so_often():
    part = simulate(TRUTHS[1], 12, np.random.default_rng(3))
    speakers = Speakers.of(part, resamples=5)
    sums = number_sums(part, speakers)
    for resample, weights in zip(sums, speakers.weights, strict=True):
        rows = np.repeat(np.arange(len(part)), weights[speakers.numbers].astype(int))
        again = figures(part.true[rows], part.predicted[rows])
        assert [float(it(resample)) for it in FIGURES.values()] == pytest.approx([v[0] for v in again.values()])


def test_intervals_lie_within_the_range_of_their_figure_and_around_it():
    for truth in TRUTHS:
        part = simulate(truth, 10, np.random.default_rng(2))
        for name, it in score_numbers(part, Speakers.of(part, resamples=300)).overall.items():
            assert (-1 if name in ("ccc", "pearson") else 0) < it.low < it.value < it.high
            assert it.high < 1 or name not in ("ccc", "pearson")


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.words)
def test_intervals_cover_the_truth(truth):
    found = coverage(truth, 600, resamples=300)
    assert all(0.90 <= found[name] <= 0.98 for name in FIGURES), found


def test_an_evaluation_of_numbers_goes_through_json_and_has_what_a_run_shows():
    part = simulate(TRUTHS[1], 12, np.random.default_rng(1))
    gender = tuple("female" if int(name[8:]) % 2 else "male" for name in part.traits["speaker"])
    part = made_of(part.true, part.predicted, speaker=part.traits["speaker"], gender=gender)
    mean = training_mean(np.array([[2.0], [6.0]]), part)
    assert (mean.predicted == 4).all() and mean.true is part.true
    found = evaluate([Fold(part, part, {"training mean": mean})], resamples=50)
    assert found.classes == ("arousal",) and not (found.temperatures or found.reliability or found.absent)
    metrics = found.as_metrics()
    assert metrics["test/arousal/ccc"] == metrics["test/ccc"] > 0.5 and metrics["test/ccc/low"] < metrics["test/ccc"]
    assert [division.trait for division in found.divisions] == ["gender", "speaker"]
    assert set(found.divisions[0].groups[0].figures) == set(FIGURES) == set(found.divisions[0].gaps)
    plain = found.as_dict()
    assert Scores.from_dict(plain["systems"]["training mean"]).overall["ccc"].value == 0


def test_predictions_come_back_from_their_file_to_the_last_bit(tmp_path):
    true, predicted = numbers(5)
    part = made_of(true, predicted, TWO, speaker=("csv_1", None, "csv_2", "ä", "csv_1"))
    write_predictions(tmp_path / "predictions.csv", part)
    found = read_predictions(tmp_path / "predictions.csv", 5)
    assert (found.true == part.true).all() and (found.predicted == part.predicted).all()
    assert (found.targets, found.keys, found.traits) == (part.targets, part.keys, part.traits)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("predicted_valence", "valence", "two columns for each number"),
        ("0.wav", "0.wav,1", "cells under"),
        ("true_arousal,predicted_arousal", "true_valence,predicted_valence", "two columns for each number"),
        ("0.5", "half", "line 2: the cells of the predictions are not numbers"),
        ("0.5", "nan", "line 2: the cells of the predictions are not numbers"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, old, new, words):
    file = tmp_path / "predictions.csv"
    write_predictions(file, made_of(np.full((2, 2), 0.5), np.full((2, 2), 0.25), TWO))
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=words):
        read_predictions(file)


def test_folds_are_pooled_and_models_averaged_by_recording_and_by_the_name_of_the_number():
    true, predicted = numbers(6)
    first = made_of(true, predicted, TWO)
    order = [4, 2, 0, 1]
    other = made_of(true[order][:, ::-1], np.zeros((4, 2)), TWO[::-1])
    other = type(other)(other.targets, tuple(first.keys[i] for i in order), other.true, other.predicted, other.traits)
    found = average([first, other])
    assert sorted(found.keys) == sorted(other.keys) and found.targets == TWO
    rows = [first.keys.index(key) for key in found.keys]
    assert found.predicted == pytest.approx(predicted[rows] / 2) and (found.true == true[rows]).all()
    moved = type(other)(other.targets, other.keys, other.true + 1, other.predicted, other.traits)
    with pytest.raises(UserError, match="has one number in one of the runs and another in another"):
        average([first, moved])
    with pytest.raises(UserError, match="cannot be pooled"):
        pool([first, other])
    with pytest.raises(UserError, match="is tested 2 times"):
        pool([first, first])
