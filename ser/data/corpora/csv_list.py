"""Your own recordings, listed in a CSV file."""

import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ser.data.corpora.audio_files import AUDIO_SUFFIXES
from ser.data.corpora.columns import part_names, place_columns
from ser.data.corpora.corpus import Corpus, Scan
from ser.data.corpora.folder import own_fields
from ser.data.corpora.table import read_table
from ser.data.emotions import canonical
from ser.data.targets import CLASSES
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean, readable
from ser.system.names import possible_names

REQUIRED = ("path", "emotion", "speaker")  # no emotion where numbers are predicted
UNKNOWN = "unknown"  # the emotion, where there are numbers only
OPTIONAL = ("gender", "split", "intensity", "statement", "word", "repetition")


class CsvList(Corpus):
    """A CSV file with one row a recording.

    Columns, in any order and any case: `path`, `emotion` and `speaker`; where you have them also `gender` (`female`,
    `male`, `f`, `m`, …), `split` (`train`, `val` or `test`: your own division), `intensity`, `statement`,
    `word` and `repetition`. Other usual names are understood (`file`, `label`, `speaker_id`, `set`; `dev` for `val`, …:
    `ser.data.corpora.columns`), and any with `columns`. Cells are separated by comma, semicolon, tab or `|`; the
    encoding is UTF-8, with or without a byte order mark, or UTF-16 with one.

    Emotions get their canonical names (`anger` is `angry`); words that `ser.data.emotions` does not know stay. A
    recording is known by its path. An empty speaker cell means that the speaker is not known; other speakers are
    prefixed `csv_`. A path is relative to `root`. It may be absolute or lead out of `root` with `..`, but it must name
    an existing regular file with an audio ending: nothing else is ever opened.

    Any further column may hold a number of each recording, such as the mean rating of its arousal: where
    `dataset.target` names such columns, emotions may be missing.

    Args:
        csv: The CSV file: absolute, relative to the working folder, or starting with `~`.
        root: Folder that the paths are relative to; by default the folder of the CSV file.
        columns: Field → your name of its column, e.g. `{path: clip, emotion: rating}`.
    """

    name = "csv"
    layout = "audio files at the paths that the CSV file names."
    source = "these are your own recordings."

    def __init__(self, csv: str, root: str | None = None, columns: dict[str, str] | None = None):
        if not csv:
            raise UserError("dataset.csv is empty: name the CSV file that lists your recordings.")
        self.csv, self.columns = Path(csv).expanduser().absolute(), columns
        self.numbers: tuple[str, ...] = ()
        super().__init__(root or str(self.csv.parent))

    def read_numbers(self, names: Sequence[str]) -> None:
        """As `Corpus.read_numbers`: each is a column.

        Raises:
            UserError: It is the name of another field.
        """
        for name in names:
            if name in (*REQUIRED, *OPTIONAL):
                raise UserError(f"dataset.target={name} is no number of a recording: name a column of numbers.")
        self.numbers = tuple(names)

    def _how_to_get(self) -> str:
        return f"Set {self.setting} to the folder that the paths in {self.csv.name} are relative to."

    def _check_root(self) -> None:
        if not self.csv.is_file():
            what = "is a folder, not a CSV file" if self.csv.is_dir() else "does not exist"
            raise UserError(f"The list of recordings {self.csv} {what}. Set dataset.csv=<file>.")
        super()._check_root()

    def _read(self) -> Scan:
        columns, rows = read_table(self.csv)
        required, optional = REQUIRED, OPTIONAL
        if self.numbers:
            self._check_names(columns)
            required, optional = ("path", "speaker", *self.numbers), ("emotion", *OPTIONAL)
        place, notes = place_columns(self.csv, columns, rows, required, optional, self.columns, "dataset.columns")
        rows = [(number, {field: row[column] for field, column in place.items()}) for number, row in rows]
        if not rows:
            raise UserError(f"{self.csv} has a header but no rows: write one row for each recording.")
        parts = part_names({row.get("split", "") for _, row in rows})
        utterances: dict[str, tuple[int, Utterance]] = {}
        for number, row in rows:
            utterance = self._utterance(number, row, parts)
            before, _ = utterances.setdefault(utterance.key, (number, utterance))
            if before != number:
                raise UserError(
                    f"{self.csv}, row {number}: the path {row['path']} is already listed in row {before}; "
                    "remove one of them."
                )
        self._check_split(rows)
        return Scan(tuple(utterance for _, (_, utterance) in sorted(utterances.items())), tuple(notes))

    def _utterance(self, number: int, row: dict[str, str], parts: dict[str, str]) -> Utterance:
        path = self._recording(number, row["path"])
        emotion = canonical(row.get("emotion", ""))
        if not emotion and not self.numbers:
            raise UserError(f"{self.csv}, row {number}: the emotion is empty; fill it in or remove the row.")
        part = parts.get(row.get("split", ""))
        if row.get("split") and part is None:
            raise UserError(f"{self.csv}, row {number}: split '{row['split']}' must be train, val or test.")
        repetition = row.get("repetition", "")
        if repetition and not (repetition.isascii() and repetition.isdigit()):
            raise UserError(f"{self.csv}, row {number}: repetition '{repetition}' must be a whole number.")
        key = readable(Path(os.path.relpath(path, self.root)).as_posix())
        numbers = tuple(self._number(number, name, row[name]) for name in self.numbers)
        own = own_fields(self.name, row)
        return Utterance(path, key, emotion or UNKNOWN, self.name, part=part, numbers=numbers, **own)

    def _check_names(self, columns: Sequence[str]) -> None:
        # a target that is no class is taken for a column: a slip of the hand is not
        for name in self.numbers:
            hint = did_you_mean(name, [*CLASSES, *columns])
            if name not in (*columns, *(self.columns or ())) and hint.startswith("Did"):
                raise UserError(f"dataset.target={name} does not exist, and is no column of {self.csv}. {hint}")

    def _number(self, number: int, name: str, cell: str) -> float:
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
        what = f"'{cell}' is not a number; correct it" if cell else "is empty; fill it in"
        raise UserError(f"{self.csv}, row {number}: the {name} {what} or remove the row.")

    def _recording(self, number: int, cell: str) -> Path:
        """The existing audio file that a `path` cell names."""
        if not cell:
            raise UserError(f"{self.csv}, row {number}: the path is empty; fill it in or remove the row.")
        names = [*possible_names(cell), cell.replace("\\", "/")]  # the last if written on Windows
        paths = [Path(os.path.normpath(self.root / name)) for name in names]
        path, mode = next(((path, mode) for path in paths if (mode := _mode(path)) is not None), (paths[0], None))
        if mode is None:
            raise UserError(
                f"{self.csv}, row {number}: no file {cell}; looked for {path}. Correct the path, or set "
                "dataset.root to the folder that paths are relative to."
            )
        if not stat.S_ISREG(mode) or path.suffix.lower() not in AUDIO_SUFFIXES:
            raise UserError(
                f"{self.csv}, row {number}: {path} is not an audio file ({', '.join(sorted(AUDIO_SUFFIXES))})."
            )
        return path

    def _check_split(self, rows: list[tuple[int, dict[str, str]]]) -> None:
        # A recording that the user forgot must not slip into a part by itself.
        empty = [number for number, row in rows if not row.get("split")]
        if empty and len(empty) < len(rows):
            raise UserError(
                f"{self.csv}, row {empty[0]}: the split is empty, and other rows have one; write train, val or test."
            )


def _mode(path: Path) -> int | None:
    """The file's mode, or None where there is nothing (or nothing that can have a name, such as a NUL character)."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return stat.S_IFREG if os.path.islink(path) else None  # a link that leads nowhere: `on_bad_file` says what then
