"""Scores against scikit-learn."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from ser.evaluation.metrics import confusion_matrix, f1_macro, f1s, precisions, recalls, softmax, uar, wa
from tests.evaluation.test_epoch_scores import predictions


@settings(max_examples=100)
@given(predictions())
def test_matrix_and_recalls_are_scikit_learns(drawn):
    true, logits = drawn
    predicted, labels = logits.argmax(axis=1), range(logits.shape[1])
    matrix = confusion_matrix(true, predicted, len(labels))
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(true, predicted, labels=labels))
    expected = reference.recall_score(true, predicted, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_allclose(recalls(matrix), expected, atol=1e-12)
    assert set(np.flatnonzero(np.isnan(recalls(matrix)))) == set(labels) - set(true.tolist())


@settings(max_examples=100)
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


@given(st.integers(0, 2**32), st.floats(-1e4, 1e4))
def test_softmax_is_a_distribution_that_a_shift_does_not_change(seed, shift):
    logits = np.random.default_rng(seed).standard_normal((3, 4)) * 50
    np.testing.assert_allclose(softmax(logits).sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(softmax(logits + shift), softmax(logits), rtol=1e-9)
    assert softmax(logits.astype(np.float32)).dtype == np.float64
