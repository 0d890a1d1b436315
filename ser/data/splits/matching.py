"""Which recording a name in a list refers to.

Lists outlive folders: EmoBox names `downloads/ravdess/…/Actor_11/03-01-07-02-02-02-11.wav`, the disk holds
`~/data/ravdess/Actor_11/03-01-07-02-02-02-11.flac`. They agree from the end.
"""

from collections import defaultdict
from collections.abc import Sequence

from ser.data.corpora.tails import Tails
from ser.data.splits.part_lists import Entry
from ser.data.utterance import Utterance
from ser.errors import UserError, readable


def match(entries: Sequence[Entry], utterances: Sequence[Utterance]) -> tuple[dict[int, str], list[Entry]]:
    """The part of each recording that is named, and the entries that name none.

    An entry refers to the recording with its base name; of several, the one whose path agrees with it furthest from the
    end. Of two entries for one recording, the one that agrees further wins.

    Args:
        entries: Of a division.
        utterances: The recordings.

    Returns:
        Index of an utterance → its part; entries without a recording.

    Raises:
        UserError: A name that two recordings could have, or a recording with two parts.
    """
    tails = Tails(readable(utterance.path) for utterance in utterances)
    claimed: dict[int, list[tuple[int, Entry]]] = defaultdict(list)
    unknown = []
    for entry in entries:
        furthest, nearest = tails.nearest(entry.path)
        if len(nearest) > 1:
            keys = " or ".join(utterances[i].key for i in nearest[:2])
            raise UserError(f"{entry.where}: {entry.path} could be {keys}; write more of its path.")
        if nearest:
            claimed[nearest[0]].append((furthest, entry))
        else:
            unknown.append(entry)
    part_of = {}
    for i, claims in claimed.items():
        furthest = max(length for length, _ in claims)
        part_of[i] = _one_part(utterances[i], [entry for length, entry in claims if length == furthest])
        unknown += [entry for length, entry in claims if length < furthest]
    return part_of, unknown


def _one_part(utterance: Utterance, entries: list[Entry]) -> str:
    first, *others = entries
    for other in others:
        if other.part != first.part:
            raise UserError(
                f"{utterance.key} is named for {first.part} ({first.where}) and for {other.part} ({other.where}): "
                "keep one of them."
            )
    return first.part
