"""Published folds, so that results can be compared with the publication's."""

from collections.abc import Sequence

import numpy as np

from ser.data.splits.folds import SpeakerFolds
from ser.data.utterance import Utterance
from ser.errors import UserError, some
from ser.system.ranges import Index, Rate, Seed


class PublishedFolds(SpeakerFolds):
    """Folds of speakers as a publication lists them; validation is drawn from the training speakers.

    A corpus that lacks some of the listed speakers is divided all the same (RAVDESS's actor 18 does not sing), and the
    stamp counts them; a speaker who is not listed is refused.

    Args:
        source: The publication, for the stamp.
        corpus: The corpus.
        speakers: Those tested in fold 0, in fold 1, …: as the corpus calls them, with or without its name before and
            leading zeros (`7` is `ravdess_07`).
        fold, val, seed, train_only: As in `SpeakerFolds`.

    Raises:
        UserError: A speaker listed twice, or folds that are not lists.
    """

    def __init__(
        self,
        source: str,
        corpus: str,
        speakers: Sequence[Sequence[str | int]],
        fold: Index = 0,
        val: Rate = 0.15,
        seed: Seed = 0,
        train_only: Sequence[str] | str | None = None,
    ):
        super().__init__(fold, val, seed, train_only)
        if not all(isinstance(names, Sequence) and not isinstance(names, str) and names for names in speakers):
            raise UserError("split.speakers is a list of folds, each a list of speakers: [[1, 2], [3, 4]].")
        self.source, self.corpus = source, corpus
        self.listed = [[bare_speaker(name, corpus) for name in names] for names in speakers]
        everyone = sum(self.listed, [])
        twice = sorted({name for name in everyone if everyone.count(name) > 1})
        if twice:
            raise UserError(f"split.speakers names {', '.join(twice)} twice: a speaker is tested in one fold.")

    def speakers(self, genders: dict[str, str], rng: np.random.Generator) -> list[Sequence[str]]:
        own = (speaker for speaker in genders if speaker.startswith(f"{self.corpus}_"))
        known = {bare_speaker(speaker, self.corpus): speaker for speaker in own}
        strangers = sorted(set(genders) - {known.get(name) for name in sum(self.listed, [])})
        if strangers:
            raise UserError(
                f"{self.source}'s folds are of the speakers of {self.corpus}, and {len(strangers)} of {len(genders)} "
                f"here are none of them ({some(strangers)}). Use dataset={self.corpus}, or split=speaker_kfold; "
                "split.train_only=NAME keeps a corpus out of the folds."
            )
        return [[known[name] for name in names if name in known] for names in self.listed]

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        parts = super().deal(utterances, rng)
        if not parts["test"]:
            raise UserError(
                f"split.fold={self.fold} tests the speakers {', '.join(self.listed[self.fold])} of {self.corpus}, and "
                "the recordings used have none of them. Choose another fold."
            )
        return parts

    def name_of_fold(self, utterances: Sequence[Utterance]) -> str:
        here, listed = len(self.tested_genders(utterances)), len(sum(self.listed, []))
        return self.source if here == listed else f"{self.source}, {here} of {listed} speakers"


def bare_speaker(name: str | int, corpus: str) -> str:
    """A speaker's name without the corpus's before it and without leading zeros.

    >>> bare_speaker("ravdess_07", "ravdess"), bare_speaker(7, "ravdess")
    ('7', '7')
    """
    return str(name).removeprefix(f"{corpus}_").lstrip("0")
