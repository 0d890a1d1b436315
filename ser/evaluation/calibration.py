"""Calibration: how well confidence matches accuracy, and temperature scaling, which improves it.

Source: Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar

from ser.evaluation.confidence import Estimate
from ser.evaluation.metrics import negative_log_likelihood, ratio, softmax
from ser.evaluation.predictions import Predictions

BINS = 15
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram's bins, of equal width; NaN where a bin is empty.

    Args:
        edges: (bins + 1,) from 0 to 1; a bin holds its upper edge.
        counts: Utterances (bins,).
        confidence: Mean probability of the predicted class (bins,).
        accuracy: Share that is right (bins,).
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]


def reliability(part: Predictions, bins: int = BINS) -> Reliability:
    """Confidence and accuracy by bin of confidence."""
    cells = _bins(part, bins)
    counts = np.bincount(cells, minlength=bins)
    confidence, accuracy = (
        ratio(np.bincount(cells, weights=values, minlength=bins), counts) for values in (part.confidence, part.right)
    )
    edges = np.linspace(0, 1, bins + 1)
    return Reliability(*(tuple(column.tolist()) for column in (edges, counts, confidence, accuracy)))


def expected_calibration_error(part: Predictions, bins: int = BINS) -> Estimate:
    """ECE: the mean over utterances of |confidence − accuracy| of their bin, between 0 and 1; 0 is perfect.

    Without an interval: chance enlarges a sum of absolute values, and resampling enlarges it once more, so that a
    bootstrap's limits lie too high. What is published (Sun et al., A Confidence Interval for the ℓ2 Expected
    Calibration Error, 2024) is of another error, and takes the utterances of a speaker for independent.
    """
    found = reliability(part, bins)
    gaps = np.abs(np.subtract(found.confidence, found.accuracy))  # NaN where a bin is empty
    return Estimate(float(np.nansum(gaps * found.counts) / len(part)), remark="ECE: no interval")


def fit_temperature(val: Predictions) -> float:
    """The T that minimises the mean negative log-likelihood of softmax(logits / T) on the validation part.

    T > 1 where the model is overconfident. One number hardly overfits a validation part, and it changes no decision.
    Where that part is entirely right the likelihood only grows as T falls: T is then so low that all probabilities
    are 0 or 1, and the part is too easy to calibrate on.

    Args:
        val: The validation part, never the test part.

    Returns:
        T between 0.05 and 20.
    """
    logits = logits_of(val)
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(val.true, softmax(logits / np.exp(log_t))),
        bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    return float(np.exp(found.x))


def at_temperature(part: Predictions, temperature: float) -> Predictions:
    """The part with softmax(logits / T) for probabilities; the decisions stay."""
    return replace(part, probabilities=softmax(logits_of(part) / temperature))


def logits_of(part: Predictions) -> np.ndarray:
    """Log-probabilities (N, K): logits up to a constant of each row, which softmax cancels."""
    return np.log(np.maximum(part.probabilities, np.finfo(np.float64).tiny))  # below the least float64 all are one


def _bins(part: Predictions, bins: int) -> np.ndarray:
    """Bin of each utterance (N,)."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], part.confidence)
