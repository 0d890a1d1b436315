"""A draw over recordings."""

from collections.abc import Sequence

import numpy as np

from ser.data.splits.base import Part, ShareSplitter
from ser.data.splits.sampling import checked_strata, draw_stratified
from ser.data.utterance import Utterance
from ser.system.ranges import Rate, Seed


class RandomSplit(ShareSplitter):
    """Stratified draw over recordings: the same speaker may be in every part, and the stamp says so.

    Each part gets its share of every stratum to within one recording, and its share of the whole exactly.

    Args:
        val, test, seed: As in `ShareSplitter`.
        stratify: What is kept in proportion: any of emotion, gender, actor, intensity, statement, word, corpus; the
            first counts most.

    Raises:
        UserError: An unknown stratum.
    """

    def __init__(
        self, val: Rate = 0.1, test: Part = 0.2, seed: Seed = 0, stratify: Sequence[str] | str | None = ("emotion",)
    ):
        super().__init__(val, test, seed)
        self.fields = checked_strata(stratify)

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        total = len(utterances)
        test, rest = draw_stratified(utterances, range(total), self.test, self.fields, rng)
        share = round(self.val * total) / max(1, len(rest))
        val, train = draw_stratified(utterances, rest, share, self.fields, rng)
        return {"train": train, "val": val, "test": test}
