"""Timelines as a table, as CSV, as JSON lines and as labels for Audacity; file names are made safe."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ser.inference.long_recordings import FileTimeline
from ser.inference.writing import others, percent, safe_path
from ser.system.clock import clock
from ser.system.names import cell, printable


def write_csv(found: Iterable[FileTimeline], classes: Sequence[str], file: TextIO) -> None:
    """Columns path, start, end (seconds), emotion, probability, one for each class, error; a row a stretch."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", "start", "end", "emotion", "probability", *map(cell, classes), "error"])
    for timeline in found:
        path = safe_path(timeline.path)
        for row in timeline.stretches:
            shares = [row.probabilities[name] for name in classes]
            times = [f"{row.start:.3f}", f"{row.end:.3f}"]
            writer.writerow([path, *times, cell(row.emotion), row.probability, *shares, ""])
        if timeline.error:
            writer.writerow([path, *[""] * (4 + len(classes)), cell(timeline.error)])


def write_jsonl(found: Iterable[FileTimeline], classes: Sequence[str], file: TextIO) -> None:
    """One JSON object a stretch, in ASCII: path, start, end, emotion, probability, probabilities; or path and error."""
    for timeline in found:
        for row in timeline.stretches:
            times = {"start": round(row.start, 3), "end": round(row.end, 3)}
            file.write(json.dumps({"path": str(timeline.path), **times, **row.as_dict()}, allow_nan=False) + "\n")
        if timeline.error:
            file.write(json.dumps({"path": str(timeline.path), "error": timeline.error}) + "\n")


def write_table(found: Iterable[FileTimeline], classes: Sequence[str], file: TextIO) -> None:
    """A table to read for each file: start, end, emotion, its probability, and other emotions with 1 % or more."""
    terminal = file.isatty()
    console = Console(file=file, width=None if terminal else 160, highlight=False, force_terminal=terminal)
    for timeline in found:
        console.print(Text(printable(str(timeline.path)), style="bold"))
        if timeline.error:
            console.print(Text(f"  {printable(timeline.error)}", style="red"))
            continue
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("start", "end"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("emotion", overflow="fold")
        table.add_column("probability", justify="right", no_wrap=True)
        table.add_column("others", overflow="fold", ratio=1)
        for row in timeline.stretches:
            times = clock(row.start, 1), clock(row.end, 1)
            answer = Text(printable(row.emotion)), percent(row.probability)
            table.add_row(*times, *answer, Text(others(row.emotion, row.probabilities)))
        console.print(table)


def write_audacity(found: Iterable[FileTimeline], classes: Sequence[str], file: TextIO) -> None:
    """Labels for Audacity (File, Import, Labels): start, end, and the emotion with its probability, by tabs."""
    for timeline in found:
        for row in timeline.stretches:
            file.write(f"{row.start:.6f}\t{row.end:.6f}\t{printable(row.emotion)} {row.probability:.2f}\n")


TIMELINE_WRITERS: dict[str, Callable[[Iterable[FileTimeline], Sequence[str], TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "jsonl": write_jsonl,
    "audacity": write_audacity,
}
