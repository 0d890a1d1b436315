"""Scores against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from ser.evaluation.metrics import confusion_matrix, f1_macro, f1s, precisions, recalls, score, softmax, uar, wa


@st.composite
def predictions(draw):
    """Labels of which some classes may be missing, and logits of any size."""
    num_classes = draw(st.integers(2, 9))
    occurring = draw(st.lists(st.integers(0, num_classes - 1), min_size=1, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    true = rng.choice(occurring, draw(st.integers(1, 80)))
    logits = rng.standard_normal((len(true), num_classes)) * draw(st.sampled_from([0.1, 1, 5]))
    return true, logits.astype(draw(st.sampled_from([np.float32, np.float64])))


@settings(deadline=None, max_examples=200)
@given(predictions())
def test_scores_are_scikit_learns(drawn):
    true, logits = drawn
    predicted, num_classes = logits.argmax(axis=1), logits.shape[1]
    exact = logits.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on classes that only the predictions have
        expected = {
            "uar": reference.balanced_accuracy_score(true, predicted),
            "wa": reference.accuracy_score(true, predicted),
            "f1_macro": reference.f1_score(true, predicted, average="macro"),
            "loss": reference.log_loss(true, softmax(exact), labels=range(num_classes)),
        }
    found = score(true, logits)
    assert found.keys() == expected.keys() and all(type(value) is float for value in found.values())
    assert found == pytest.approx(expected, abs=1e-12, rel=1e-12)


@settings(deadline=None, max_examples=100)
@given(predictions())
def test_matrix_and_recalls_are_scikit_learns(drawn):
    true, logits = drawn
    predicted, labels = logits.argmax(axis=1), range(logits.shape[1])
    matrix = confusion_matrix(true, predicted, len(labels))
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(true, predicted, labels=labels))
    expected = reference.recall_score(true, predicted, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_allclose(recalls(matrix), expected, atol=1e-12)
    assert set(np.flatnonzero(np.isnan(recalls(matrix)))) == set(labels) - set(true.tolist())


@settings(deadline=None, max_examples=100)
@given(predictions())
def test_precisions_and_f1s_are_scikit_learns(drawn):
    true, logits = drawn
    predicted, labels = logits.argmax(axis=1), range(logits.shape[1])
    matrix = confusion_matrix(true, predicted, len(labels))
    for found, reference_of in ((precisions, reference.precision_score), (f1s, reference.f1_score)):
        expected = reference_of(true, predicted, labels=labels, average=None, zero_division=np.nan)
        np.testing.assert_allclose(found(matrix), expected, atol=1e-12)


def test_many_matrices_are_scored_as_each_alone():
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 3, (5, 2, 4, 4))
    matrices[0, 0, 1] = 0  # a class that does not occur
    for of in (recalls, precisions, f1s, uar, wa, f1_macro):
        alone = [[of(matrix) for matrix in row] for row in matrices]
        np.testing.assert_array_equal(of(matrices), alone)


def test_a_class_that_is_never_true_does_not_lower_the_mean():
    logits = np.eye(3)[[0, 0, 1, 2]]
    found = score(np.array([0, 0, 1, 1]), logits)
    assert found["uar"] == 0.75 and found["wa"] == 0.75
    assert found["f1_macro"] == pytest.approx((1 + 2 / 3 + 0) / 3)  # but a wrongly predicted one lowers F1


def test_certain_and_wrong_stays_finite():
    found = score(np.array([0]), np.array([[-1e5, 1e5]]))
    assert 700 < found["loss"] < np.inf  # the smallest float64 is e^-708


@given(st.integers(0, 2**32), st.floats(-1e4, 1e4))
def test_softmax_is_a_distribution_that_a_shift_does_not_change(seed, shift):
    logits = np.random.default_rng(seed).standard_normal((3, 4)) * 50
    np.testing.assert_allclose(softmax(logits).sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(softmax(logits + shift), softmax(logits), rtol=1e-9)
    assert softmax(logits.astype(np.float32)).dtype == np.float64
