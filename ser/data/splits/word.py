"""A split between words."""

from collections.abc import Sequence

import numpy as np

from ser.data.splits.base import ShareSplitter
from ser.data.splits.sampling import check_known, draw_values, part_by
from ser.data.utterance import Utterance
from ser.errors import UserError


class WordSplit(ShareSplitter):
    """No spoken word in two parts; the same speaker may be in every part, and the stamp says so.

    In TESS each of 200 words is spoken by both actresses in all seven emotions: a draw of words keeps speakers and
    emotions in proportion by itself.

    Args:
        val, test, seed: As in `ShareSplitter`; shares are of the words, at least one where the share is above zero.
    """

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> dict[str, Sequence[int]]:
        check_known(utterances, "word")
        words = sorted({utterance.word for utterance in utterances})
        needed = 2 if self.val == 0 else 3
        if len(words) < needed:
            raise UserError(
                f"split=word needs {needed} words for its parts, and the recordings used have {len(words)}: "
                f"{', '.join(words)}. Use split=speaker or split=random."
            )
        tested = draw_values(words, self.test, rng)
        left = [word for word in words if word not in tested]
        held = draw_values(left, self.val, rng, total=len(words))
        test, rest = part_by(utterances, range(len(utterances)), "word", tested)
        val, train = part_by(utterances, rest, "word", held)
        return {"train": train, "val": val, "test": test}
