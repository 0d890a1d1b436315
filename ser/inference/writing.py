"""Predictions as a table, as CSV and as JSON lines; file names are made safe.

Those of a run that predicts numbers have them in place of an emotion and probabilities.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ser.inference.answers import Answers, FilePrediction, Numbers
from ser.system.names import FORMULA, cell, printable

SHOWN = 0.01  # the least probability shown beside the first


def write_csv(found: Iterable[FilePrediction], classes: Sequence[str], file: TextIO) -> None:
    """Columns path, emotion, probability, one for each class, error; each row as soon as it is known.

    Probabilities have all digits. Control characters in names are escaped
    (`printable`). A path that a spreadsheet would take for a formula begins with `./`, which names the same file;
    another such cell with an apostrophe.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", "emotion", "probability", *map(cell, classes), "error"])
    for row in found:
        shares = [row.probabilities.get(name, "") for name in classes]
        writer.writerow([safe_path(row.path), cell(row.emotion), _probability(row), *shares, cell(row.error)])


def write_jsonl(found: Iterable[FilePrediction], classes: Sequence[str], file: TextIO) -> None:
    """One JSON object a line, in ASCII: every name can be restored exactly.

    Keys: path, then emotion, probability and probabilities, or numbers; of a file with an error path and error.
    """
    for row in found:
        about = {"path": str(row.path), **({"error": row.error} if row.error else row.as_dict())}
        file.write(json.dumps(about, allow_nan=False) + "\n")


def write_table(found: Iterable[FilePrediction], classes: Sequence[str], file: TextIO) -> None:
    """A table to read: the emotion, its probability, and other emotions with 1 % or more."""
    rows = list(found)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("path", overflow="fold", min_width=12)
    table.add_column("emotion", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("others", overflow="fold", ratio=1)
    for row in rows:
        name = Text(printable(str(row.path)))
        if row.error:
            table.add_row(name, Text("–"), Text("–"), Text(printable(row.error), style="red"))
        else:
            table.add_row(
                name,
                Text(printable(row.emotion)),
                percent(row.probability),
                Text(others(row.emotion, row.probabilities)),
            )
    _print(table, rows, file)


def write_numbers_csv(found: Iterable[FilePrediction], names: Sequence[str], file: TextIO) -> None:
    """Columns path, one for each number, error; otherwise as `write_csv`."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", *map(cell, names), "error"])
    for row in found:
        writer.writerow([safe_path(row.path), *(row.numbers.get(name, "") for name in names), cell(row.error)])


def write_numbers_table(found: Iterable[FilePrediction], names: Sequence[str], file: TextIO) -> None:
    """A table to read: a column for each number."""
    rows = list(found)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("path", overflow="fold", min_width=12)
    for name in names:
        table.add_column(Text(printable(name)), justify="right", no_wrap=True)
    if any(row.error for row in rows):
        table.add_column("", overflow="fold", ratio=1)
    for row in rows:
        numbers = [Text(f"{row.numbers[name]:.3f}" if row.numbers else "–") for name in names]
        error = [Text(printable(row.error), style="red")] if row.error else []
        table.add_row(Text(printable(str(row.path))), *numbers, *error)
    _print(table, rows, file)


Writer = Callable[[Iterable[FilePrediction], Sequence[str], TextIO], None]
WRITERS: dict[str, Writer] = {"table": write_table, "csv": write_csv, "jsonl": write_jsonl}
NUMBER_WRITERS: dict[str, Writer] = {"table": write_numbers_table, "csv": write_numbers_csv, "jsonl": write_jsonl}


def writers_of(answers: Answers | Numbers) -> dict[str, Writer]:
    """Format → what writes the predictions of a model."""
    return NUMBER_WRITERS if isinstance(answers, Numbers) else WRITERS


def _print(table: Table, rows: Sequence[FilePrediction], file: TextIO) -> None:
    """Prints the table, and of several files how many they are."""
    terminal, failed = file.isatty(), sum(bool(row.error) for row in rows)
    console = Console(file=file, width=None if terminal else 160, highlight=False, force_terminal=terminal)
    console.print(table)
    if len(rows) > 1 or failed:
        console.print(f"{len(rows)} file{'s' * (len(rows) > 1)}" + (f", {failed} could not be used" if failed else ""))


def _probability(row: FilePrediction) -> float | str:
    """The probability of the emotion, or empty."""
    return "" if row.probability is None else row.probability


def safe_path(path: Path) -> str:
    """A path in a cell: no formula, and still the same file."""
    text = printable(str(path))
    return f"./{text}" if text.startswith(FORMULA) else text


def others(emotion: str, probabilities: Mapping[str, float]) -> str:
    """The other classes with 1 % or more, the most probable first."""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    shown: Iterator[str] = (
        f"{printable(name)} {percent(share)}" for name, share in ranked if name != emotion and share >= SHOWN
    )
    return ", ".join(shown)


def percent(share: float) -> str:
    """`100.0 %` only for a probability of 1."""
    return f"{min(100 * share, 99.9) if share < 1 else 100:.1f} %"
