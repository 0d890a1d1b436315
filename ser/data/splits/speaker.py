"""A draw over speakers."""

from collections.abc import Sequence

import numpy as np

from ser.data.splits.base import ShareSplitter
from ser.data.splits.sampling import draw_speakers, genders_of, hold_out, part_by
from ser.data.utterance import Utterance
from ser.errors import UserError


class SpeakerSplit(ShareSplitter):
    """No speaker in two parts; the speakers of val and test are drawn balanced by gender.

    A corpus of two speakers (TESS) has one for test; validation is then a word-disjoint part of the other's recordings,
    and the stamp says so.

    Args:
        val, test, seed: As in `ShareSplitter`; shares are of each gender's speakers, at least one of each gender where
            the share is above zero and the gender has speakers to give.
    """

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        genders = genders_of(utterances)
        self._check_number(utterances, list(genders))
        if len(genders) == 2 and self.val > 0:
            tested = {list(genders)[int(rng.integers(2))]}
        else:
            tested = draw_speakers(genders, genders, self.test, rng)
        test, rest = part_by(utterances, range(len(utterances)), "speaker", tested)
        val, train = hold_out(utterances, rest, self.val, rng, genders)
        return {"train": train, "val": val, "test": test}

    def _check_number(self, utterances: Sequence[Utterance], speakers: list[str]) -> None:
        words = {utterance.word for utterance in utterances}
        by_word = len(speakers) == 2 and None not in words and len(words) > 1
        needed = 2 if self.val == 0 or by_word else 3
        if len(speakers) < needed:
            way_out = "split=random, or split.val=0" if len(speakers) == 2 else "split=random"
            raise UserError(
                f"split=speaker needs {needed} speakers for its parts, and the recordings used have {len(speakers)}: "
                f"{', '.join(speakers)}. Use {way_out}."
            )
