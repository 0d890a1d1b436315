"""A split between sentences."""

from collections.abc import Sequence

import numpy as np

from ser.data.splits.folds import FoldSplitter
from ser.data.splits.sampling import check_known, draw_values, hold_out, indices_by, part_by
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.system.ranges import Index, Rate, Seed


class StatementSplit(FoldSplitter):
    """Tests one sentence and trains on the others: knowledge of a sentence does not help in test.

    Fold i tests the i-th statement in alphabetical order; of RAVDESS that is `dogs`, then `kids`. Where two statements
    or more are left, validation has one of its own; of a single one it is a speaker-disjoint part, and the stamp says
    so.

    Args:
        fold, seed: As in `FoldSplitter`.
        val: Share of the statements, or of each gender's speakers; at least one.
    """

    def __init__(self, fold: Index = 0, val: Rate = 0.15, seed: Seed = 0):
        super().__init__(fold, val, seed)

    def folds(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> list[list[int]]:
        return list(recordings_by_statement(utterances).values())

    def validation(
        self, utterances: Sequence[Utterance], pool: Sequence[int], rng: np.random.Generator
    ) -> tuple[Sequence[int], Sequence[int]]:
        left = sorted({utterances[i].statement for i in pool})
        if len(left) < 2:
            return hold_out(utterances, pool, self.val, rng)
        held = draw_values(left, self.val, rng, total=len(left) + 1)
        return part_by(utterances, pool, "statement", held)

    def name_of_fold(self, utterances: Sequence[Utterance]) -> str:
        return list(recordings_by_statement(utterances))[self.fold]


def recordings_by_statement(utterances: Sequence[Utterance]) -> dict[str, list[int]]:
    """The indices of each statement, sorted by statement.

    Raises:
        UserError: A recording names none, or all have the same.
    """
    check_known(utterances, "statement")
    recordings = indices_by(utterances, "statement")
    if len(recordings) < 2:
        raise UserError(
            f"split=statement needs 2 statements, and the recordings used have one, {', '.join(recordings)}. Use "
            "split=speaker or split=random."
        )
    return recordings
