"""The recordings seen in training: a run's own, and those that its first weights were trained on (`init_from`).

seen.csv    one row a recording: the hash of its file, the part it was in, and what is known of it
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser.data.store.hashes import content_hash
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.prediction_files import REMEDY, read_lines
from ser.system.files import write_atomically

FILE = "seen.csv"
NOT_RECORDED = Utterance(Path(), "", emotion="", corpus="")  # stands for what an older version did not record
PARTS = ("train", "val", "before")  # before: by the weights that training began with
TESTED = "test"  # of rows that are no part of what was seen
KNOWN = ("corpus", "speaker", "statement", "word")  # what stamps count
COLUMNS = ("hash", "part", "path", *KNOWN, "true", "samples")
OLDER = COLUMNS[:-1]


@dataclass(frozen=True, slots=True)
class Seen:
    """One recording.

    Args:
        hash: Of its file's content.
        part: One of `PARTS`.
        utterance: Its key, and those fields of `KNOWN` that its corpus knows.
        true: The name of its class, or numbers with a space between; empty in `before`.
    """

    hash: str
    part: str
    utterance: Utterance
    true: str = ""

    @property
    def hashes(self) -> frozenset[str]:
        """Of the file, and of the samples in it; each where it is known."""
        return frozenset(filter(None, (self.hash, self.utterance.original)))


@dataclass(frozen=True, slots=True)
class SeenRecordings:
    """What one run or several have seen.

    Args:
        recordings: Each once a run.
    """

    recordings: tuple[Seen, ...]

    def hashes(self, *parts: str) -> frozenset[str]:
        """Of the files in some of `PARTS`, and of their samples; without a name in all of them."""
        wanted = parts or PARTS
        return frozenset().union(*(seen.hashes for seen in self.recordings if seen.part in wanted))

    @property
    def complete(self) -> bool:
        """Whether all is recorded."""
        return all(seen.hash for seen in self.recordings)

    def of(self, *parts: str) -> tuple[Utterance, ...]:
        """The recordings of some of `PARTS`."""
        return tuple(dict.fromkeys(seen.utterance for seen in self.recordings if seen.part in parts))

    def labels(self, classes: Sequence[str], are_numbers: bool) -> np.ndarray:
        """Of its training part: labels (N,), or numbers (N, D).

        Raises:
            UserError: A recording of another class.
        """
        true = [seen.true for seen in self.recordings if seen.part == "train"]
        try:
            if are_numbers:
                return np.array([[float(number) for number in words.split()] for words in true])
            return np.array([classes.index(name) for name in true])
        except ValueError as error:
            raise UserError(f"The run's {FILE} does not fit its predictions ({error}). {REMEDY}.") from error


def together(several: Sequence[SeenRecordings]) -> SeenRecordings:
    """The recordings seen by any of several runs; the training part is that of the first, for `labels`."""
    first, *others = several
    rest = tuple(Seen(seen.hash, "before", seen.utterance) for other in others for seen in other.recordings)
    return SeenRecordings((*first.recordings, *dict.fromkeys(rest)))


def write_seen(run: Path, seen: SeenRecordings, tested: Sequence[Seen] = ()) -> None:
    """Writes `<run>/seen.csv`.

    Args:
        run: Its directory.
        seen: In training.
        tested: In the part `test`: listed too, so that others know what is called by these names.
    """

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for one in (*seen.recordings, *tested):
                known = (getattr(one.utterance, name) or "" for name in KNOWN)
                writer.writerow([one.hash, one.part, one.utterance.key, *known, one.true, one.utterance.original or ""])

    write_atomically(run / FILE, write)


def read_seen(run: Path) -> SeenRecordings:
    """What a run has seen; where it has no list, as of an older version, `NOT_RECORDED` alone.

    Raises:
        UserError: The file is damaged.
    """
    if not (run.expanduser() / FILE).is_file():
        return SeenRecordings((Seen("", "before", NOT_RECORDED),))
    return SeenRecordings(tuple(one for one in _rows(run) if one.part != TESTED))


def read_tested(run: Path) -> tuple[Seen, ...]:
    """What a run has tested; nothing where an older version did not list it.

    Raises:
        UserError: The file is damaged.
    """
    return tuple(one for one in _rows(run) if one.part == TESTED) if (run / FILE).is_file() else ()


def _rows(run: Path) -> list[Seen]:
    path = run.expanduser() / FILE
    (_, header), *rows = read_lines(path, "list of recordings")
    if tuple(header) not in (COLUMNS, OLDER) or any(cells[1] not in (*PARTS, TESTED) for _, cells in rows):
        raise UserError(f"{path} is not a list of recordings seen in training. {REMEDY}.")
    return [_read(cells) for _, cells in rows]


def content_of_seen(run: Path) -> str:
    """A hash of what a run has seen: part of the identity of a run with `init_from`, whose stamp depends on it."""
    rows = [
        [seen.hash, seen.part, *(getattr(seen.utterance, name) for name in KNOWN)] for seen in read_seen(run).recordings
    ]
    return content_hash(json.dumps(sorted(rows, key=str)).encode())


def _read(cells: Sequence[str]) -> Seen:
    digest, part, key, *known, true, samples = cells if len(cells) == len(COLUMNS) else (*cells, "")
    fields = {name: word or None for name, word in zip(KNOWN, known, strict=True)}
    about = {**fields, "corpus": known[0], "original": samples or None}
    return Seen(digest, part, Utterance(Path(key), key, emotion="", **about), true)
