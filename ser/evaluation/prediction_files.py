"""predictions.csv as lines: what files of classes and of numbers have in common. They may come from elsewhere."""

import csv
import io
from pathlib import Path

from ser.errors import UserError
from ser.system.files import read_bytes

TRAITS = ("corpus", "speaker", "gender", "intensity", "statement", "word")
"""The columns of predictions.csv that describe an utterance, named as `Utterance`'s fields."""

MOST_BYTES = 2**30  # of the file
REMEDY = "The file is damaged or was edited: train the run again with run.rerun=true"
Lines = list[tuple[int, list[str]]]  # each with its number in the file


def read_traits(header: list[str], rows: Lines) -> dict[str, tuple[str | None, ...]]:
    """Trait → its words, None where a cell is empty or the column missing.

    Args:
        header: The columns before those of results.
        rows: The lines below it.
    """
    traits = {}
    for trait in TRAITS:
        column = header.index(trait) if trait in header else None
        traits[trait] = tuple(None if column is None else cells[column] or None for _, cells in rows)
    return traits


def read_lines(path: Path, what: str = "predictions") -> Lines:
    """Header and rows, each with its line number; at least one row, all as long as the header.

    Args:
        path: A file of a run.
        what: It holds, for messages.
    """
    try:
        data = read_bytes(path, MOST_BYTES)
    except UserError as error:
        why = str(error).partition("cannot be read: ")[2]
        raise UserError(f"Cannot read the {what} {path}: {why} Name a finished run.") from error
    try:
        text = data.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""))
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not CSV in UTF-8 ({error}). {REMEDY}.") from error
    if len(lines) < 2:
        raise UserError(f"{path} holds no {what}. {REMEDY}.")
    if not text.endswith("\n"):  # else a truncated number would be read as another number
        raise UserError(f"{path}, line {lines[-1][0]}: the last line has no end, the file is truncated. {REMEDY}.")
    width = len(lines[0][1])
    for number, cells in lines:
        if len(cells) != width:
            raise UserError(f"{path}, line {number}: {len(cells)} cells under {width} columns. {REMEDY}.")
    return lines
