"""Which utterances of a corpus are used, and what is to be recognised.

The settings here are the keys that every `dataset` config shares. They are applied in this order: emotions are merged,
then the chosen ones are kept, then each utterance gets its label.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ser.data.emotions import ALIASES, EMOTIONS, canonical, in_order, position
from ser.data.utterance import Utterance
from ser.errors import UserError, check_choice, did_you_mean

# A target: emotion (after merging) and utterance → label, or None where the corpus does not know it.
_TARGETS: dict[str, Callable[[str, Utterance], str | None]] = {
    "emotion": lambda emotion, utterance: emotion,
    "gender": lambda emotion, utterance: utterance.gender,
    "gender_emotion": lambda emotion, utterance: utterance.gender and f"{utterance.gender}_{emotion}",
    "intensity": lambda emotion, utterance: utterance.intensity,
}
TARGETS = tuple(_TARGETS)

FEW = 5  # times fewer recordings than the class with the near name: a typo, not a class
NEAR = 0.75  # difflib's similarity: `hapy` and `happy` 0.89, `clam` and `calm` 0.75
_SPELT_RIGHT = {*EMOTIONS, "female", "male", "normal", "strong"}


@dataclass(frozen=True, slots=True)
class Selected:
    """The utterances to use and what they are called.

    Args:
        utterances: In the order of the corpus, as it knows them: a merged emotion shows in `labels`, not here.
        labels: The class of each utterance.
        classes: The classes that occur: emotions in the order of `EMOTIONS`, then others by the alphabet;
            `gender_emotion` first by gender, then in that order; `gender` and `intensity` by the alphabet.
    """

    utterances: tuple[Utterance, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """What to use of a corpus.

    Args:
        emotions: Emotions to keep, after merging; all of them by default. Aliases count (`fear` is `fearful`).
        merge: Emotion → the one it is counted as, e.g. `{calm: neutral}`. The new name may be any word
            (`{angry: negative, sad: negative}`). Each emotion is renamed once; there are no chains.
        target: What to recognise: `emotion`, `gender`, `gender_emotion` (e.g. `female_angry`) or `intensity`.
        on_bad_file: A file that cannot be read: `stop` the run, or `skip` the file and report it.

    Raises:
        UserError: a target or a way of handling bad files that does not exist, or an empty list of emotions.
    """

    emotions: list[str] | None = None
    merge: dict[str, str] | None = None
    target: str = "emotion"
    on_bad_file: str = "stop"

    def __post_init__(self):
        check_choice("dataset.target", self.target, TARGETS)
        check_choice("dataset.on_bad_file", self.on_bad_file, ("stop", "skip"))
        if self.emotions is not None and not len(self.emotions):
            raise UserError("dataset.emotions is an empty list: name at least two emotions, or null for all of them.")

    def apply(self, utterances: Sequence[Utterance]) -> Selected:
        """Merges, keeps and labels.

        Raises:
            UserError: an emotion that these utterances do not have, a target that they do not know, or fewer than two
                classes left.
        """
        merge = self._merge({utterance.emotion for utterance in utterances})
        emotions = [merge.get(utterance.emotion, utterance.emotion) for utterance in utterances]
        wanted = self._wanted(set(emotions), merge)
        kept = [(e, utterance) for e, utterance in zip(emotions, utterances, strict=True) if e in wanted]
        labels = self._labels(kept)
        classes = self._classes(kept, labels)
        return Selected(tuple(utterance for _, utterance in kept), tuple(labels), tuple(classes))

    def _merge(self, present: set[str]) -> dict[str, str]:
        """The merges in canonical names."""
        merge: dict[str, str] = {}
        for old, new in (self.merge or {}).items():
            _check_present("dataset.merge", old, present)
            if merge.setdefault(canonical(old), canonical(new)) != canonical(new):
                raise UserError(f"dataset.merge sends '{canonical(old)}' to two emotions; keep one of them.")
        return merge

    def _wanted(self, present: set[str], merge: dict[str, str]) -> set[str]:
        """The emotions to keep in canonical names."""
        if self.emotions is None:
            return present
        for emotion in self.emotions:
            name = canonical(emotion)
            if name in merge and name not in present:
                raise UserError(
                    f"dataset.emotions names '{emotion}', but dataset.merge counts it as '{merge[name]}': "
                    f"name '{merge[name]}' instead, or drop the merge."
                )
            _check_present("dataset.emotions", emotion, present)
        return {canonical(emotion) for emotion in self.emotions}

    def _labels(self, kept: list[tuple[str, Utterance]]) -> list[str]:
        labels = [_TARGETS[self.target](emotion, utterance) for emotion, utterance in kept]
        unknown = [utterance for label, (_, utterance) in zip(labels, kept, strict=True) if label is None]
        if unknown:
            what = "gender" if self.target == "gender_emotion" else self.target
            raise UserError(
                f"dataset.target={self.target}: the {what} of {len(unknown)} of {len(kept)} utterances is not known "
                f"({unknown[0].corpus}: {unknown[0].key}, …). Choose another target, or a dataset that knows it."
            )
        return labels  # type: ignore[return-value]  # None was ruled out above

    def _classes(self, kept: list[tuple[str, Utterance]], labels: list[str]) -> list[str]:
        """The labels that occur, in the order that `Selected` documents."""
        if self.target == "gender_emotion":
            order = {label: (u.gender, position(emotion)) for label, (emotion, u) in zip(labels, kept, strict=True)}
            classes = sorted(order, key=order.__getitem__)
        else:
            classes = in_order(labels)
        if len(classes) < 2:
            left = f"'{classes[0]}'" if classes else "none"
            raise UserError(
                f"One class only is left ({left}) of {len(kept)} utterances, and there is nothing to classify: "
                "widen dataset.emotions, or remove a dataset.merge."
            )
        return classes


def rare_misspellings(labels: Sequence[str], target: str = "emotion") -> list[str]:
    """Remarks on classes with few recordings and nearly the name of a class with many.

    Args:
        labels: Of all utterances.
        target: What they are; emotions can be merged.

    >>> rare_misspellings(["happy"] * 300 + ["hapy", "sad"])
    ["'hapy' (1 recording) is nearly 'happy' (300): if it is a typo, dataset.merge={hapy: happy} fixes it"]
    """
    counts, remarks = Counter(labels), []
    for name, count in sorted(counts.items()):
        if other := meant_class(name, counts):
            few = f"{count} recording{'s' * (count > 1)}"
            remedy = f"dataset.merge={{{name}: {other}}} fixes it" if target == "emotion" else "fix its label"
            remarks.append(f"'{name}' ({few}) is nearly '{other}' ({counts[other]}): if it is a typo, {remedy}")
    return remarks


def meant_class(name: str, counts: Mapping[str, int]) -> str | None:
    """The large class that a small class may be a misspelling of.

    Args:
        name: The class in doubt.
        counts: Recordings of each class.
    """
    large = [other for other, count in counts.items() if count >= FEW * max(1, counts[name])]
    intended = {alias: other for alias, other in ALIASES.items() if other in large and len(alias) > 3}
    intended |= {other: other for other in large if re.sub(r"\d", "", other) != re.sub(r"\d", "", name)}
    near = get_close_matches(name, intended, n=1, cutoff=NEAR)
    # `unhappy` and `disinterested` are not misspellings
    if not near or name.endswith(near[0]) or set(name.split("_")) <= _SPELT_RIGHT:
        return None
    return intended[near[0]]


def _check_present(key: str, word: str, present: set[str]) -> None:
    if canonical(word) not in present:
        known = in_order(present)
        hint = did_you_mean(canonical(word), known)
        near = f" {hint}" if hint.startswith("Did") else ""  # the other hint is the list, which follows anyway
        raise UserError(f"{key} names '{word}', which this dataset does not have.{near} It has: {', '.join(known)}.")
