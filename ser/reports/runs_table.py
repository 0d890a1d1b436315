"""The table of `ser runs`: in the terminal, as CSV or as JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import fields

from rich.console import Console
from rich.table import Table

from ser.runs.overview import RunRow, readable_size, totals
from ser.runs.pruning import Removal
from ser.system.names import cell, escaped

COLOURS = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red", "pruned": "dim"}
LONGEST_REASON = 160  # characters; csv and json have all of it


def print_rows(console: Console, rows: Sequence[RunRow]) -> None:
    """One line a run, and totals."""
    table = Table()
    for name in ("run", "state"):
        table.add_column(name, overflow="fold")
    scores = "UAR" if any(row.val_ccc is None and row.test_ccc is None for row in rows) else "CCC"
    for name in (f"val {scores}", f"test {scores}", "epochs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("when", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            escaped(row.name), _state(row), _score(row.val_uar, row.val_ccc, scores),
            _score(row.test_uar, row.test_ccc, scores),
            "" if row.epochs is None else str(row.epochs), row.when[:16].replace("T", " "), readable_size(row.bytes),
        )  # fmt: skip
    console.print(table)
    console.print(totals(rows), highlight=False)


def as_csv(rows: Sequence[RunRow]) -> str:
    """A header and a line a run; nothing in it is a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(RunRow)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = row.as_dict().items()
        writer.writerow({key: cell(value) if isinstance(value, str) else value for key, value in values})
    return text.getvalue()


def as_json(rows: Sequence[RunRow]) -> str:
    """A list of objects."""
    return json.dumps([row.as_dict() for row in rows], indent=2) + "\n"


def print_removals(console: Console, removals: Sequence[Removal]) -> None:
    """The files to remove, run by run, and their size."""
    table = Table()
    table.add_column("run", overflow="fold")
    table.add_column("state")
    table.add_column("goes", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    for removal in removals:
        names = ", ".join(file.name for file in removal.files)
        table.add_row(escaped(removal.run.path.name), removal.run.state, escaped(names), readable_size(removal.bytes))
    console.print(table)


def _state(row: RunRow) -> str:
    reason = row.reason if len(row.reason) <= LONGEST_REASON else row.reason[:LONGEST_REASON] + "…"
    colour = COLOURS.get(row.state, "red")
    return f"[{colour}]{row.state}[/]" + (f": {escaped(reason)}" if reason else "")


def _score(uar: float | None, ccc: float | None, heading: str) -> str:
    """UAR in per cent; CCC, which stands under another heading where runs of both kinds are listed."""
    if ccc is not None:
        return f"{ccc:.3f}" if heading == "CCC" else f"CCC {ccc:.3f}"
    return "" if uar is None else f"{100 * uar:.1f} %"
