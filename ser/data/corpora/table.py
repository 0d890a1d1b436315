"""Reading a table that a person has saved: CSV from any spreadsheet."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from ser.data.emotions import one_form
from ser.errors import UserError

# Usual names of columns, the first ones first, without blanks and punctuation
USUAL = {
    "path": "path file filename filepath relativepath wav wavfile wavpath audio audiofile audiopath audiofilepath "
    "recording name key",
    "emotion": "emotion label emotionlabel emotionname labelname class classname emo category target",
    "speaker": "speaker speakerid speakername spk spkid actor actorid subject subjectid participant participantid",
    "split": "split part set subset partition",
    "gender": "gender sex",
}
NAMES = frozenset(" ".join(USUAL.values()).split())
MOST_BYTES = 2**28  # of a list
Row = tuple[int, dict[str, str]]  # its number as a spreadsheet shows it (the header is row 1), and its cells by column


def read_table(file: Path) -> tuple[list[str], list[Row]]:
    """The columns of a CSV file in one form (`ser.data.emotions.one_form`), and its rows.

    Cells are separated by comma, semicolon, tab or `|`, and stripped; rows without any text are left out. The encoding
    is UTF-8, with or without a byte order mark, or UTF-16 with one.

    Args:
        file: The CSV file.

    Raises:
        UserError: The file cannot be read as text, has a column twice, or a row is longer than the header.
    """
    text = read_text(file)
    lines = text.splitlines()
    skipped = 1 if lines and lines[0].lower().startswith("sep=") else 0  # Excel's own first line
    delimiter = _delimiter(next(iter(lines[skipped:]), ""))
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True))[skipped:]
    except csv.Error as error:
        raise UserError(f"{file} cannot be read as CSV: {error}. Save it again as CSV, UTF-8.") from error
    columns = [one_form(cell) for cell in table[0]] if table else []
    check_text(file, 1 + skipped, columns)
    _check_columns(file, columns)
    rows = []
    for number, cells in enumerate(table[1:], start=2 + skipped):
        cells = [cell.strip() for cell in cells]
        if any(cells[len(columns) :]):
            raise UserError(
                f"{file}, row {number}: {len(cells)} cells under {len(columns)} columns; put quotes around a cell that "
                f"contains '{delimiter}'."
            )
        if any(cells):
            cells += [""] * (len(columns) - len(cells))
            rows.append((number, dict(zip(columns, cells, strict=False))))
    return columns, rows


def read_text(file: Path) -> str:
    """A text file as UTF-8 or UTF-16, without its byte order mark.

    Invalid UTF-8 becomes surrogates, as in Python's file names: a list may name a file as the system does.

    Raises:
        UserError: The file cannot be read, or begins as UTF-16 and is not.
    """
    try:
        if (size := file.stat().st_size) > MOST_BYTES:
            raise UserError(f"{file} has {size:,} bytes, and a list at most {MOST_BYTES:,}.")
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16") if utf16 else data.decode("utf-8-sig", "surrogateescape")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{file} is not UTF-16 text (line {line}): save it with the encoding UTF-8.") from error


def check_text(file: object, number: int, cells: Iterable[str]) -> None:
    """Refuses cells that are not valid text; only file names may hold other bytes.

    Raises:
        UserError: It names the line.
    """
    try:
        "".join(cells).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{file} is not UTF-8 text (line {number}): save it with the encoding UTF-8.") from error


def _delimiter(header: str) -> str:
    # csv.Sniffer guesses from all characters and is easily led astray by paths; a header of known words is clearer.
    return max(",;\t|", key=header.count)


def _check_columns(file: Path, columns: list[str]) -> None:
    twice = {column for column in columns if column and columns.count(column) > 1}
    if twice:  # only usual names are shown: an untrusted config may name any file as a list
        usual = min(twice & NAMES, default=None)
        named = f"the column '{usual}'" if usual else "a column"
        raise UserError(f"{file} has {named} twice; remove one.")
