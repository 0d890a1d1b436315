"""Draws that splitters share: stratified over recordings, over speakers by gender, and validation out of train."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean, some

# Names to stratify by, and their fields; `actor` is RAVDESS's word for its speakers.
STRATA = {name: name for name in ("emotion", "gender", "speaker", "intensity", "statement", "word", "corpus")}
STRATA["actor"] = "speaker"

_REMEDIES = {
    "speaker": "take split=random",
    "statement": "take split=speaker or split=random",
    "word": "take split=statement, split=speaker or split=random",
}


def checked_strata(stratify: Sequence[str] | str | None) -> tuple[str, ...]:
    """The fields to stratify by, from the names in a config.

    Raises:
        UserError: An unknown stratum.
    """
    names = [stratify] if isinstance(stratify, str) else list(stratify or ())
    for name in names:
        if name not in STRATA:
            raise UserError(f"split.stratify: '{name}' is not a stratum. {did_you_mean(str(name), list(STRATA))}")
    return tuple(STRATA[name] for name in names)


def strata(
    utterances: Sequence[Utterance], pool: Sequence[int], fields: Sequence[str], rng: np.random.Generator
) -> list[list[list[int]]]:
    """The pool by stratum, each in random order, of groups of identical recordings that must not be parted.

    Args:
        utterances: All of them.
        pool: Indices of those to order.
        fields: Of `Utterance`; strata are sorted by the first, then the second, and so on. A group takes the stratum of
            its first member.
        rng: Decides the order within a stratum.
    """
    groups = defaultdict(list)
    for i in pool:
        groups[utterances[i].content or i].append(i)
    by_stratum = defaultdict(list)
    for members in groups.values():
        by_stratum[tuple(str(getattr(utterances[members[0]], field)) for field in fields)].append(members)
    return [[by_stratum[key][k] for k in rng.permutation(len(by_stratum[key]))] for key in sorted(by_stratum)]


def draw_stratified(
    utterances: Sequence[Utterance],
    pool: Sequence[int],
    share: float,
    fields: Sequence[str],
    rng: np.random.Generator,
) -> tuple[list[int], list[int]]:
    """Draws `round(share * len(pool))` recordings, each stratum in proportion, copies never parted.

    Strata lie side by side on a line and each takes what the rounded running total leaves it (systematic sampling), so
    that sums over neighbouring strata (all actors of one emotion) are exact to one recording as well.

    Args:
        utterances, pool, fields, rng: As in `strata`.
        share: In [0, 1].

    Returns:
        The drawn and the others, each ascending.
    """
    drawn: set[int] = set()
    seen = 0
    for groups in strata(utterances, pool, fields, rng):
        seen += sum(map(len, groups))
        for members in groups:
            if len(drawn) + len(members) <= round(share * seen):
                drawn.update(members)
    return sorted(drawn), sorted(set(pool) - drawn)


def indices_by(utterances: Sequence[Utterance], field: str, pool: Sequence[int] | None = None) -> dict[str, list[int]]:
    """The indices of the recordings of each value of a field, sorted by value; of the pool's, or of all."""
    indices = defaultdict(list)
    for i in range(len(utterances)) if pool is None else pool:
        indices[getattr(utterances[i], field)].append(i)
    return dict(sorted(indices.items()))


def genders_of(utterances: Sequence[Utterance], pool: Sequence[int] | None = None) -> dict[str, str]:
    """Speaker → gender, sorted by speaker; an unknown gender is one of its own.

    Args:
        utterances: All of them.
        pool: Indices of those to look at; by default all.

    Raises:
        UserError: A recording that names no speaker.
    """
    check_known(utterances, "speaker", pool)
    indices = range(len(utterances)) if pool is None else pool
    return dict(sorted({utterances[i].speaker: str(utterances[i].gender) for i in indices}.items()))


def check_known(utterances: Sequence[Utterance], field: str, pool: Sequence[int] | None = None) -> None:
    """Refuses recordings without the field that a split holds apart: `speaker`, `statement` or `word`.

    Raises:
        UserError: Counts them, and says how to fill the field in or which split to use instead.
    """
    indices = range(len(utterances)) if pool is None else pool
    unknown = [utterances[i].key for i in indices if getattr(utterances[i], field) is None]
    if unknown:
        raise UserError(
            f"This split holds {field}s apart, but {len(unknown)} of {len(indices)} recordings name none "
            f"({some(unknown)}): fill in the column {field} (dataset=csv), write {{{field}}} in the pattern "
            f"(dataset=folder), or {_REMEDIES[field]}."
        )


def draw_speakers(genders: dict[str, str], free: Collection[str], share: float, rng: np.random.Generator) -> set[str]:
    """Draws speakers balanced by gender, at least one where the share is above zero.

    Args:
        genders: Speaker → gender; the share is of each gender's speakers here.
        free: Those that can be drawn; one of each gender is always left over.
        share: In [0, 1).
        rng: Decides.
    """
    drawn: set[str] = set()
    for gender in sorted(set(genders.values())):
        alike = [speaker for speaker in genders if genders[speaker] == gender]
        left = [speaker for speaker in alike if speaker in free]
        drawn.update(map(str, rng.permutation(left)[: count_of(share, len(alike), len(left))]))
    if share > 0 and not drawn:  # every gender has too few to give one
        drawn.add(str(rng.choice([speaker for speaker in genders if speaker in free])))
    return drawn


def count_of(share: float, total: int, free: int) -> int:
    """How many of `total` a share takes: rounded, at least one, and always one of the `free` is left over.

    >>> count_of(0.15, 24, 24), count_of(0.01, 24, 24), count_of(0.9, 2, 2), count_of(0, 24, 24)
    (4, 1, 1, 0)
    """
    return 0 if share == 0 else max(0, min(max(1, round(share * total)), free - 1))


def draw_values(values: Sequence[str], share: float, rng: np.random.Generator, total: int | None = None) -> set[str]:
    """Draws words or statements.

    Args:
        values: Those that can be drawn, sorted; one is always left over.
        share: In [0, 1), of `total`; at least one where it is above zero.
        rng: Decides.
        total: By default the number of `values`.
    """
    count = count_of(share, len(values) if total is None else total, len(values))
    return set(map(str, rng.permutation(values)[:count]))


def part_by(
    utterances: Sequence[Utterance], pool: Sequence[int], field: str, held: Collection[str]
) -> tuple[list[int], list[int]]:
    """The members of the pool whose `field` is among the `held`, and the others; each ascending."""
    members = sorted(i for i in pool if getattr(utterances[i], field) in held)
    return members, sorted(set(pool) - set(members))


def hold_out(
    utterances: Sequence[Utterance],
    pool: Sequence[int],
    share: float,
    rng: np.random.Generator,
    genders: dict[str, str] | None = None,
) -> tuple[list[int], list[int]]:
    """Validation out of a training pool, as strictly apart as it can be: other speakers, or of one speaker other words.

    Args:
        utterances: All of them.
        pool: Indices of those that are not for test.
        share: Of the speakers or words; 0 holds nothing out.
        rng: Decides.
        genders: The speakers that the share counts; by default those of the pool.

    Returns:
        Validation and train, each ascending.

    Raises:
        UserError: One speaker whose words are not known.
    """
    if share == 0:
        return [], sorted(pool)
    genders = genders or genders_of(utterances, pool)
    free = {utterances[i].speaker for i in pool}
    if len(free) > 1:
        return part_by(utterances, pool, "speaker", draw_speakers(genders, free, share, rng))
    words = {utterances[i].word for i in pool}
    if None in words or len(words) < 2:
        raise UserError(
            f"{', '.join(free)} alone is left to train on, and validation cannot be held apart: words are not "
            "known. Use split.val=0, or split=random."
        )
    return part_by(utterances, pool, "word", draw_values(sorted(words), share, rng))
