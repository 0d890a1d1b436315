"""What the parts of a split share: near-copies, speakers, statements, words.

Identical samples in two parts are refused by the splitters (`ser.data.splits`). What is found here is only reported:
the protocol may intend shared speakers, and a near-copy has to be confirmed by listening.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from ser.data.near_duplicates import NearCopy
from ser.data.utterance import Utterance

FIELDS = ("speaker", "statement", "word")
NAMED = 3  # copies that a note names
Members = dict[str, list[Utterance]]  # part → its recordings


@dataclass(frozen=True, slots=True)
class PartedCopy:
    """A recording that has a near-copy in an earlier part.

    Args:
        key, part: The recording and where it is.
        other, other_part: The copy most like it, and where that is.
        similarity: `NearCopy.similarity`.
    """

    key: str
    part: str
    other: str
    other_part: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Shared:
    """How many of a part's speakers, statements or words an earlier part has too.

    Args:
        field: One of `FIELDS`.
        part, other_part: Where.
        count: Values in both.
        total: Values in `part`.
    """

    field: str
    part: str
    other_part: str
    count: int
    total: int


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """What two parts share.

    Args:
        copies: Near-copies across parts, by part and key; once for each earlier part.
        shared: Speakers, statements and words, of each pair of parts in which every recording knows them.
    """

    copies: tuple[PartedCopy, ...]
    shared: tuple[Shared, ...]

    @property
    def recordings(self) -> int:
        """Number of recordings with a near-copy in an earlier part."""
        return len({copy.key for copy in self.copies})

    @property
    def stamp(self) -> str:
        """The note that accompanies every figure, e.g. `near-copies across parts: 3`."""
        return f"near-copies across parts: {self.recordings}"

    def notes(self) -> list[str]:
        """Remarks for a run's summary: near-copies, then what else is shared; empty if nothing is."""
        copies, shared = defaultdict(list), defaultdict(list)
        for copy in self.copies:
            copies[copy.part, copy.other_part].append(copy)
        for each in self.shared:
            if each.count:
                plural = "s" * (each.total > 1)
                shared[each.part, each.other_part].append(f"{each.count} of {each.total} {each.field}{plural}")
        notes = [_copies_note(part, other, found) for (part, other), found in copies.items()]
        return notes + [f"{part} shares with {other}: {', '.join(found)}" for (part, other), found in shared.items()]


def check_leakage(
    utterances: Sequence[Utterance], parts: dict[str, Sequence[int]], copies: Sequence[NearCopy]
) -> LeakageReport:
    """Finds what the parts of a split share.

    Args:
        utterances: With their contents, as decoding fills them in.
        parts: Indices by part, in the order of their use: train, val, test. Each is compared with those before it.
        copies: From `ser.data.near_duplicates`; they may name recordings that are in no part.
    """
    members = {part: [utterances[i] for i in indices] for part, indices in parts.items()}
    pairs = [(part, other) for other, part in combinations(parts, 2)]
    found = [copy for part, other in pairs for copy in _parted_copies(members, part, other, copies)]
    return LeakageReport(tuple(found), tuple(each for part, other in pairs for each in _shared(members, part, other)))


def _parted_copies(members: Members, part: str, other: str, copies: Sequence[NearCopy]) -> list[PartedCopy]:
    """The recordings of `part` with a near-copy in `other`, by key, each with the one most like it."""
    here, there = _by_content(members[part]), _by_content(members[other])
    best: dict[str, PartedCopy] = {}
    for first, second, similarity in sorted(copies, key=lambda copy: -copy.similarity):
        for mine, theirs in ((first, second), (second, first)):
            for key in here[mine] if mine in here and theirs in there else ():
                best.setdefault(key, PartedCopy(key, part, there[theirs][0], other, similarity))
    return [best[key] for key in sorted(best)]


def _by_content(utterances: Sequence[Utterance]) -> dict[str, list[str]]:
    """Keys of the recordings with each content: a near-copy of one is a near-copy of all."""
    keys: dict[str, list[str]] = {}
    for utterance in utterances:
        keys.setdefault(utterance.content, []).append(utterance.key)
    return keys


def _shared(members: Members, part: str, other: str) -> Iterator[Shared]:
    for field in FIELDS:
        mine, theirs = ({getattr(utterance, field) for utterance in members[name]} for name in (part, other))
        if mine and theirs and None not in mine | theirs:
            yield Shared(field, part, other, len(mine & theirs), len(mine))


def _copies_note(part: str, other: str, copies: Sequence[PartedCopy]) -> str:
    number, rest = len(copies), len(copies) - NAMED
    head = f"{number} recordings of {part} are near-copies" if number > 1 else f"1 recording of {part} is a near-copy"
    named = ", ".join(f"{copy.key} ≈ {copy.other} ({copy.similarity:.3f})" for copy in copies[:NAMED])
    more = f" and {rest} more" if rest > 0 else ""
    why = f"Remove one of each, or {part} holds what was seen in training."
    return f"{head} of recordings in {other}: {named}{more}. {why}"
