"""Figures of predicted numbers: CCC, Pearson's correlation, MAE and RMSE, all functions of the same seven sums.

CCC is Lin's concordance correlation coefficient (A Concordance Correlation Coefficient to Evaluate Reproducibility,
Biometrics 1989), the field's figure for arousal and valence:

    CCC = 2 cov(x, y) / (var x + var y + (mean x − mean y)²),

1 where every prediction is right, 0 where they do not follow the truth; beside Pearson's r it counts a wrong mean and a
wrong spread. Variances divide by n, as Lin's do and as the field's challenges (AVEC, MSP-Podcast);
`torchmetrics.ConcordanceCorrCoef` divides them by n − 1, which differs by less than 1 / n. Pearson's r is not defined
where one side is constant. Of several targets the overall figure is the mean over them.

Intervals are those of `ser.evaluation.confidence`, on Fisher's z for correlations and on the logarithm for errors.
Coverage in per cent over 2000 simulated corpora of 24 speakers with 60 utterances each, in brackets of 12 speakers
(`python -m tests.evaluation.simulated_numbers` prints it; the standard error is 0.5):

                              CCC       Pearson        MAE         RMSE
    weak, CCC 0.38         93.7 (94.3)  93.9 (94.2)  95.0 (94.5)  94.2 (93.5)
    middling, 0.69         93.7 (94.0)  93.5 (93.7)  94.3 (94.6)  93.7 (93.2)
    strong, 0.91           93.5 (93.5)  92.4 (90.9)  93.2 (92.3)  92.4 (91.0)
    speakers alike         93.5 (95.2)  93.5 (95.0)  94.0 (94.7)  93.5 (94.3)
    speakers differ much   92.3 (93.3)  92.3 (92.8)  93.6 (92.7)  91.7 (91.2)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ser.evaluation.confidence import CORRELATION, POSITIVE, Estimate, Scale, Speakers
from ser.evaluation.metrics import mean_of_defined, ratio
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.scored import Scores

CONSTANT = 1e-12  # of the mean square: less variance is rounding


@dataclass(frozen=True, slots=True)
class NumberFigure:
    """A figure of numbers.

    Args:
        of: Sums (..., D, 7) → the figure of each target (..., D).
        scale: Of its interval.
    """

    of: Callable[[np.ndarray], np.ndarray]
    scale: Scale

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """The mean over targets: (..., D, 7) → (...)."""
        return mean_of_defined(self.of(sums))


def moments(true: np.ndarray, predicted: np.ndarray, centre: np.ndarray | None = None) -> np.ndarray:
    """What each utterance adds to the sums: 1, x, y, x², y², xy and |x − y|.

    Args:
        true, predicted: Of N utterances.
        centre: Subtracted from both, (D,): changes no figure, and keeps small differences of large numbers exact; by
            default the mean of `true`.

    Shape:
        (N, D), (N, D) → (N, D, 7).
    """
    true, predicted = (np.asarray(numbers, dtype=np.float64) for numbers in (true, predicted))
    centre = true.mean(axis=0) if centre is None else centre
    x, y = true - centre, predicted - centre
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, np.abs(x - y)], axis=-1)


def ccc(sums: np.ndarray) -> np.ndarray:
    """Lin's concordance correlation coefficient: (..., 7) → (...); NaN where both sides are one and the same number."""
    shift, of_true, of_predicted, together = _parts(sums)
    return ratio(2 * together, of_true + of_predicted + shift**2)


def pearson(sums: np.ndarray) -> np.ndarray:
    """Pearson's correlation: (..., 7) → (...); NaN where one side is constant."""
    _, of_true, of_predicted, together = _parts(sums)
    return np.clip(ratio(together, np.sqrt(of_true * of_predicted)), -1, 1)


def mae(sums: np.ndarray) -> np.ndarray:
    """Mean absolute error: (..., 7) → (...)."""
    return ratio(sums[..., 6], sums[..., 0])


def rmse(sums: np.ndarray) -> np.ndarray:
    """Root mean square error: (..., 7) → (...)."""
    count, _, _, squares, of_predicted, together, _ = np.moveaxis(sums, -1, 0)
    return np.sqrt(np.maximum(ratio(squares + of_predicted - 2 * together, count), 0))


FIGURES: Mapping[str, NumberFigure] = {
    "ccc": NumberFigure(ccc, CORRELATION),
    "pearson": NumberFigure(pearson, CORRELATION),
    "mae": NumberFigure(mae, POSITIVE),
    "rmse": NumberFigure(rmse, POSITIVE),
}


def relative_errors(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Absolute error of each utterance in standard deviations of the true number, mean over targets: (N, D) → (N,)."""
    spread = true.std(axis=0)
    return (np.abs(predicted - true) / np.where(spread > 0, spread, 1)).mean(axis=1)


def number_sums(part: NumberPredictions, speakers: Speakers, rows: np.ndarray | None = None) -> np.ndarray:
    """The sums of the part itself and of each resample, (1 + R, D, 7); of utterances in the mask `rows` (N,) only."""
    cells = np.zeros(len(part), dtype=np.int64) if rows is None else np.where(rows, 0, -1)
    added = moments(part.true, part.predicted).reshape(len(part), -1)
    columns = [speakers.sums(cells, 1, column) for column in added.T]
    return np.concatenate(columns, axis=1).reshape(-1, len(part.targets), 7)


def score_numbers(part: NumberPredictions, speakers: Speakers) -> Scores:
    """The figures of a part: the means over its targets, and those of each.

    Args:
        part: N utterances.
        speakers: Of this part.
    """
    sums, everyone = number_sums(part, speakers), speakers.utterances(slice(None))

    def estimates(of_target: slice) -> dict[str, Estimate]:
        chosen = sums[:, of_target]
        return {name: speakers.estimate(it(chosen), everyone, it.scale) for name, it in FIGURES.items()}

    by_target = {name: estimates(slice(k, k + 1)) for k, name in enumerate(part.targets)}
    return Scores(estimates(slice(None)), by_target, ())


def _parts(sums: np.ndarray) -> tuple[np.ndarray, ...]:
    """Difference of the means, both variances, and the covariance; variances that are rounding are 0."""
    count = sums[..., 0]
    x, y, xx, yy, xy = (ratio(sums[..., k], count) for k in range(1, 6))
    of_true, of_predicted = (
        np.where(variance > CONSTANT * (xx + yy), variance, 0.0) for variance in (xx - x * x, yy - y * y)
    )
    together = np.where((of_true > 0) & (of_predicted > 0), xy - x * y, 0.0)
    return x - y, of_true, of_predicted, together
