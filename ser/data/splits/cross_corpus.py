"""Train on one corpus, test on another."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ser.data.emotions import in_order, one_form
from ser.data.splits.base import Splitter, parts_are_named
from ser.data.splits.sampling import hold_out
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean, some
from ser.system.ranges import Rate, Seed


class CrossCorpusSplit(Splitter):
    """Trains on one side and tests on the other, with the emotions that both have.

    A side is a corpus (`ravdess`, `tess`), or one speaker (`tess_oaf`, or short `OAF`). Validation is taken from the
    training side: other speakers where it has several, else other words; the stamp says so. Recordings of neither side,
    and of emotions that one side lacks, are left out before anything is decoded (`usable`).

    Args:
        train: The training side.
        test: The test side.
        val: Share of the validation part: of the training side's speakers of each gender, or of its words; at least
            one.
        seed: As in `Splitter`.

    Raises:
        UserError: The sides are the same.
    """

    def __init__(self, train: str | int, test: str | int, val: Rate = 0.15, seed: Seed = 0):
        super().__init__(val, seed)
        self.train, self.test = str(train), str(test)
        if one_form(self.train) == one_form(self.test):
            raise UserError(f"split.train and split.test are both {self.train}: name two corpora, or two speakers.")

    def usable(self, utterances: Sequence[Utterance], labels: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
        """Those of the two sides whose label both sides have.

        Raises:
            UserError: A missing side, sides that overlap, or fewer than two labels in common.
        """
        if parts_are_named(utterances):
            return super().usable(utterances, labels)
        train, test = self._sides(utterances)
        of_train, of_test = {labels[i] for i in train}, {labels[i] for i in test}
        both = of_train & of_test
        if len(both) < 2:
            raise UserError(
                f"{self.train} ({', '.join(in_order(of_train))}) and {self.test} ({', '.join(in_order(of_test))}) need "
                "two classes in common. Change dataset.emotions, dataset.merge or dataset.target."
            )
        sides = sorted([*train, *test])
        lost = Counter(labels[i] for i in sides if labels[i] not in both)
        owner = {label: self.train if label in of_train else self.test for label in lost}
        remarks = [f"{lost[name]} recordings of {name} left out: only {owner[name]} has it" for name in in_order(lost)]
        if len(sides) < len(utterances):
            remarks.append(f"{len(utterances) - len(sides)} recordings left out: of neither side of the split")
        return [i for i in sides if labels[i] in both], remarks

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        pool, test = self._sides(utterances)
        val, train = hold_out(utterances, pool, self.val, rng)
        return {"train": train, "val": val, "test": test}

    def _sides(self, utterances: Sequence[Utterance]) -> tuple[list[int], list[int]]:
        train = side_of(utterances, self.train, "split.train")
        test = side_of(utterances, self.test, "split.test")
        if set(train) & set(test):
            raise UserError(
                f"split.train={self.train} and split.test={self.test} share {len(set(train) & set(test))} recordings: "
                "name two corpora, or two speakers."
            )
        return train, test


def side_of(utterances: Sequence[Utterance], name: str, setting: str) -> list[int]:
    """The recordings of a corpus, or of a speaker with or without the corpus's name before; in any case of letters.

    Args:
        utterances: All of them.
        name: What the user calls the side.
        setting: For messages.

    Raises:
        UserError: No corpus or speaker has this name, or several speakers have.
    """
    word = one_form(name)
    corpora = {utterance.corpus for utterance in utterances}
    speakers = {utterance.speaker for utterance in utterances} - {None}
    if word in corpora:
        return [i for i, utterance in enumerate(utterances) if utterance.corpus == word]
    called = {speaker for speaker in speakers if word in (one_form(speaker), one_form(speaker.partition("_")[2]))}
    if len(called) > 1:
        raise UserError(f"{setting}={name} could be {' or '.join(sorted(called))}: write the whole name.")
    if not called:
        hint = did_you_mean(word, [*corpora, *speakers])
        near = f" {hint}" if hint.startswith("Did") else ""  # the other hint names every speaker
        raise UserError(
            f"{setting}={name} is neither a corpus ({some(sorted(corpora))}) nor a speaker ({some(sorted(speakers))}) "
            f"of the recordings used.{near} RAVDESS and TESS are together in dataset=ravdess_tess."
        )
    return [i for i, utterance in enumerate(utterances) if utterance.speaker in called]
