"""Whether probabilities mean what they say, and the one number that makes them more nearly so.

Source: Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar

from ser.evaluation.confidence import LEVEL, Estimate, Speakers, spread_factor
from ser.evaluation.metrics import negative_log_likelihood, ratio, softmax
from ser.evaluation.predictions import Predictions

BINS = 15
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class Reliability:
    """What a reliability diagram shows, by bin of equal width; NaN where a bin is empty.

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


def expected_calibration_error(part: Predictions, speakers: Speakers, bins: int = BINS) -> Estimate:
    """ECE: Σ over bins of |Σ (confidence − right)| / N, between 0 and 1; 0 is perfect.

    The sum of absolute values grows by chance, most where calibration is good: a perfect model of a small part has an
    ECE above 0. The value is Guo's all the same. The lower limit of the interval makes up for it: it is 0 where the
    value is no larger than chance alone gives (97.5 % of the resamples with the bins' own errors taken out), and else
    lies lower by twice the mean excess of the resamples. Twice, because the resamples start from errors that chance has
    enlarged already, and add less than it did.
    """
    everyone = speakers.utterances(slice(None))
    sizes = speakers.weights @ everyone
    gaps = speakers.sums(_bins(part, bins), bins, part.confidence - part.right) / sizes[:, None]  # (1 + R, bins)
    values = np.abs(gaps).sum(axis=1)
    estimate = speakers.estimate(values, everyone)
    if estimate.low is None:
        return estimate
    chance = np.abs(gaps[1:] - gaps[0]).sum(axis=1) * spread_factor(everyone)
    if estimate.value <= np.quantile(chance, (1 + LEVEL) / 2):
        return replace(estimate, low=0.0)
    excess = values[1:].mean() - estimate.value
    return replace(estimate, low=float(np.clip(estimate.low - 2 * excess, 0.0, estimate.low)))


def fit_temperature(val: Predictions) -> float:
    """The T that minimises the mean negative log-likelihood of softmax(logits / T) on the validation part.

    T > 1 where the model is overconfident. One number hardly overfits a validation part, and it changes no decision.
    Where that part is wholly right the likelihood only grows as T falls: T is then so low that all probabilities are
    0 or 1, and says that the part is too easy to calibrate on.

    Args:
        val: Never the test part.

    Returns:
        T between 0.05 and 20.
    """
    logits = _logits(val)
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(val.true, softmax(logits / np.exp(log_t))),
        bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    return float(np.exp(found.x))


def at_temperature(part: Predictions, temperature: float) -> Predictions:
    """The part with softmax(logits / T) for probabilities; the decisions stay."""
    return replace(part, probabilities=softmax(_logits(part) / temperature))


def _logits(part: Predictions) -> np.ndarray:
    # up to a constant of each row, which softmax does not see; below the least float64 all logits are one
    return np.log(np.maximum(part.probabilities, np.finfo(np.float64).tiny))


def _bins(part: Predictions, bins: int) -> np.ndarray:
    """Bin of each utterance (N,)."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], part.confidence)
