"""The stamp of figures on other recordings than a run's own."""

from collections.abc import Sequence

import numpy as np

from ser.data.splits.protocol import stamp
from ser.data.utterance import Utterance
from ser.runs.seen_recordings import PARTS, SeenRecordings


def transfer_stamp(seen: SeenRecordings, others: Sequence[Utterance]) -> str:
    """`cross-corpus: trained on ravdess, tested on tess; …`, then the stamp that every split has.

    Args:
        seen: The recordings seen in training.
        others: The recordings that it is tested on.
    """
    trained_on = {utterance.corpus for utterance in seen.of(*PARTS)}
    tested_on = {utterance.corpus for utterance in others}
    kind = "same corpus" if trained_on & tested_on else "cross-corpus"
    head = f"{kind}: trained on {' + '.join(sorted(trained_on))}, tested on {' + '.join(sorted(tested_on))}"
    groups = {"train": seen.of("train", "before"), "val": seen.of("val"), "test": others}
    everyone = [utterance for group in groups.values() for utterance in group]
    ends = np.cumsum([len(group) for group in groups.values()]).tolist()
    parts = {part: range(end - len(groups[part]), end) for part, end in zip(groups, ends, strict=True)}
    return f"{head}; {stamp(everyone, parts)}"
