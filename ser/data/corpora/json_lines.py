"""JSON lines that list recordings, one object a line, in files and folders called as EmoBox's are."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ser.data.corpora.audio_files import is_skipped
from ser.data.corpora.columns import PART_NAMES
from ser.data.corpora.table import read_text
from ser.errors import UserError

_PART_OF = {name: part for part, names in PART_NAMES.items() for name in names}
PART_IN_NAME = re.compile(rf"(?<![a-z])({'|'.join(_PART_OF)})(?![a-z])", re.IGNORECASE)
_EXAMPLE = '{"wav": "Actor_01/03-01-01-01-01-01-01.wav", "split": "train"}'


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


def part_in_name(name: str) -> str | None:
    """The part that a file's name says it lists.

    >>> part_in_name("ravdess_valid_fold_1.jsonl"), part_in_name("trains.jsonl")
    ('val', None)
    """
    match = PART_IN_NAME.search(name)
    return _PART_OF[match[1].lower()] if match else None


def lists_in(folder: Path) -> dict[str, list[Path]]:
    """The lists of each part in a folder.

    EmoBox's EMO-DB has older ones beside them, `emodb_test_fold1.jsonl`: where one of several ends with the folder's
    name, `emodb_test_fold_1.jsonl`, it is the list.
    """
    found: dict[str, list[Path]] = {part: [] for part in PART_NAMES}
    for file in sorted(folder.glob("*.jsonl")):
        if (part := part_in_name(file.name)) and not is_skipped(file.name):
            found[part].append(file)
    return {part: [file for file in files if file.stem.endswith(folder.name)] or files for part, files in found.items()}


def read_json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object, and where it stands, for messages.

    Raises:
        UserError: The file cannot be read, or a line is not an object.
    """
    for number, line in enumerate(read_text(file).split("\n"), start=1):  # JSON may hold other line separators
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            facts = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} is not JSON: each line is an object such as {_EXAMPLE}.") from error
        if not isinstance(facts, dict):
            raise UserError(f"{where} is not a JSON object: each line is one such as {_EXAMPLE}.")
        yield where, facts


def is_piece(facts: Mapping[str, Any]) -> bool:
    """Whether a line is about a piece of a recording, from `start_time` to `end_time` in seconds."""
    ends = [facts.get(name) for name in ("start_time", "end_time")]
    return all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends)
