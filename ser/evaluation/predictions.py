"""Predictions of a part: from a run in memory, from predictions.csv, or of several runs; and how the file is written.

All figures of `ser.evaluation` are functions of `Predictions`, so that a finished run's figures can be recomputed from
its files, to the last digit.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.metrics import softmax
from ser.system.files import read_bytes, write_atomically

TRAITS = ("corpus", "speaker", "gender", "intensity", "statement", "word")
"""The columns of predictions.csv that describe an utterance, named as `Utterance`'s fields."""

MOST_BYTES = 2**30  # of the file
SUM_TOLERANCE = 1e-4  # files rounded to five digits are read too
REMEDY = "The file is damaged or was edited: train the run again with run.rerun=true"


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


def pool(parts: Sequence[Predictions]) -> Predictions:
    """The folds of one cross-validation as one part.

    Raises:
        UserError: The parts have other classes, or share a recording.
    """
    classes = parts[0].classes
    for part in parts:
        if part.classes != classes:
            raise UserError(
                f"These runs cannot be pooled: one has {', '.join(classes)}, another {', '.join(part.classes)}."
            )
    pooled = Predictions(
        classes,
        tuple(key for part in parts for key in part.keys),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("true", "predicted", "probabilities")),
        {trait: tuple(word for part in parts for word in part.traits[trait]) for trait in TRAITS},
    )
    (recording, count), *_ = Counter(zip(pooled.traits["corpus"], pooled.keys, strict=True)).most_common(1)
    if count > 1:
        raise UserError(
            f"The recording {recording[1]} is tested {count} times: pool the folds of one cross-validation, not runs "
            "that repeat each other."
        )
    return pooled


def write_predictions(path: Path, part: Predictions) -> None:
    """predictions.csv: path, what is known of the utterance, true and predicted class, the probability of each class.

    Columns: `path`, those of `TRAITS` (empty where the corpus does not know), `true`, `predicted`, then one for each
    class by its name. Probabilities are written with all digits: every figure can be recomputed from the file, and the
    logarithm of a probability is its logit up to a constant of the row, all that temperature scaling needs
    (`ser.evaluation.calibration`).
    """
    traits = zip(*(part.traits[name] for name in TRAITS), strict=True)
    rows = zip(part.keys, traits, part.true, part.predicted, part.probabilities.tolist(), strict=True)

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", *TRAITS, "true", "predicted", *part.classes])
            for key, words, label, best, shares in rows:
                classes = part.classes[label], part.classes[best]
                writer.writerow([key, *(word or "" for word in words), *classes, *shares])

    write_atomically(path, write)


def read_predictions(path: Path, count: int | None = None) -> Predictions:
    """Reads predictions.csv, with checks: it may come from elsewhere.

    Columns as in `write_predictions`; those of `TRAITS` may be missing, the classes are all columns
    after `predicted`.

    Args:
        path: The file.
        count: How many utterances it should hold (`num_test` in metrics.json), where that is known.

    Raises:
        UserError: The file cannot be read, or is invalid; the message names the line.
    """
    (_, header), *rows = _lines(path)
    if count is not None and len(rows) != count:
        raise UserError(f"{path} holds {len(rows)} predictions where the run made {count}. {REMEDY}.")
    classes = _classes(path, header)
    labels = {name: label for label, name in enumerate(classes)}
    first = len(header) - len(classes)  # column of the first class
    true, predicted = (_labels(path, rows, header.index(name), labels) for name in ("true", "predicted"))
    probabilities = np.array([_probabilities(path, number, cells[first:]) for number, cells in rows])
    _check_decisions(path, rows, classes, predicted, probabilities)
    traits = {}
    for trait in TRAITS:
        column = header.index(trait) if trait in header[:first] else None
        traits[trait] = tuple(None if column is None else cells[column] or None for _, cells in rows)
    keys = tuple(cells[header.index("path")] for _, cells in rows)
    return Predictions(classes, keys, true, predicted, probabilities, traits)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Header and rows, each with its line number; at least one row, all as long as the header."""
    try:
        data = read_bytes(path, MOST_BYTES)
    except UserError as error:
        why = str(error).partition("cannot be read: ")[2]
        raise UserError(f"Cannot read the predictions {path}: {why} Name a finished run.") from error
    try:
        text = data.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""))
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not CSV in UTF-8 ({error}). {REMEDY}.") from error
    if len(lines) < 2:
        raise UserError(f"{path} holds no predictions. {REMEDY}.")
    if not text.endswith("\n"):  # else a truncated number would be read as another number
        raise UserError(f"{path}, line {lines[-1][0]}: the last line has no end, the file is truncated. {REMEDY}.")
    width = len(lines[0][1])
    for number, cells in lines:
        if len(cells) != width:
            raise UserError(f"{path}, line {number}: {len(cells)} cells under {width} columns. {REMEDY}.")
    return lines


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


def _labels(path: Path, rows: list[tuple[int, list[str]]], column: int, labels: dict[str, int]) -> np.ndarray:
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
    path: Path, rows: list[tuple[int, list[str]]], classes: Sequence[str], predicted: np.ndarray, shares: np.ndarray
) -> None:
    # an edited cell would give UAR other decisions than AUROC and calibration
    below = shares.max(axis=1) - shares[np.arange(len(shares)), predicted]
    if (below > SUM_TOLERANCE).any():
        row = int((below > SUM_TOLERANCE).argmax())
        raise UserError(
            f"{path}, line {rows[row][0]}: predicted is '{classes[predicted[row]]}', but "
            f"'{classes[shares[row].argmax()]}' is more probable. {REMEDY}."
        )
