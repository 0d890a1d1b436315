"""Predictions of a part: from a run in memory, from predictions.csv, or of several runs; and how the file is written.

All figures of `ser.evaluation` are functions of `Predictions`, so that a finished run's figures can be recomputed from
its files, to the last digit.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.metrics import softmax
from ser.evaluation.number_predictions import TRUE, NumberPredictions, read_numbers
from ser.evaluation.prediction_files import REMEDY, TRAITS, Lines, read_lines, read_traits
from ser.system.files import write_atomically

SUM_TOLERANCE = 1e-4  # files rounded to five digits are read too


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions of a part.

    Args:
        classes: K names in label order.
        keys: N paths relative to the corpus's root.
        true: Labels (N,) int64.
        predicted: Labels (N,) int64, each a most probable class.
        probabilities: (N, K) float64.
        traits: Name in `TRAITS` → N words, None where unknown.
    """

    arrays: ClassVar[tuple[str, ...]] = ("true", "predicted", "probabilities")

    classes: tuple[str, ...]
    keys: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    traits: dict[str, tuple[str | None, ...]]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def right(self) -> np.ndarray:
        """Whether each prediction is right: (N,) bool."""
        return self.true == self.predicted

    @property
    def confidence(self) -> np.ndarray:
        """Probability of each predicted class: (N,)."""
        return self.probabilities[np.arange(len(self)), self.predicted]

    def absent(self, rows: np.ndarray | None = None) -> tuple[str, ...]:
        """Classes that are never true, in all utterances or in those of `rows` (a mask or indices)."""
        true = self.true if rows is None else self.true[rows]
        return tuple(name for label, name in enumerate(self.classes) if label not in true)

    @property
    def columns(self) -> list[str]:
        """Those of predictions.csv, behind what is known of the utterance."""
        return ["true", "predicted", *self.classes]

    def cells(self) -> Iterator[list[str | float]]:
        """A row of these columns an utterance, with all digits."""
        for label, best, shares in zip(self.true, self.predicted, self.probabilities.tolist(), strict=True):
            yield [self.classes[label], self.classes[best], *shares]


AnyPredictions = Predictions | NumberPredictions


def predictions_of(
    utterances: Sequence[Utterance], true: np.ndarray, logits: np.ndarray, classes: Sequence[str]
) -> Predictions:
    """Predictions as a run has them in memory.

    Args:
        utterances: The part, in the order of the rows below.
        true: Labels (N,).
        logits: (N, K).
        classes: Names in label order.
    """
    logits = np.asarray(logits, dtype=np.float64)
    return Predictions(
        tuple(classes),
        tuple(utterance.key for utterance in utterances),
        np.asarray(true, dtype=np.int64),
        logits.argmax(axis=1),
        softmax(logits),
        {trait: tuple(getattr(utterance, trait) for utterance in utterances) for trait in TRAITS},
    )


def pool(parts: Sequence[AnyPredictions]) -> AnyPredictions:
    """The folds of one cross-validation as one part.

    Raises:
        UserError: The parts have other classes, or share a recording.
    """
    classes, kind = parts[0].classes, type(parts[0])
    for part in parts:
        if part.classes != classes or type(part) is not kind:
            raise UserError(
                f"These runs cannot be pooled: one has {', '.join(classes)}, another {', '.join(part.classes)}."
            )
    pooled = kind(
        classes,
        tuple(key for part in parts for key in part.keys),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in kind.arrays),
        {trait: tuple(word for part in parts for word in part.traits[trait]) for trait in TRAITS},
    )
    (recording, count), *_ = Counter(zip(pooled.traits["corpus"], pooled.keys, strict=True)).most_common(1)
    if count > 1:
        raise UserError(
            f"The recording {recording[1]} is tested {count} times: pool the folds of one cross-validation, not runs "
            "that repeat each other."
        )
    return pooled


def write_predictions(path: Path, part: AnyPredictions) -> None:
    """predictions.csv: path, what is known of the utterance, true and predicted class, the probability of each class;
    of numbers the true and the predicted one of each target.

    Columns: `path`, those of `TRAITS` (empty where the corpus does not know), `true`, `predicted`, then one for each
    class by its name. Probabilities are written with all digits: every figure can be recomputed from the file, and the
    logarithm of a probability is its logit up to a constant of the row, all that temperature scaling needs
    (`ser.evaluation.calibration`).
    """
    traits = zip(*(part.traits[name] for name in TRAITS), strict=True)
    rows = zip(part.keys, traits, part.cells(), strict=True)

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", *TRAITS, *part.columns])
            for key, words, cells in rows:
                writer.writerow([key, *(word or "" for word in words), *cells])

    write_atomically(path, write)


def read_predictions(path: Path, count: int | None = None) -> AnyPredictions:
    """Reads predictions.csv, with checks: it may come from elsewhere.

    Columns as in `write_predictions`; those of `TRAITS` may be missing, the classes are all columns
    after `predicted`.

    Args:
        path: The file.
        count: How many utterances it should hold (`num_test` in metrics.json), where that is known.

    Raises:
        UserError: The file cannot be read, or is invalid; the message names the line.
    """
    (_, header), *rows = read_lines(path)
    if count is not None and len(rows) != count:
        raise UserError(f"{path} holds {len(rows)} predictions where the run made {count}. {REMEDY}.")
    if "true" not in header and any(column.startswith(TRUE) for column in header):
        return read_numbers(path, header, rows)
    classes = _classes(path, header)
    labels = {name: label for label, name in enumerate(classes)}
    first = len(header) - len(classes)  # column of the first class
    true, predicted = (_labels(path, rows, header.index(name), labels) for name in ("true", "predicted"))
    probabilities = np.array([_probabilities(path, number, cells[first:]) for number, cells in rows])
    _check_decisions(path, rows, classes, predicted, probabilities)
    keys = tuple(cells[header.index("path")] for _, cells in rows)
    return Predictions(classes, keys, true, predicted, probabilities, read_traits(header[:first], rows))


def _classes(path: Path, header: list[str]) -> tuple[str, ...]:
    for column in ("path", "true", "predicted"):
        if column not in header:
            raise UserError(f"{path} has no column '{column}'. {REMEDY}.")
    classes = tuple(header[header.index("predicted") + 1 :])
    if len(classes) < 2 or len(set(classes)) < len(classes) or header.index("true") > header.index("predicted"):
        raise UserError(
            f"{path} needs a column of probabilities for each class after 'true' and 'predicted'. {REMEDY}."
        )
    return classes


def _labels(path: Path, rows: Lines, column: int, labels: dict[str, int]) -> np.ndarray:
    for number, cells in rows:
        if cells[column] not in labels:
            raise UserError(f"{path}, line {number}: the file has no column for the class '{cells[column]}'. {REMEDY}.")
    return np.array([labels[cells[column]] for _, cells in rows], dtype=np.int64)


def _probabilities(path: Path, number: int, cells: list[str]) -> list[float]:
    try:
        shares = [float(cell) for cell in cells]
    except ValueError:
        shares = [np.nan]
    if not (min(shares) >= 0 and abs(sum(shares) - 1) <= SUM_TOLERANCE):  # written so that NaN fails
        raise UserError(
            f"{path}, line {number}: the cells of the classes are not probabilities that sum to 1. {REMEDY}."
        )
    return shares


def _check_decisions(
    path: Path, rows: Lines, classes: Sequence[str], predicted: np.ndarray, shares: np.ndarray
) -> None:
    # an edited cell would give UAR other decisions than AUROC and calibration
    below = shares.max(axis=1) - shares[np.arange(len(shares)), predicted]
    if (below > SUM_TOLERANCE).any():
        row = int((below > SUM_TOLERANCE).argmax())
        raise UserError(
            f"{path}, line {rows[row][0]}: predicted is '{classes[predicted[row]]}', but "
            f"'{classes[shares[row].argmax()]}' is more probable. {REMEDY}."
        )
