"""Scores from predictions: UAR, WA, macro F1, recall by class, and the confusion matrix they all come from.

Everything is float64 NumPy over whole parts, once an epoch: no running state, nothing to keep in step across devices.
The field's names: UAR is unweighted average recall, which scikit-learn calls `balanced_accuracy_score`; WA is weighted
accuracy, plain accuracy.
"""

import numpy as np


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts, true class by row, predicted class by column: (N,), (N,) int → (K, K) int64."""
    pairs = np.asarray(true) * num_classes + np.asarray(predicted)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def recalls(matrix: np.ndarray) -> np.ndarray:
    """Share of each class that is found: (K, K) → (K,); NaN for a class without examples."""
    support = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), support, out=np.full(len(matrix), np.nan), where=support > 0)


def uar(matrix: np.ndarray) -> float:
    """Mean recall over the classes that occur, as `sklearn.metrics.balanced_accuracy_score`."""
    return float(np.nanmean(recalls(matrix)))


def wa(matrix: np.ndarray) -> float:
    """Share of all utterances that are right, as `sklearn.metrics.accuracy_score`."""
    return float(np.trace(matrix) / matrix.sum())


def f1_macro(matrix: np.ndarray) -> float:
    """Mean F1 over the classes that occur or are predicted, as `sklearn.metrics.f1_score(average="macro")`."""
    counted = matrix.sum(axis=0) + matrix.sum(axis=1)
    f1 = 2 * np.diag(matrix)[counted > 0] / counted[counted > 0]
    return float(f1.mean())


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, K) float64 of logits (N, K)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return shifted / shifted.sum(axis=1, keepdims=True)


def score(true: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """The scores of one part.

    Args:
        true: Labels (N,).
        logits: (N, K).

    Returns:
        `uar`, `wa`, `f1_macro`, and `loss`: the mean negative log-probability of the true class, in nats, without label
        smoothing or class weights.
    """
    logits = np.asarray(logits, dtype=np.float64)
    matrix = confusion_matrix(true, logits.argmax(axis=1), logits.shape[1])
    probabilities = softmax(logits)[np.arange(len(true)), true]
    loss = -np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)).mean()
    return {"uar": uar(matrix), "wa": wa(matrix), "f1_macro": f1_macro(matrix), "loss": float(loss)}
