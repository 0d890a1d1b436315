"""A comparison for the terminal."""

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from ser.comparison.text_tables import Sheet
from ser.system.names import escaped, printable

PLAIN = {"markup": False, "highlight": False}
GAP = 2  # columns of the terminal between two of the table
NUMBERS = ("difference", "runs", "p", "p (Holm)")


def as_text(sheets: Sequence[Sheet], remarks: Sequence[str], width: int | None = None, styled: bool = False) -> str:
    """Tables and sentences.

    Args:
        sheets, remarks: What is shown.
        width: Columns of the terminal; None for as many as the tables need.
        styled: Whether the terminal shows bold and italics.
    """
    with io.StringIO() as file:
        console = Console(file=file, width=width or 10_000, force_terminal=styled, soft_wrap=width is None)
        for sheet in sheets:
            _print_sheet(console, sheet)
        for sentence in remarks:
            console.print(printable(sentence), **PLAIN)
        return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _print_sheet(console: Console, sheet: Sheet) -> None:
    console.print(printable(sheet.title), style="bold", **PLAIN)
    console.print(printable(sheet.stamp), style="italic", **PLAIN)
    fitting = _fitting(sheet, console.width)
    console.print(_table(_chosen(sheet.header, fitting), [_chosen(row, fitting) for row in sheet.rows], sheet.left))
    if left := [name for i, name in enumerate(sheet.header) if i not in fitting]:
        console.print(f"Too wide for this terminal: {', '.join(left)}. --output writes a file with them.", **PLAIN)
    if sheet.pairs:
        # the ranking above names 1 and 2: full names would not fit
        at = [i for i, name in enumerate(sheet.pairs_header) if name not in ("first", "second")]
        header = _chosen(sheet.pairs_header, at)
        pairs = zip(sheet.pairs, sheet.better, strict=True)
        console.print(_table(header, [_chosen(_numbered(*pair), at) for pair in pairs], len(header), NUMBERS))
    for note in sheet.notes:
        console.print(printable(note), style="dim", **PLAIN)
    console.print()


def _chosen(cells: Sequence[str], places: Sequence[int]) -> list[str]:
    return [cells[i] for i in places]


def _numbered(pair: Sequence[str], better: int | None) -> list[str]:
    """A pair's cells, with the number of the better row in place of its name."""
    return [*pair] if better is None else [*pair[:-1], f"{better} is better"]


def _fitting(sheet: Sheet, width: int) -> list[int]:
    """The columns that fit into a terminal: costs are left out first, then the last figures, never the first."""
    sizes = [
        max(len(line) for cell in (_broken(name, cells), *cells) for line in cell.split("\n"))
        for name, cells in zip(sheet.header, zip(*sheet.rows, strict=True), strict=True)
    ]
    fitting = list(range(len(sheet.header)))
    droppable = [i for i in reversed(fitting[sheet.left + 1 :]) if sheet.header[i] != "runs"]
    for column in droppable:
        if sum(sizes[i] + GAP for i in fitting) <= width:
            break
        fitting.remove(column)
    return fitting


def _broken(name: str, cells: Sequence[str]) -> str:
    """A heading in two lines where it is wider than its column: `model.` and `dropout`."""
    cut = max(name.rfind("."), name.rfind("/")) + 1
    return f"{name[:cut]}\n{name[cut:]}" if cut and len(name) > max(map(len, cells)) else name


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0), collapse_padding=True)
    for i, (name, cells) in enumerate(zip(header, zip(*rows, strict=True), strict=True)):
        right = i >= left or name in numbers
        table.add_column(escaped(_broken(name, cells)), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escaped, row))
    return table
