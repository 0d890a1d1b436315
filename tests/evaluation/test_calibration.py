"""Calibration: against scikit-learn's curve, and on predictions whose calibration is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from ser.evaluation.calibration import (
    TEMPERATURES,
    at_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from ser.evaluation.confidence import Speakers
from ser.evaluation.metrics import softmax
from ser.evaluation.scores import score_part
from tests.evaluation.simulated import made_of


def drawn_from_itself(count=50_000, sharpness=2.0, seed=0, num_classes=6, **traits):
    """Logits whose softmax is the truth: each label is drawn from it."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.standard_normal((count, num_classes))
    true = (softmax(logits).cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return true, logits, made_of(true, logits, "abcdefghi"[:num_classes], **traits)


def ece(part, bins=15):
    return expected_calibration_error(part, bins).value


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 300), st.sampled_from([0.1, 1, 5, 100]), st.sampled_from([5, 15, 20]))
def test_reliability_is_scikit_learns_curve(seed, count, sharpness, bins):
    rng = np.random.default_rng(seed)
    part = made_of(rng.integers(0, 4, count), sharpness * rng.standard_normal((count, 4)), "abcd")
    confidence = np.clip(part.confidence, 0, 1)  # scikit-learn refuses 1 + 2e-16
    accuracies, confidences = calibration_curve(part.right, confidence, n_bins=bins)
    found = reliability(part, bins)
    filled = np.array(found.counts) > 0
    np.testing.assert_allclose(np.array(found.accuracy)[filled], accuracies, atol=1e-9)
    np.testing.assert_allclose(np.array(found.confidence)[filled], confidences, atol=1e-9)
    assert sum(found.counts) == count and len(found.edges) == bins + 1
    expected = (np.array(found.counts)[filled] * np.abs(accuracies - confidences)).sum() / count
    assert ece(part, bins) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_ece_is_torchmetrics(seed):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    rng = np.random.default_rng(seed)
    part = made_of(rng.integers(0, 4, 200), 2 * rng.standard_normal((200, 4)), "abcd")
    shares, true = torch.from_numpy(part.probabilities), torch.from_numpy(part.true)
    expected = multiclass_calibration_error(shares, true, num_classes=4, n_bins=15, norm="l1")
    assert ece(part) == pytest.approx(float(expected), abs=1e-6)  # it computes in float32


def test_calibrated_predictions_have_no_error_and_temperature_one():
    _, _, part = drawn_from_itself()
    assert ece(part) < 0.01
    assert fit_temperature(part) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("factor", [0.3, 0.7, 2.0, 5.0])
def test_temperature_undoes_a_factor(factor):
    true, logits, part = drawn_from_itself()
    sharper = made_of(true, factor * logits, part.classes)
    temperature = fit_temperature(sharper)
    assert temperature == pytest.approx(factor * fit_temperature(part), rel=1e-6)
    assert ece(sharper) > 0.05 > ece(at_temperature(sharper, temperature))


def test_temperature_changes_probabilities_and_no_decision():
    true, logits, part = drawn_from_itself(500)
    scaled = at_temperature(part, 3.0)
    np.testing.assert_allclose(scaled.probabilities, softmax(logits / 3), atol=1e-12)
    assert (scaled.predicted == part.predicted).all() and (scaled.probabilities.argmax(axis=1) == part.predicted).all()


def test_temperature_stays_in_its_bounds():
    """Certain and wrong: none is high enough. Wholly right: none is low enough, until all probabilities are 0 or 1."""
    true = np.arange(40) % 4
    wrong = made_of(true, 200 * np.eye(4)[(true + 1) % 4], "abcd")
    assert fit_temperature(wrong) == pytest.approx(TEMPERATURES[1], rel=1e-6)
    right = made_of(true, 2 * np.eye(4)[true], "abcd")
    assert TEMPERATURES[0] <= fit_temperature(right) < 0.1
    np.testing.assert_allclose(at_temperature(right, fit_temperature(right)).confidence, 1)


def test_the_error_has_no_interval_whatever_the_speakers():
    _, _, part = drawn_from_itself(1440, speaker=tuple(f"s{i % 24}" for i in range(1440)))
    overall = score_part(part, Speakers.of(part)).overall
    assert [name for name, estimate in overall.items() if estimate.low is None] == ["ece"] and overall["ece"].remark
