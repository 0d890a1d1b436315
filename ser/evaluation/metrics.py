"""Scores from predictions: UAR, WA, macro F1, recall by class, and the confusion matrix they all come from.

Everything is float64 NumPy over whole parts; `ser.evaluation.epoch_scores` wraps it for torchmetrics.
The field's names: UAR is unweighted average recall, which scikit-learn calls `balanced_accuracy_score`; WA is weighted
accuracy, plain accuracy. The functions of a matrix take any number of them, (..., K, K): `ser.evaluation` calls them
for thousands of resamples at once.
"""

import numpy as np


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts, true class by row, predicted class by column: (N,), (N,) int → (K, K) int64."""
    pairs = np.asarray(true) * num_classes + np.asarray(predicted)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def recalls(matrix: np.ndarray) -> np.ndarray:
    """Share of each class that is recognised: (..., K, K) → (..., K); NaN for a class without examples."""
    return ratio(_hits(matrix), matrix.sum(axis=-1))


def precisions(matrix: np.ndarray) -> np.ndarray:
    """Share of each prediction that is right: (..., K, K) → (..., K); NaN for a class that is never predicted."""
    return ratio(_hits(matrix), matrix.sum(axis=-2))


def f1s(matrix: np.ndarray) -> np.ndarray:
    """Harmonic mean of recall and precision: (..., K, K) → (..., K); NaN for a class neither true nor predicted."""
    return ratio(2 * _hits(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2))


def uar(matrix: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that occur, as `sklearn.metrics.balanced_accuracy_score`: (..., K, K) → (...)."""
    return mean_of_defined(recalls(matrix))


def wa(matrix: np.ndarray) -> np.ndarray:
    """Share of all utterances that are right, as `sklearn.metrics.accuracy_score`: (..., K, K) → (...)."""
    return ratio(_hits(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def f1_macro(matrix: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur or are predicted, as `sklearn.metrics.f1_score(average="macro")`.

    A class that is predicted and never true counts with F1 = 0. Shape: (..., K, K) → (...).
    """
    return mean_of_defined(f1s(matrix))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, K) float64 of logits (N, K)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return shifted / shifted.sum(axis=1, keepdims=True)


def negative_log_likelihood(true: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean −log probability of the true class in nats: (N,), (N, K) → float. Certain and wrong stays finite."""
    given = probabilities[np.arange(len(true)), true]
    return float(-np.log(np.maximum(given, np.finfo(np.float64).tiny)).mean())


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, NaN where `whole` is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=np.float64), whole)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)[()]


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis, without NaN: (..., K) → (...)."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def _hits(matrix: np.ndarray) -> np.ndarray:
    """The diagonal: (..., K, K) → (..., K)."""
    return np.diagonal(matrix, axis1=-2, axis2=-1)
