"""All figures of one system over one part, each with its interval.

Conventions, all of them scikit-learn's: a class that never occurs has no recall and no AUROC, a class that is never
predicted no precision, and means leave out what is not defined; but macro F1 counts a class that is predicted and never
true, with 0. `Predictions.absent` names the classes that do not occur.
"""

from collections.abc import Callable, Mapping

import numpy as np

from ser.evaluation.calibration import expected_calibration_error
from ser.evaluation.confidence import SHARE, Scale, Speakers
from ser.evaluation.metrics import f1_macro, f1s, mean_of_defined, precisions, ratio, recalls, uar, wa
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.numbers import FIGURES, number_sums, score_numbers
from ser.evaluation.predictions import AnyPredictions, Predictions
from ser.evaluation.scored import Scores

OF_DECISIONS = {"uar": uar, "wa": wa, "f1_macro": f1_macro}
OF_DECISIONS_BY_CLASS = {"recall": recalls, "precision": precisions, "f1": f1s}


def figures_of(part: AnyPredictions) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
    """The figures by which groups and systems are compared: functions of `sums_of`, the main one first."""
    return FIGURES if isinstance(part, NumberPredictions) else OF_DECISIONS


def scale_of(figure: Callable) -> Scale:
    """The scale of a figure's intervals."""
    return getattr(figure, "scale", SHARE)


def sums_of(part: AnyPredictions, speakers: Speakers, rows: np.ndarray | None = None) -> np.ndarray:
    """What figures are functions of, in the part itself and in each resample: (1 + R, …).

    Args:
        part: N utterances.
        speakers: Of this part.
        rows: A mask (N,), for some of them.
    """
    return (number_sums if isinstance(part, NumberPredictions) else confusion_matrices)(part, speakers, rows)


def main_figure(part: AnyPredictions) -> tuple[str, float]:
    """The name and the value of what runs are compared by: UAR, or CCC."""
    name, figure = next(iter(figures_of(part).items()))
    alone = Speakers(np.zeros(len(part), dtype=np.int64), known=False)
    return name, float(figure(sums_of(part, alone))[0])


def score_part(part: AnyPredictions, speakers: Speakers) -> Scores:
    """The figures of a part.

    Args:
        part: N utterances.
        speakers: Of this part.
    """
    if isinstance(part, NumberPredictions):
        return score_numbers(part, speakers)
    matrices = confusion_matrices(part, speakers)
    aurocs = np.stack([auroc(part, label, speakers) for label in range(len(part.classes))], axis=-1)  # (1 + R, K)
    everyone = speakers.utterances(slice(None))
    overall = {name: figure(matrices) for name, figure in OF_DECISIONS.items()}
    overall |= {"auroc": mean_of_defined(aurocs), "top2": top_two(part, speakers)}
    estimates = {name: speakers.estimate(values, everyone) for name, values in overall.items()}
    estimates["ece"] = expected_calibration_error(part)
    columns = {name: figure(matrices) for name, figure in OF_DECISIONS_BY_CLASS.items()} | {"auroc": aurocs}
    by_class = {}
    for label, name in enumerate(part.classes):
        true, predicted = part.true == label, part.predicted == label
        concerned = {"recall": true, "precision": predicted, "f1": true | predicted, "auroc": true}
        by_class[name] = {
            column: speakers.estimate(values[:, label], speakers.utterances(concerned[column]))
            for column, values in columns.items()
        }
    return Scores(estimates, by_class, tuple(map(tuple, matrices[0].astype(int).tolist())))


def confusion_matrices(part: Predictions, speakers: Speakers, rows: np.ndarray | None = None) -> np.ndarray:
    """Counts of the part itself and of each resample, (1 + R, K, K); of the utterances in the mask `rows` (N,) only."""
    size = len(part.classes)
    cells = part.true * size + part.predicted
    if rows is not None:
        cells = np.where(rows, cells, -1)
    return speakers.sums(cells, size**2).reshape(-1, size, size)


def top_two(part: Predictions, speakers: Speakers) -> np.ndarray:
    """Share of utterances whose class is one of the two most probable: (1 + R,).

    Of equal probabilities the class that stands first counts as the more probable, as everywhere in `ser`;
    `sklearn.metrics.top_k_accuracy_score` takes the last.
    """
    best = np.argsort(-part.probabilities, axis=1, kind="stable")[:, :2]
    found = (best == part.true[:, None]).any(axis=1)
    counts = speakers.sums(found.astype(np.int64), 2)  # (1 + R, 2): missed, found
    return counts[:, 1] / counts.sum(axis=1)


def auroc(part: Predictions, label: int, speakers: Speakers) -> np.ndarray:
    """Area under the ROC curve of one class against the rest: (1 + R,), NaN where one of the two sides is empty.

    It is the share of pairs (one utterance of the class, one of another) in which the first has the higher probability
    of the class, ties counting half (Hanley and McNeil 1982). Counted once for each pair of speakers, in a matrix U,
    it is wᵀUw over the number of pairs when speakers count w times. Over pooled folds it compares probabilities
    of different models.

    Args:
        part: N utterances.
        label: The class.
        speakers: Of this part.
    """
    scores, positive = part.probabilities[:, label], part.true == label
    wins = np.empty((speakers.count, speakers.count))  # speaker of the class's utterance by row
    for speaker in range(speakers.count):
        others = np.sort(scores[~positive & (speakers.numbers == speaker)])
        below, not_above = (np.searchsorted(others, scores[positive], side) for side in ("left", "right"))
        halves = (below + not_above) / 2
        wins[:, speaker] = np.bincount(speakers.numbers[positive], weights=halves, minlength=speakers.count)
    weights = speakers.weights
    pairs = np.prod([weights @ speakers.utterances(side) for side in (positive, ~positive)], axis=0)
    return ratio(((weights @ wins) * weights).sum(axis=1), pairs)
