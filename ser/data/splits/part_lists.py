"""Reading a division from a file: CSV, or EmoBox's JSON lines.

Only names and parts are read; no file that a line names is ever opened.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ser.data.corpora.audio_files import AUDIO_SUFFIXES
from ser.data.corpora.columns import PART_NAMES, first_named, part_names, place_columns
from ser.data.corpora.json_lines import PART_IN_NAME, is_piece, lists_in, part_in_name, read_json_lines
from ser.data.corpora.table import read_table
from ser.errors import UserError, readable

Line = tuple[str, object, object]  # where it stands, the recording and the part as they are written


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a division.

    Args:
        where: The file and the line, for messages.
        path: The recording as the line names it, as text (`ser.errors.readable`).
        part: `train`, `val` or `test`.
    """

    where: str
    path: str
    part: str


@dataclass(frozen=True, slots=True)
class Division:
    """The entries of a list, and remarks on how it was read."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def read_parts(file: Path, columns: Mapping[str, str] | None = None) -> Division:
    """The entries of a division.

    Args:
        file: A CSV file with a column for the path and one for the part; a file of JSON lines whose objects have both;
            one of EmoBox's (`ravdess_test_fold_1.jsonl`), whose part is in its name, with those beside it for the other
            parts; or the folder that holds these.
        columns: Of a CSV file with unusual columns: `path` and `split` → what they are called.

    Raises:
        UserError: Nothing to read there, or a line that cannot be understood.
    """
    notes: list[str] = []
    if file.is_dir():
        lines = _read_folder(file)
    elif not file.is_file():
        raise UserError(f"There is no split file {file}. Set split.file to a .csv, a .jsonl or a folder of EmoBox.")
    elif file.suffix.lower() in (".jsonl", ".json"):
        lines = _read_json_lines_and_siblings(file)
    else:
        found, rows = read_table(file)
        place, notes = place_columns(file, found, rows, ("path", "split"), (), columns, "split.columns")
        notes = [note for note in notes if not note.startswith("columns not used")]
        lines = [(f"{file}, row {number}", row[place["path"]], row[place["split"]]) for number, row in rows]
    if not lines:
        raise UserError(f"The split file {file} names no recording.")
    parts = part_names({part for _, _, part in lines if isinstance(part, str)})
    return Division(tuple(_entry(*line, parts) for line in lines), tuple(notes))


def _read_folder(folder: Path) -> list[Line]:
    files = lists_in(folder)
    for part, named in files.items():
        if len(named) > 1:
            raise UserError(
                f"{folder} has two lists for {part}, {named[0].name} and {named[1].name}: name one as split.file."
            )
    if not any(files.values()):
        names = " and ".join(f"*_{part}_*.jsonl" for part in ("train", "test"))
        raise UserError(f"The folder {folder} holds no lists such as {names}. Set split.file to a list or its folder.")
    return [entry for part, named in files.items() for file in named for entry in _read_json_lines(file, part)]


def _read_json_lines_and_siblings(file: Path) -> list[Line]:
    own = part_in_name(file.name)
    if own is None:
        return list(_read_json_lines(file, None))
    entries = []
    for part, names in PART_NAMES.items():
        siblings = (file.with_name(PART_IN_NAME.sub(name, file.name, count=1)) for name in names)
        found = file if part == own else next((sibling for sibling in siblings if sibling.is_file()), None)
        entries += _read_json_lines(found, part) if found else []
    return entries


def _read_json_lines(file: Path, part: str | None) -> Iterator[Line]:
    """The lines of one file; `part` is theirs where a line does not say otherwise."""
    for where, facts in read_json_lines(file):
        # a piece of a long recording is a file of its own, called by its key (`ser.data.corpora.emobox`)
        path = facts.get("key") if is_piece(facts) else first_named(facts, "path", "")
        yield where, path, first_named(facts, "split", part or "")


def _entry(where: str, path: object, part: object, parts: Mapping[str, str]) -> Entry:
    if not isinstance(path, str) or not path.strip():
        raise UserError(f"{where} names no recording: give its path, or remove the line.")
    named = parts.get(part) if isinstance(part, str) else None
    if named is None:
        # of a JSON file that is no list, nothing is shown
        what = path if os.path.splitext(path)[1].lower() in AUDIO_SUFFIXES else "the recording"
        raise UserError(f"{where}: the part of {what} is '{part}'; write train, val or test.")
    return Entry(where, readable(path.strip()), named)
