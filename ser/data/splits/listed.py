"""A division read from a file: `split=file`."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from ser.data.corpora.emobox import metadata_of
from ser.data.corpora.json_lines import folds_in
from ser.data.corpora.tails import tail_of
from ser.data.splits.base import PARTS, Splitter, parts_are_named
from ser.data.splits.folds import check_fold
from ser.data.splits.matching import match
from ser.data.splits.part_lists import Division, Entry, read_parts
from ser.data.splits.sampling import draw_stratified, draw_values, hold_out, part_by
from ser.data.utterance import Utterance
from ser.errors import UserError, some
from ser.system.ranges import Index, Rate, Seed


class ListedSplit(Splitter):
    """Train, validation and test as a file names them (`ser.data.splits.part_lists` says which files).

    A name means the recording with the same base name, without its ending and in any case of letters; where several
    recordings have it, the one that agrees with most of the path before it. Where the file names no validation, it is
    taken from train in the sense in which test is apart: other speakers, other words, or, where test is neither, other
    recordings, stratified by emotion.

    Args:
        file: A CSV file, a file of JSON lines, or a folder of EmoBox: that of one fold, or of a corpus with its folds.
        fold: Which of a corpus's folds, from 0.
        val: Share of the validation part where the file names none; 0 leaves it out.
        missing: A recording that the file does not name: `stop`, or `leave_out`.
        unknown: A name without a recording: `stop`, or `ignore`.
        seed: As in `Splitter`.
        columns: What the CSV file calls `path` and `split`, where its names are unusual (`ser.data.corpora.columns`).

    Raises:
        UserError: No file.
    """

    def __init__(
        self, file: str, fold: Index = 0, val: Rate = 0.15, missing: Literal["stop", "leave_out"] = "stop",
        unknown: Literal["stop", "ignore"] = "stop", seed: Seed = 0, columns: dict[str, str] | None = None,
    ):  # fmt: skip
        super().__init__(val, seed)
        if not file:
            raise UserError("split.file is empty: name the file that says which recording is in which part.")
        self.file, self.fold = Path(file).expanduser().absolute(), fold
        self.missing, self.unknown, self.columns = missing, unknown, columns

    @cached_property
    def division(self) -> Division:
        """The file's division, read once.

        Raises:
            UserError: The file cannot be read, or has no such fold.
        """
        folds = folds_in(self.file)
        if not folds and self.fold != 0:
            raise UserError(f"split.fold={self.fold}, but {self.file} is one division without folds: leave it out.")
        if folds:
            check_fold(self.fold, len(folds))
        return read_parts(folds[self.fold] if folds else self.file, self.columns)

    @property
    def remark(self) -> str:
        return f"parts named by {self.file.name}"

    def usable(self, utterances: Sequence[Utterance], labels: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
        """The recordings that the file names.

        Raises:
            UserError: Names without a recording, or recordings without a part, that the settings do not allow.
        """
        if parts_are_named(utterances):
            raise UserError(
                "The list of recordings has a column split, and split.file names another division: remove one of them."
            )
        part_of, unknown = match(self.division.entries, utterances)
        notes = list(self.division.notes)
        if unknown:
            notes.append(self._skip_unknown(unknown, bool(part_of)))
        if len(part_of) < len(utterances):
            notes.append(self._leave_out_missing(utterances, part_of))
        return sorted(part_of), notes

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        # Names without a recording were refused by `usable`; names of bad files are not an error.
        part_of, _ = match(self.division.entries, utterances)
        if len(part_of) < len(utterances):
            self._leave_out_missing(utterances, part_of)
        parts = {part: sorted(i for i, named in part_of.items() if named == part) for part in PARTS}
        for part in ("train", "test"):
            if not parts[part]:
                raise UserError(f"{self.file} names no recording for {part}: add some, or take another file.")
        if not parts["val"]:
            parts["val"], parts["train"] = self._validation(utterances, parts, rng)
        return parts

    def num_folds(self, utterances: Sequence[Utterance]) -> int | None:
        return len(folds_in(self.file)) or None

    def place(self, utterances: Sequence[Utterance]) -> str:
        folds = self.num_folds(utterances)
        return f"fold {self.fold + 1} of {folds}" if folds else ""

    def fingerprint(self) -> str:
        named = sorted((*tail_of(entry.path), entry.part) for entry in self.division.entries)
        return hashlib.blake2b(json.dumps(named).encode(), digest_size=16).hexdigest()

    def _validation(
        self, utterances: Sequence[Utterance], parts: dict[str, list[int]], rng: np.random.Generator
    ) -> tuple[Sequence[int], Sequence[int]]:
        train, names = parts["train"], _names(utterances, parts)
        apart = [field for field, (trained, tested) in names.items() if not trained & tested]
        for field in [*apart, "speaker", "word"] if apart else []:
            trained = sorted(names[field][0]) if field in names else []
            if len(trained) > 1 and field == "speaker":
                return hold_out(utterances, train, self.val, rng)
            if len(trained) > 1:
                return part_by(utterances, train, field, draw_values(trained, self.val, rng))
        return draw_stratified(utterances, train, self.val, ("emotion",), rng)

    def _skip_unknown(self, unknown: list[Entry], any_known: bool) -> str:
        names = some([entry.path for entry in unknown])
        if not any_known:
            raise UserError(
                f"{self.file} names no recording of this dataset, but {names}. Base names must agree: take the list of "
                "this dataset, or the dataset of this list."
            )
        if self.unknown == "stop":
            raise UserError(
                f"{self.file} names {len(unknown)} recordings that are not among those used: {names}. Correct them, or "
                "skip them with split.unknown=ignore (as where dataset.emotions leaves recordings out)."
            )
        return f"{len(unknown)} names in {self.file.name} skipped: not among the recordings used"

    def _leave_out_missing(self, utterances: Sequence[Utterance], part_of: dict[int, str]) -> str:
        missing = [utterance.key for i, utterance in enumerate(utterances) if i not in part_of]
        if self.missing == "stop":
            raise UserError(
                f"{self.file} names no part for {len(missing)} of {len(utterances)} recordings: {some(missing)}. Add "
                "them, or leave them out with split.missing=leave_out."
            )
        return f"{len(missing)} recordings left out: not named in {self.file.name}"


class OfficialFolds(ListedSplit):
    """The folds of EmoBox for the corpus that `dataset=emobox` reads, with its validation part where it has one.

    Args:
        metadata, corpus: Those of the dataset.
        fold, val, seed: As in `ListedSplit`.

    Raises:
        UserError: Another dataset.
    """

    def __init__(self, metadata: str | None, corpus: str | None, fold: Index = 0, val: Rate = 0.15, seed: Seed = 0):
        if not metadata or not corpus:
            raise UserError("split=official takes the folds of EmoBox's metadata: use it with dataset=emobox.")
        super().__init__(str(metadata_of(metadata, corpus)), fold, val, "leave_out", "ignore", seed)

    @property
    def remark(self) -> str:
        return f"EmoBox's folds of {self.file.name}"


def _names(utterances: Sequence[Utterance], parts: dict[str, list[int]]) -> dict[str, tuple[set[str], set[str]]]:
    """Speakers, words and statements of train and of test, as far as all are known."""
    names = {
        field: tuple({getattr(utterances[i], field) for i in parts[part]} for part in ("train", "test"))
        for field in ("speaker", "word", "statement")
    }
    return {field: (trained, tested) for field, (trained, tested) in names.items() if None not in trained | tested}
