"""What a split is, and what every splitter guarantees: no empty part, no copy in two parts, a stamp computed from them.

A split is a pure function of (utterances, settings, seed). Whatever it does, recordings with identical samples
(`Utterance.content`) stay together: a copy of a test file in train is a leak.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ser.data.splits.protocol import of_first_weights, stamp
from ser.data.utterance import Utterance
from ser.errors import UserError, some
from ser.system.ranges import Range, Rate, Seed

PARTS = ("train", "val", "test")
Part = Annotated[float, Range(0, 1, "both")]


@dataclass(frozen=True, slots=True)
class Split:
    """Three disjoint lists of indices into the utterances, each in ascending order.

    Args:
        train, val, test: The parts; `val` may be empty. A recording may be in none of them.
        protocol: In what the parts are disjoint (`ser.data.splits.protocol`); reported with every figure.
    """

    train: list[int]
    val: list[int]
    test: list[int]
    protocol: str

    def parts(self) -> dict[str, list[int]]:
        """The parts by name, in the order train, val, test."""
        return {part: getattr(self, part) for part in PARTS}


class Splitter:
    """Divides utterances into parts. Subclasses implement `deal`; the other methods have defaults.

    Args:
        val: Share of the validation part; 0 leaves it out.
        seed: Decides every draw; nothing else does.
    """

    remark = ""  # where the parts come from, if they are not drawn here

    def __init__(self, val: Rate = 0.1, seed: Seed = 0):
        self.val, self.seed = val, seed

    def __call__(self, utterances: Sequence[Utterance], before: Sequence[Utterance] = ()) -> Split:
        """Divides `utterances` into three parts, or takes those of the user's own list (`Utterance.part`).

        Args:
            utterances: The recordings.
            before: What the weights that training begins with have seen: for the stamp, it is training too.

        Raises:
            UserError: The corpus cannot be divided like this; the message names the alternatives.
        """
        if parts_are_named(utterances):
            return self._finish(utterances, self._take_named(utterances), "", "parts named by the list", before)
        parts = self.deal(utterances, np.random.default_rng(self.seed))
        for part in PARTS:
            if not parts[part] and (part != "val" or self.val > 0):
                raise UserError(
                    f"The {part} part is empty: {len(utterances)} recordings are too few for {self.shares()}."
                )
        return self._finish(utterances, parts, self.place(utterances), self.remark, before)

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        """The indices of each of `PARTS`, by this splitter's rule."""
        raise NotImplementedError

    def num_folds(self, utterances: Sequence[Utterance]) -> int | None:
        """How many values `split.fold` can have, or None where the split has no folds."""
        return None

    def usable(self, utterances: Sequence[Utterance], labels: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
        """Which recordings the split uses, called before anything is decoded; by default all.

        Args:
            utterances: Those that the dataset's settings chose.
            labels: The class of each.

        Returns:
            Indices in ascending order, and remarks on what is left out.
        """
        return range(len(utterances)), ()

    def in_folds(self, utterances: Sequence[Utterance]) -> Sequence[int]:
        """Indices of the recordings that are tested in one of the folds; where there are none, all."""
        return range(len(utterances))

    @property
    def leaves_out(self) -> bool:
        """Whether `usable` may leave recordings out."""
        return type(self).usable is not Splitter.usable

    def fingerprint(self) -> str | None:
        """A hash of the content of files that the settings name (a split file): part of a run's identity."""
        return None

    def place(self, utterances: Sequence[Utterance]) -> str:
        """The fold, for the stamp: `fold 3 of 6`."""
        return ""

    def shares(self) -> str:
        """The settings that decide how large the parts are, for messages."""
        return f"split.val={self.val}"

    def _take_named(self, utterances: Sequence[Utterance]) -> dict[str, list[int]]:
        parts = {part: [i for i, u in enumerate(utterances) if u.part == part] for part in PARTS}
        for part, indices in parts.items():
            if not indices and (part != "val" or self.val > 0):
                way_out = ", or use split.val=0" if part == "val" else ""
                raise UserError(f"The list names no recording for {part}: add some to its split column{way_out}.")
        return parts

    @staticmethod
    def _finish(
        utterances: Sequence[Utterance],
        parts: dict[str, Sequence[int]],
        place: str,
        remark: str,
        before: Sequence[Utterance],
    ) -> Split:
        parts = {part: sorted(map(int, parts[part])) for part in PARTS}
        refuse_parted_copies(utterances, parts)
        everyone = [*utterances, *before]
        trained_on = {**parts, "train": [*parts["train"], *range(len(utterances), len(everyone))]}
        remark = "; ".join(filter(None, [remark, of_first_weights(before)]))
        return Split(**parts, protocol=stamp(everyone, trained_on, place, remark))


class ShareSplitter(Splitter):
    """A splitter that draws the test part by its share of the corpus.

    Args:
        val, seed: As in `Splitter`.
        test: Share of the test part.

    Raises:
        UserError: Shares that leave nothing to train on.
    """

    def __init__(self, val: Rate = 0.1, test: Part = 0.2, seed: Seed = 0):
        self.test = test
        if val + test >= 1:
            raise UserError(f"split.val={val} and split.test={test} are shares of the corpus: together below 1.")
        super().__init__(val, seed)

    def shares(self) -> str:
        return f"split.val={self.val} and split.test={self.test}"


def parts_are_named(utterances: Sequence[Utterance]) -> bool:
    """Whether the user's own list of recordings has a column `split`: that division overrides `split`.

    Raises:
        UserError: Some recordings have a part and others have none, as of several corpora where one has such a list.
    """
    named = [utterance.part is not None for utterance in utterances]
    if any(named) and not all(named):
        without = some(sorted({u.corpus for u in utterances if u.part is None}))
        raise UserError(
            f"{sum(named)} of {len(named)} recordings have a part in the list of their corpus, train, val or test, and "
            f"others (of {without}) have none: give all of them one, or leave out the column."
        )
    return bool(named) and all(named)


def refuse_parted_copies(utterances: Sequence[Utterance], parts: dict[str, Iterable[int]]) -> None:
    """Refuses identical samples in two parts, which a division by speakers or by a list may cause.

    Raises:
        UserError: Names the two recordings and their parts.
    """
    home: dict[str, tuple[str, int]] = {}
    for part, indices in parts.items():
        for i in indices:
            content = utterances[i].content
            if content is None:
                continue
            first_part, first = home.setdefault(content, (part, i))
            if first_part != part:
                raise UserError(
                    f"{utterances[first].key} and {utterances[i].key} hold identical samples but would be in "
                    f"{first_part} and {part}. Remove one of them."
                )
