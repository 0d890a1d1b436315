"""Splits in k folds, each tested once: over recordings, over speakers, and over single speakers."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import numpy as np

from ser.data.emotions import in_order, one_form
from ser.data.splits.base import Splitter, parts_are_named
from ser.data.splits.sampling import checked_strata, draw_stratified, genders_of, hold_out, indices_by, strata
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean, some
from ser.system.ranges import Index, Range, Rate, Seed

Folds = Annotated[int, Range(2, 10**4)]


class FoldSplitter(Splitter):
    """Tests one fold and trains on the others, less validation. Subclasses implement `folds` and `validation`.

    The folds depend on the seed alone: neither on `fold` nor on `val`.

    Args:
        fold: Which is tested, from 0.
        val, seed: As in `Splitter`.
    """

    def __init__(self, fold: Index = 0, val: Rate = 0.1, seed: Seed = 0):
        super().__init__(val, seed)
        self.fold = fold

    def folds(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> list[list[int]]:
        """The recordings of each fold: disjoint, and all of them together."""
        raise NotImplementedError

    def validation(
        self, utterances: Sequence[Utterance], pool: Sequence[int], rng: np.random.Generator
    ) -> tuple[Sequence[int], Sequence[int]]:
        """Validation and train, out of the recordings that are not tested."""
        raise NotImplementedError

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        folds = self.folds(utterances, rng)
        check_fold(self.fold, len(folds))
        rest = sorted(i for number, fold in enumerate(folds) if number != self.fold for i in fold)
        val, train = self.validation(utterances, rest, rng)
        return {"train": train, "val": val, "test": folds[self.fold]}

    def num_folds(self, utterances: Sequence[Utterance]) -> int | None:
        if parts_are_named(utterances):
            return None
        return len(self.folds(utterances, np.random.default_rng(self.seed)))

    def place(self, utterances: Sequence[Utterance]) -> str:
        name = self.name_of_fold(utterances)
        return f"fold {self.fold + 1} of {self.num_folds(utterances)}" + (f" ({name})" if name else "")

    def name_of_fold(self, utterances: Sequence[Utterance]) -> str:
        """A name of the fold beside its number."""
        return ""

    def shares(self) -> str:
        return f"split.fold={self.fold} and split.val={self.val}"


class KFold(FoldSplitter):
    """Stratified folds over recordings: each is tested once, and the same speaker may be in every part.

    Each fold gets its share of every stratum, and of the whole, to within one recording; copies, which stay together,
    add to that.

    Args:
        k: Number of folds, from 2.
        fold, seed: As in `FoldSplitter`.
        val: Share of the validation part, of all recordings.
        stratify: As in `RandomSplit`.

    Raises:
        UserError: An unknown stratum.
    """

    def __init__(
        self,
        k: Folds = 5,
        fold: Index = 0,
        val: Rate = 0.1,
        seed: Seed = 0,
        stratify: Sequence[str] | str | None = ("emotion",),
    ):
        super().__init__(fold, val, seed)
        self.k, self.fields = k, checked_strata(stratify)

    def folds(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> list[list[int]]:
        by_stratum = strata(utterances, range(len(utterances)), self.fields, rng)
        groups = [group for stratum in by_stratum for group in stratum]
        if len(groups) < self.k:
            raise UserError(f"split.k={self.k} folds need as many different recordings, and there are {len(groups)}.")
        return [[i for group in groups[number :: self.k] for i in group] for number in range(self.k)]

    def validation(
        self, utterances: Sequence[Utterance], pool: Sequence[int], rng: np.random.Generator
    ) -> tuple[Sequence[int], Sequence[int]]:
        share = min(1.0, round(self.val * len(utterances)) / len(pool))
        return draw_stratified(utterances, pool, share, self.fields, rng)


class SpeakerFolds(FoldSplitter):
    """Folds of whole speakers; those of validation are drawn from the others, balanced by gender.

    Where one speaker alone is left to train on, validation is a word-disjoint part of the recordings. Subclasses write
    `speakers`.

    Args:
        fold, seed: As in `FoldSplitter`.
        val: Share of each gender's speakers, of all in the folds; at least one.
        train_only: Corpora that are in no fold: all of their recordings train in each, as far as the others have their
            classes (`usable`).
    """

    def __init__(
        self, fold: Index = 0, val: Rate = 0.15, seed: Seed = 0, train_only: Sequence[str] | str | None = None
    ):
        super().__init__(fold, val, seed)
        names = [train_only] if isinstance(train_only, str) else list(train_only or ())
        self.train_only = {one_form(str(name)): str(name) for name in names}

    @property
    def leaves_out(self) -> bool:
        return bool(self.train_only)

    def speakers(self, genders: dict[str, str], rng: np.random.Generator) -> list[Sequence[str]]:
        """The speakers of each fold.

        Args:
            genders: Speaker → gender of the recordings in folds, sorted by speaker.
            rng: Decides.
        """
        raise NotImplementedError

    def usable(self, utterances: Sequence[Utterance], labels: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
        """All, but of `train_only` those alone whose class somebody in the folds has; numbers are no classes.

        Raises:
            UserError: A corpus of `train_only` that there is not, or none left to test.
        """
        if not self.train_only:
            return super().usable(utterances, labels)
        if parts_are_named(utterances):
            raise UserError("The list names the part of each recording, and split.train_only names some too: use one.")
        in_folds = set(self.in_folds(utterances))
        known = {labels[i] for i in in_folds}
        kept = [i for i, label in enumerate(labels) if i in in_folds or label in known or not isinstance(label, str)]
        lost = Counter(labels[i] for i in set(range(len(labels))) - set(kept))
        return kept, [f"{lost[label]} recordings of {label} left out: nobody tested has it" for label in in_order(lost)]

    def folds(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> list[list[int]]:
        by_fold = self.speakers(self.tested_genders(utterances), rng)
        recordings = indices_by(utterances, "speaker", self.in_folds(utterances))
        return [[i for speaker in speakers for i in recordings[speaker]] for speakers in by_fold]

    def validation(
        self, utterances: Sequence[Utterance], pool: Sequence[int], rng: np.random.Generator
    ) -> tuple[Sequence[int], Sequence[int]]:
        if not pool and self.val > 0:
            raise UserError("Nobody is left to validate on: all speakers in folds are tested at once. Use split.val=0.")
        return hold_out(utterances, pool, self.val, rng, self.tested_genders(utterances))

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        parts = super().deal(utterances, rng)
        further = set(range(len(utterances))) - set(self.in_folds(utterances))
        return {**parts, "train": sorted({*parts["train"], *further})}

    def tested_genders(self, utterances: Sequence[Utterance]) -> dict[str, str]:
        """Speaker → gender of the recordings in folds, sorted by speaker."""
        return genders_of(utterances, self.in_folds(utterances))

    def in_folds(self, utterances: Sequence[Utterance]) -> Sequence[int]:
        if not self.train_only:
            return super().in_folds(utterances)
        names = {utterance.corpus for utterance in utterances}
        corpora = {one_form(name): name for name in names}
        for word, name in self.train_only.items():
            if word not in corpora:
                raise UserError(
                    f"split.train_only={name} is no corpus of the recordings used ({some(sorted(corpora.values()))}). "
                    f"{did_you_mean(name, list(corpora.values()))} dataset=joined puts several corpora together."
                )
        if corpora.keys() <= self.train_only.keys():
            raise UserError(
                f"split.train_only names all corpora of the recordings used ({some(sorted(corpora.values()))}): leave "
                "one out, to be tested."
            )
        tested = {name for name in names if one_form(name) not in self.train_only}
        return [i for i, utterance in enumerate(utterances) if utterance.corpus in tested]


class SpeakerKFold(SpeakerFolds):
    """Each speaker is tested once, in folds that are balanced by gender to within one speaker.

    Args:
        k: Number of folds, from 2 to the number of speakers.
        fold, val, seed, train_only: As in `SpeakerFolds`.
    """

    def __init__(
        self,
        k: Folds = 5,
        fold: Index = 0,
        val: Rate = 0.15,
        seed: Seed = 0,
        train_only: Sequence[str] | str | None = None,
    ):
        super().__init__(fold, val, seed, train_only)
        self.k = k

    def speakers(self, genders: dict[str, str], rng: np.random.Generator) -> list[Sequence[str]]:
        if len(genders) < self.k:
            way_out = f"Use split.k={len(genders)}." if len(genders) > 1 else "Use split=kfold."
            raise UserError(
                f"split.k={self.k} folds need as many speakers, and the recordings used have {len(genders)}. {way_out}"
            )
        line: list[str] = []  # one gender after the other: every k-th is a fold
        for gender in sorted(set(genders.values())):
            line += map(str, rng.permutation([speaker for speaker in genders if genders[speaker] == gender]))
        return [line[number :: self.k] for number in range(self.k)]


class LeaveOneSpeakerOut(SpeakerFolds):
    """As many folds as speakers: fold i tests the i-th speaker in alphabetical order.

    Args:
        fold, val, seed, train_only: As in `SpeakerFolds`.
    """

    def speakers(self, genders: dict[str, str], rng: np.random.Generator) -> list[Sequence[str]]:
        if len(genders) < 2 and not self.train_only:
            raise UserError(
                f"split=leave_one_speaker_out needs 2 speakers, and the recordings used have {len(genders)}: "
                f"{', '.join(genders)}. Use split=kfold."
            )
        return [[speaker] for speaker in genders]

    def name_of_fold(self, utterances: Sequence[Utterance]) -> str:
        return list(self.tested_genders(utterances))[self.fold]


def check_fold(fold: int, num_folds: int) -> None:
    """Refuses a fold that does not exist.

    Raises:
        UserError: Says which do.
    """
    if not 0 <= fold < num_folds:
        raise UserError(f"split.fold={fold}: this split has folds 0 to {num_folds - 1}.")
