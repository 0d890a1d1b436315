"""Reading a division that somebody has written down: a CSV file, or EmoBox's JSON lines.

What is read are names and parts; no file that a line names is ever opened.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ser.data.corpora.table import read_table, read_text
from ser.data.emotions import one_form
from ser.errors import UserError

PART_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "development"),
    "test": ("test", "testing"),
}
PATH_COLUMNS = ("path", "file", "filename", "file_name", "wav", "audio", "audio_path", "name", "key")
PART_COLUMNS = ("split", "part", "set", "subset", "partition")

_PART_OF = {name: part for part, names in PART_NAMES.items() for name in names}
_PART_IN_NAME = re.compile(rf"(?<![a-z])({'|'.join(_PART_OF)})(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a division.

    Args:
        where: The file and the line, for messages.
        path: The recording as the line names it.
        part: `train`, `val` or `test`.
    """

    where: str
    path: str
    part: str


def folds_in(file: Path) -> list[Path]:
    """The folders `fold_1`, `fold_2`, … of an EmoBox corpus in the order of their numbers, or none.

    Args:
        file: What `split.file` names.

    Raises:
        UserError: A folder that may not be read.
    """
    try:
        children = [child for child in file.iterdir() if child.is_dir()] if file.is_dir() else []
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    numbers = {child: re.fullmatch(r"fold_?([0-9]+)", child.name) for child in children}
    return sorted((child for child in children if numbers[child]), key=lambda child: int(numbers[child][1]))


def read_parts(file: Path) -> list[Entry]:
    """The entries of a division.

    Args:
        file: A CSV file with a column for the path and one for the part; a file of JSON lines whose objects have both;
            one of EmoBox's (`ravdess_test_fold_1.jsonl`), whose part is in its name, with those beside it for the other
            parts; or the folder that holds these.

    Raises:
        UserError: Nothing to read there, or a line that cannot be understood.
    """
    if file.is_dir():
        entries = _read_folder(file)
    elif not file.is_file():
        raise UserError(f"There is no split file {file}. Set split.file to a .csv, a .jsonl or a folder of EmoBox.")
    elif file.suffix.lower() in (".jsonl", ".json"):
        entries = _read_json_lines_and_siblings(file)
    else:
        entries = list(_read_csv(file))
    if not entries:
        raise UserError(f"The split file {file} names no recording.")
    return entries


def _read_csv(file: Path) -> Iterator[Entry]:
    columns, rows = read_table(file)
    path_column = _column(file, columns, PATH_COLUMNS, "the recording")
    part_column = _column(file, columns, PART_COLUMNS, "the part")
    for number, row in rows:
        yield _entry(f"{file}, row {number}", row[path_column], row[part_column])


def _column(file: Path, columns: list[str], names: tuple[str, ...], what: str) -> str:
    found = next((name for name in names if name in columns), None)
    if found is None:
        raise UserError(
            f"{file} has no column for {what}: call one {' or '.join(names[:3])}. "
            f"Columns found: {', '.join(filter(None, columns)) or 'none'}."
        )
    return found


def _read_folder(folder: Path) -> list[Entry]:
    files = {part: [] for part in PART_NAMES}
    for file in sorted(folder.glob("*.jsonl")):
        if part := part_in_name(file.name):
            files[part].append(file)
    for part, named in files.items():
        if len(named) > 1:
            raise UserError(
                f"{folder} has two lists for {part}, {named[0].name} and {named[1].name}: name one as split.file."
            )
    if not any(files.values()):
        names = " and ".join(f"*_{part}_*.jsonl" for part in ("train", "test"))
        raise UserError(f"The folder {folder} holds no lists such as {names}. Set split.file to a list or its folder.")
    return [entry for part, named in files.items() for file in named for entry in _read_json_lines(file, part)]


def _read_json_lines_and_siblings(file: Path) -> list[Entry]:
    own = part_in_name(file.name)
    if own is None:
        return list(_read_json_lines(file, None))
    entries = []
    for part, names in PART_NAMES.items():
        siblings = (file.with_name(_PART_IN_NAME.sub(name, file.name, count=1)) for name in names)
        found = file if part == own else next((sibling for sibling in siblings if sibling.is_file()), None)
        entries += _read_json_lines(found, part) if found else []
    return entries


def part_in_name(name: str) -> str | None:
    """The part that a file's name says it lists.

    >>> part_in_name("ravdess_valid_fold_1.jsonl"), part_in_name("trains.jsonl")
    ('val', None)
    """
    match = _PART_IN_NAME.search(name)
    return _PART_OF[match[1].lower()] if match else None


def _read_json_lines(file: Path, part: str | None) -> Iterator[Entry]:
    """The lines of one file; `part` is theirs where a line does not say otherwise."""
    for number, line in enumerate(read_text(file).split("\n"), start=1):  # JSON may hold other line separators
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            facts = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} is not JSON: each line is an object such as {_EXAMPLE}.") from error
        if not isinstance(facts, dict):
            raise UserError(f"{where} is no JSON object: each line is one such as {_EXAMPLE}.")
        path = next((facts[name] for name in PATH_COLUMNS if name in facts), "")
        said = next((facts[name] for name in PART_COLUMNS if name in facts), part or "")
        yield _entry(where, path, said)


_EXAMPLE = '{"wav": "Actor_01/03-01-01-01-01-01-01.wav", "split": "train"}'


def _entry(where: str, path: object, part: object) -> Entry:
    if not isinstance(path, str) or not path.strip():
        raise UserError(f"{where} names no recording: give its path, or remove the line.")
    named = _PART_OF.get(one_form(part)) if isinstance(part, str) else None
    if named is None:
        raise UserError(f"{where}: the part of {path} is '{part}'; write train, val or test.")
    return Entry(where, path.strip(), named)
