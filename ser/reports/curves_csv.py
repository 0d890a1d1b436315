"""`curves.csv`: a run's learning curves as a table, a row an epoch."""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from ser.system.files import write_text

NAME = "curves.csv"


class CurvesCsv:
    """Appends a row an epoch to `curves.csv`.

    Args:
        folder: The run directory.
        first_epoch: Where writing begins; later rows, which an interrupted process wrote, are removed.
    """

    def __init__(self, folder: str, first_epoch: int = 0):
        self._file = Path(folder) / NAME
        self._columns: list[str] = []
        rows = [row for row in read_rows(self._file) if row["epoch"] < first_epoch]
        self._file.unlink(missing_ok=True)
        if rows:
            self._write(rows)

    def epoch(self, epoch: int, scores: dict[str, float], learning_rate: float) -> None:
        """Writes one row and closes the file, so that a killed process loses nothing."""
        row = {"epoch": epoch, **scores, "train/learning_rate": learning_rate}
        if row.keys() - set(self._columns):
            self._write([*read_rows(self._file), row])
        else:
            with self._file.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._columns).writerow(row)

    def result(self, config: dict, metrics: dict[str, float], confusion: np.ndarray, protocol: str) -> None:
        """Does nothing: metrics.json has them."""

    def flush(self) -> None:
        """Does nothing: each row is written at once."""

    def close(self, status: str) -> None:
        """Does nothing: no file is open."""

    def _write(self, rows: Iterable[dict[str, float]]) -> None:
        self._columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns)
        writer.writeheader()
        writer.writerows(rows)
        write_text(self._file, text.getvalue())


def read_rows(file: Path) -> list[dict[str, float]]:
    """Its rows, `epoch` and the scores by name; empty where there is no such file. A damaged row is left out."""
    rows = []
    if not file.is_file():  # reading a pipe might never end
        return rows
    with file.open(encoding="utf-8", errors="replace", newline="") as lines:
        for row in csv.DictReader(lines):
            with suppress(ValueError, TypeError, KeyError):  # truncated by a power failure, or written by hand
                rows.append({"epoch": int(row.pop("epoch")), **{key: float(row[key]) for key in row if row[key] != ""}})
    return rows
