"""Predictions that are numbers: in memory, and as columns of predictions.csv."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.prediction_files import REMEDY, TRAITS, Lines, read_traits

TRUE, PREDICTED = "true_", "predicted_"  # begin the names of columns


@dataclass(frozen=True, slots=True, eq=False)
class NumberPredictions:
    """Predictions of a part, each of D numbers; what `ser.evaluation.predictions.Predictions` is of classes.

    Args:
        targets: D names.
        keys: N paths relative to the corpus's root.
        true, predicted: (N, D) float64, in the units of the corpus.
        traits: Name in `TRAITS` → N words, None where unknown.
    """

    arrays: ClassVar[tuple[str, ...]] = ("true", "predicted")

    targets: tuple[str, ...]
    keys: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    traits: dict[str, tuple[str | None, ...]]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def classes(self) -> tuple[str, ...]:
        """The targets: what results are listed by."""
        return self.targets

    def absent(self, rows: np.ndarray | None = None) -> tuple[str, ...]:
        """None: every utterance has every number."""
        return ()

    @property
    def columns(self) -> list[str]:
        """Those of predictions.csv, behind what is known of the utterance."""
        return number_columns(self.targets)

    def cells(self) -> Iterator[list[float]]:
        """A row of these columns an utterance, with all digits."""
        pairs = np.stack([self.true, self.predicted], axis=-1)  # (N, D, 2)
        yield from pairs.reshape(len(self), -1).tolist()


def numbers_predicted(
    utterances: Sequence[Utterance], true: np.ndarray, predicted: np.ndarray, targets: Sequence[str]
) -> NumberPredictions:
    """Predictions as a run has them in memory.

    Args:
        utterances: The part, in the order of the rows below.
        true, predicted: (N, D).
        targets: Names of the numbers.
    """
    return NumberPredictions(
        tuple(targets),
        tuple(utterance.key for utterance in utterances),
        np.asarray(true, dtype=np.float64),
        np.asarray(predicted, dtype=np.float64),
        {trait: tuple(getattr(utterance, trait) for utterance in utterances) for trait in TRAITS},
    )


def number_columns(targets: Sequence[str]) -> list[str]:
    """The columns of some targets.

    >>> number_columns(["arousal"])
    ['true_arousal', 'predicted_arousal']
    """
    return [f"{kind}{name}" for name in targets for kind in (TRUE, PREDICTED)]


def read_numbers(path: Path, header: list[str], rows: Lines) -> NumberPredictions:
    """The predictions in the lines of a file whose columns are those of numbers.

    Args:
        path: The file, for messages.
        header: Its columns.
        rows: The lines below.

    Raises:
        UserError: Other columns, or a cell that is no number; the message names the line.
    """
    first = next(i for i, column in enumerate(header) if column.startswith(TRUE))
    targets = tuple(column.removeprefix(TRUE) for column in header[first::2])
    if header[first:] != number_columns(targets) or len(set(targets)) < len(targets) or "path" not in header[:first]:
        raise UserError(f"{path} needs a path, and two columns for each number, true_… and predicted_…. {REMEDY}.")
    values = np.array([_numbers(path, number, cells[first:]) for number, cells in rows])
    values = values.reshape(len(rows), len(targets), 2)
    keys = tuple(cells[header.index("path")] for _, cells in rows)
    return NumberPredictions(targets, keys, values[..., 0], values[..., 1], read_traits(header[:first], rows))


def _numbers(path: Path, number: int, cells: list[str]) -> list[float]:
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        values = [np.nan]
    if not np.isfinite(values).all():
        raise UserError(f"{path}, line {number}: the cells of the predictions are not numbers. {REMEDY}.")
    return values
