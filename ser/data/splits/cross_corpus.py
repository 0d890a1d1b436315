"""Train on one corpus, test on another; or leave out each of several in turn."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ser.data.emotions import in_order, one_form
from ser.data.splits.base import Splitter, parts_are_named
from ser.data.splits.folds import FoldSplitter
from ser.data.splits.sampling import hold_out, indices_by
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
        kept, remarks = with_shared_labels({self.train: train, self.test: test}, labels)
        if rest := len(utterances) - len(train) - len(test):
            remarks.append(f"{rest} recordings left out: of neither side of the split")
        return kept, remarks

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


class LeaveOneCorpusOut(FoldSplitter):
    """As many folds as corpora: fold i tests the i-th in alphabetical order, and trains on all others.

    Used are the emotions that all of them have, so that folds can be pooled. Validation are speakers of the training
    corpora, drawn by gender.

    Args:
        fold, seed: As in `FoldSplitter`.
        val: Share of the training speakers; at least one.
    """

    remark = "one corpus left out of training"

    def usable(self, utterances: Sequence[Utterance], labels: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
        """Those whose label all corpora have.

        Raises:
            UserError: A single corpus, or fewer than two labels in common.
        """
        corpora = indices_by(utterances, "corpus")
        if parts_are_named(utterances):
            return super().usable(utterances, labels)
        if len(corpora) < 2:
            raise UserError(
                f"split=leave_one_corpus_out needs recordings of two corpora, and these are all of {min(corpora)}. Use "
                "dataset=joined dataset.of=[…], or split=speaker_kfold."
            )
        return with_shared_labels(corpora, labels)

    def folds(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> list[list[int]]:
        return list(indices_by(utterances, "corpus").values())

    def validation(
        self, utterances: Sequence[Utterance], pool: Sequence[int], rng: np.random.Generator
    ) -> tuple[Sequence[int], Sequence[int]]:
        return hold_out(utterances, pool, self.val, rng)

    def name_of_fold(self, utterances: Sequence[Utterance]) -> str:
        return list(indices_by(utterances, "corpus"))[self.fold]


def with_shared_labels(sides: Mapping[str, Sequence[int]], labels: Sequence[str]) -> tuple[list[int], list[str]]:
    """The recordings whose label every side has, and remarks on the others.

    Args:
        sides: Name → indices.
        labels: Of all recordings: classes, or numbers to predict.

    Raises:
        UserError: Fewer than two labels in common.
    """
    everyone = sorted(i for indices in sides.values() for i in indices)
    if not all(isinstance(labels[i], str) for i in everyone):  # numbers, which every recording has
        return everyone, []
    of = {name: {labels[i] for i in indices} for name, indices in sides.items()}
    shared = set.intersection(*of.values())
    if len(shared) < 2:
        has = " and ".join(f"{name} ({', '.join(in_order(found))})" for name, found in of.items())
        raise UserError(f"{has} need two classes in common. Change dataset.emotions, dataset.merge or dataset.target.")
    lost = Counter(labels[i] for i in everyone if labels[i] not in shared)
    remarks = []
    for label in in_order(lost):
        having = [name for name, found in of.items() if label in found]
        who = f"only {' and '.join(having)} ha{'s' if len(having) == 1 else 've'} it"
        remarks.append(f"{lost[label]} recordings of {label} left out: {who}")
    return [i for i in everyone if labels[i] in shared], remarks


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
    if word in map(one_form, corpora):
        return [i for i, utterance in enumerate(utterances) if one_form(utterance.corpus) == word]
    bare = {
        utterance.speaker: utterance.speaker.removeprefix(f"{utterance.corpus}_")
        for utterance in utterances
        if utterance.speaker
    }
    called = {speaker for speaker, short in bare.items() if word in (one_form(speaker), one_form(short))}
    if len(called) > 1:
        raise UserError(f"{setting}={name} could be {' or '.join(sorted(called))}: write the whole name.")
    if not called:
        hint = did_you_mean(word, [*corpora, *bare])
        near = f" {hint}" if hint.startswith("Did") else ""  # the other hint names every speaker
        raise UserError(
            f"{setting}={name} is neither a corpus ({some(sorted(corpora))}) nor a speaker ({some(sorted(bare))}) "
            f"of the recordings used.{near} dataset=joined puts several corpora together."
        )
    return [i for i, utterance in enumerate(utterances) if utterance.speaker in called]
