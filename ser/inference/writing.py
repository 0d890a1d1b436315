"""Predictions as a table, as CSV and as JSON lines; file names are made safe."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ser.inference.answers import FilePrediction
from ser.system.names import printable

SHOWN = 0.01  # the least probability shown beside the first
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets read these as the start of a formula


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

    Keys: path, emotion, probability and probabilities; for a file that could not be used path and error.
    """
    for row in found:
        about = {"path": str(row.path), **({"error": row.error} if row.error else row.as_dict())}
        file.write(json.dumps(about, allow_nan=False) + "\n")


def write_table(found: Iterable[FilePrediction], classes: Sequence[str], file: TextIO) -> None:
    """A table to read: the emotion, its probability, and other emotions with 1 % or more."""
    rows = list(found)
    terminal = file.isatty()
    console = Console(file=file, width=None if terminal else 160, highlight=False, force_terminal=terminal)
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
    console.print(table)
    failed = sum(bool(row.error) for row in rows)
    if len(rows) > 1 or failed:
        console.print(f"{len(rows)} file{'s' * (len(rows) > 1)}" + (f", {failed} could not be used" if failed else ""))


WRITERS: dict[str, Callable[[Iterable[FilePrediction], Sequence[str], TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "jsonl": write_jsonl,
}


def _probability(row: FilePrediction) -> float | str:
    """The probability of the emotion, or empty."""
    return "" if row.probability is None else row.probability


def safe_path(path: Path) -> str:
    """A path in a cell: no formula, and still the same file."""
    text = printable(str(path))
    return f"./{text}" if text.startswith(FORMULA) else text


def cell(text: str) -> str:
    """Text in a cell: no formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(FORMULA) else text


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
