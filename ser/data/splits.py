"""Which utterance is for training, which for validation, which for the one final test.

A split is a pure function of (utterances, settings, seed). Whatever it does, recordings with identical samples
(`Utterance.content`) stay together: a copy of a test file in train is a leak, whoever made it.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ser.data.corpus import Utterance
from ser.errors import UserError, did_you_mean

PARTS = ("train", "val", "test")
# What may be stratified by, and the field that says it; `actor` is what RAVDESS calls its speakers.
STRATA = {name: name for name in ("emotion", "gender", "speaker", "intensity", "statement", "word", "corpus")}
STRATA["actor"] = "speaker"


@dataclass(frozen=True, slots=True)
class Split:
    """Three disjoint lists of indices into the utterances, each in ascending order.

    Args:
        train, val, test: The parts; `val` may be empty.
        protocol: What the parts have apart, e.g. `speaker-independent`; it goes with every figure.
    """

    train: list[int]
    val: list[int]
    test: list[int]
    protocol: str

    def parts(self) -> dict[str, list[int]]:
        """The parts by name, in the order train, val, test."""
        return {part: getattr(self, part) for part in PARTS}


class Splitter:
    """Deals utterances into parts. Subclasses write `deal`.

    Args:
        val: Share of the validation part, in [0, 1); 0 leaves it out.
        test: Share of the test part, in (0, 1).
        seed: Decides the draw; nothing else does.

    Raises:
        UserError: Shares that leave nothing to train on, or a seed that is no whole number from 0.
    """

    def __init__(self, val: float = 0.1, test: float = 0.2, seed: int = 0):
        if not (0 <= val < 1 and 0 < test < 1 and val + test < 1):
            raise UserError(
                f"split.val={val} and split.test={test} are shares of the corpus: "
                "val from 0, test above 0, and together below 1."
            )
        if not isinstance(seed, int) or seed < 0:
            raise UserError(f"split.seed={seed} (by default the run's seed) must be a whole number, 0 or more.")
        self.val, self.test, self.seed = val, test, seed

    def __call__(self, utterances: Sequence[Utterance]) -> Split:
        """Deals `utterances` into three parts, or takes them as the user's own list names them (`Utterance.part`).

        Raises:
            UserError: The corpus cannot be dealt like this; the message names what can be done.
        """
        if utterances and all(utterance.part is not None for utterance in utterances):
            return self._take_named(utterances)
        split = self.deal(utterances, np.random.default_rng(self.seed))
        for part, indices in split.parts().items():
            if not indices and (part != "val" or self.val > 0):
                raise UserError(
                    f"The {part} part is empty: {len(utterances)} recordings are too few for split.val={self.val} "
                    f"and split.test={self.test}."
                )
        return split

    def _take_named(self, utterances: Sequence[Utterance]) -> Split:
        parts = {part: [i for i, u in enumerate(utterances) if u.part == part] for part in PARTS}
        for part, indices in parts.items():
            if not indices and (part != "val" or self.val > 0):
                way_out = ", or use split.val=0 checkpoint=last" if part == "val" else ""
                raise UserError(f"The list names no recording for {part}: add some to its split column{way_out}.")
        _refuse_parted_copies(utterances, parts)
        return Split(
            **parts, protocol=f"{_protocol(utterances, parts['train'], parts['test'])}; parts named by the list"
        )

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> Split:
        """The parts, by this splitter's rule."""
        raise NotImplementedError


class RandomSplit(Splitter):
    """Stratified draw over recordings: the same speaker may be in every part, and the protocol says so.

    Each part gets its share of every stratum to within one recording, and its share of the whole exactly: strata lie
    side by side on a line and each takes what the rounded running total leaves it (systematic sampling), so that sums
    over neighbouring strata (all actors of one emotion) are exact to one recording as well.

    Args:
        val, test, seed: As in `Splitter`.
        stratify: What is kept in proportion: any of emotion, gender, actor, intensity, statement, word, corpus; the
            first counts most.
    """

    def __init__(self, val: float = 0.1, test: float = 0.2, seed: int = 0, stratify: Sequence[str] = ("emotion",)):
        super().__init__(val, test, seed)
        stratify = [stratify] if isinstance(stratify, str) else list(stratify or ())
        for name in stratify:
            if name not in STRATA:
                raise UserError(f"split.stratify: '{name}' is no stratum. {did_you_mean(str(name), list(STRATA))}")
        self.stratify = tuple(stratify)

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> Split:
        test, rest = self._draw(utterances, range(len(utterances)), self.test, rng)
        val, train = self._draw(utterances, rest, round(self.val * len(utterances)) / max(1, len(rest)), rng)
        return Split(train, val, test, _protocol(utterances, train, test))

    def _draw(self, utterances: Sequence[Utterance], pool: Sequence[int], share: float, rng: np.random.Generator):
        def stratum(i: int) -> tuple[str, ...]:
            return tuple(str(getattr(utterances[i], STRATA[name])) for name in self.stratify)

        return draw_stratified(pool, share, stratum, lambda i: utterances[i].content or i, rng)


class SpeakerSplit(Splitter):
    """No speaker in two parts; the speakers of val and test are drawn balanced by gender.

    A corpus of two speakers (TESS) has one for test; validation is then a word-disjoint part of the other's recordings,
    and the protocol says so.

    Args:
        val, test, seed: As in `Splitter`; shares are of each gender's speakers, at least one of each gender where the
            share is above zero and the gender has speakers to give.
    """

    def deal(self, utterances: Sequence[Utterance], rng: np.random.Generator) -> Split:
        speakers = sorted({u.speaker for u in utterances if u.speaker is not None})
        self._check(utterances, speakers)
        if len(speakers) == 2 and self.val > 0:
            return self._deal_two(utterances, speakers, rng)
        part_of = self._draw_speakers(utterances, speakers, rng)
        parts = {part: [i for i, u in enumerate(utterances) if part_of[u.speaker] == part] for part in PARTS}
        _refuse_parted_copies(utterances, parts)
        return Split(**parts, protocol="speaker-independent")

    def _check(self, utterances: Sequence[Utterance], speakers: list[str]) -> None:
        unknown = sum(u.speaker is None for u in utterances)
        if unknown:
            raise UserError(
                f"split=speaker needs to know who speaks, but {unknown} of {len(utterances)} recordings name none. "
                "What this corpus can have is split=random."
            )
        needed = 2 if self.val == 0 or (len(speakers) == 2 and _has_words(utterances)) else 3
        if len(speakers) < needed:
            way_out = "split=random, or split.val=0 checkpoint=last" if len(speakers) == 2 else "split=random"
            raise UserError(
                f"split=speaker needs {needed} speakers for its parts, and the recordings used have {len(speakers)}: "
                f"{', '.join(speakers)}. Use {way_out}."
            )

    def _draw_speakers(self, utterances, speakers: list[str], rng: np.random.Generator) -> dict[str, str]:
        gender_of = {u.speaker: str(u.gender) for u in utterances}
        by_gender = defaultdict(list)
        for speaker in speakers:
            by_gender[gender_of[speaker]].append(speaker)
        part_of = dict.fromkeys(speakers, "train")
        for part, share in (("test", self.test), ("val", self.val)):
            for gender in sorted(by_gender):
                free = [s for s in by_gender[gender] if part_of[s] == "train"]
                count = _count(share, len(by_gender[gender]), len(free))
                for speaker in rng.permutation(free)[:count]:
                    part_of[speaker] = part
            if share > 0 and part not in part_of.values():  # every gender has too few to be asked for one
                part_of[rng.choice([s for s in speakers if part_of[s] == "train"])] = part
        return part_of

    def _deal_two(self, utterances, speakers: list[str], rng: np.random.Generator) -> Split:
        tested = speakers[int(rng.integers(2))]
        test = [i for i, u in enumerate(utterances) if u.speaker == tested]
        pool = [i for i, u in enumerate(utterances) if u.speaker != tested]
        words = sorted({utterances[i].word for i in pool})
        count = min(max(1, round(self.val * len(words))), len(words) - 1)
        held = set(rng.permutation(words)[:count])
        parts = {
            "train": [i for i in pool if utterances[i].word not in held],
            "val": [i for i in pool if utterances[i].word in held],
            "test": test,
        }
        _refuse_parted_copies(utterances, parts)
        return Split(**parts, protocol="speaker-independent; validation word-disjoint within the training speaker")


def draw_stratified(
    pool: Sequence[int],
    share: float,
    stratum: Callable[[int], Hashable],
    group: Callable[[int], Hashable],
    rng: np.random.Generator,
) -> tuple[list[int], list[int]]:
    """Draws `round(share * len(pool))` members, each stratum in proportion, groups never parted.

    Args:
        pool: What is drawn from.
        share: In [0, 1].
        stratum: Of a member; groups take the stratum of their first member.
        group: Of a member; members of one group are drawn together.
        rng: Decides.

    Returns:
        The drawn and the others, each ascending.
    """
    groups = defaultdict(list)
    for i in pool:
        groups[group(i)].append(i)
    strata = defaultdict(list)
    for members in groups.values():
        strata[stratum(members[0])].append(members)
    drawn: set[int] = set()
    seen = 0
    for key in sorted(strata):
        units = [strata[key][k] for k in rng.permutation(len(strata[key]))]
        seen += sum(map(len, units))
        for members in units:
            if len(drawn) + len(members) <= round(share * seen):
                drawn.update(members)
    return sorted(drawn), sorted(set(pool) - drawn)


def _count(share: float, of: int, free: int) -> int:
    """How many of `of` speakers a share takes: rounded, at least one, and always one is left to train on."""
    return 0 if share == 0 else max(0, min(max(1, round(share * of)), free - 1))


def _has_words(utterances: Sequence[Utterance]) -> bool:
    return all(u.word is not None for u in utterances) and len({u.word for u in utterances}) > 1


def _protocol(utterances: Sequence[Utterance], train: Sequence[int], test: Sequence[int]) -> str:
    """`speaker-dependent` where a speaker of test also trains; unknown speakers are said to be unknown."""
    heard = {utterances[i].speaker for i in train}
    if None in heard:
        return "speakers unknown"
    shared = heard & {utterances[i].speaker for i in test}
    return "speaker-dependent" if shared else "speaker-independent"


def _refuse_parted_copies(utterances: Sequence[Utterance], parts: dict[str, list[int]]) -> None:
    """Identical recordings under two speakers' names cannot be kept together by a split over speakers."""
    home: dict[str, tuple[str, int]] = {}
    for part, indices in parts.items():
        for i in indices:
            content = utterances[i].content
            if content is None:
                continue
            first_part, first = home.setdefault(content, (part, i))
            if first_part != part:
                raise UserError(
                    f"{utterances[first].key} and {utterances[i].key} hold identical samples but would be in "
                    f"{first_part} and {part}. Remove one of them."
                )
