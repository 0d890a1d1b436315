"""The stamp: in a few words, what the parts of a split have apart and what they share. It goes with every figure.

It is computed from the recordings that are really in the parts, never from what a splitter means to do, so that equal
words mean equal facts for drawn splits, published folds and somebody's own list.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from ser.data.utterance import Utterance

HEARD = ("train", "validation")  # before test
TEXTS = ("word", "statement")  # the first that every recording names is what is said
PLACE = re.compile(r",? ?fold \d+ of \d+(?P<name> \(.*?\))?(?=;|$)")
NUMBER = re.compile(r"\b\d+\b")
Values = dict[str, dict[str, set[str]]]  # field → part → the values that occur in it


def stamp(utterances: Sequence[Utterance], parts: dict[str, Sequence[int]], place: str = "", remark: str = "") -> str:
    """Segments joined by `; `, the first of which is short enough for the title of a figure.

    1. `speaker-independent` where no speaker of test is in train or validation, else `speaker-dependent`, or `speakers
       unknown`; `word-independent` or `statement-independent` where that holds of what is said; the direction where
       each side is one corpus or one speaker (`RAVDESS → TESS`); and `place`.
    2. How many speakers and texts of test are in train or validation nevertheless.
    3. Validation: what it has apart from train, where that is less than test has apart from both.
    4. `remark`.

    Args:
        utterances: What the parts index.
        parts: Indices of train, val and test.
        place: Which of several divisions this is: `fold 3 of 6`.
        remark: Where the division comes from.
    """
    values = _values(utterances, {"validation" if part == "val" else part: parts[part] for part in parts})
    apart = _apart(values, "test", HEARD)
    segments = [
        _head(values, apart, place),
        _shared(values, "test", HEARD),
        _validation(values, apart) if parts["val"] else "no validation",
        remark,
    ]
    return "; ".join(filter(None, segments))


def merged(stamps: Sequence[str], of: str, place: str = "") -> str:
    """What the stamps of several folds or runs say together, each thing once.

    What not all of them say is followed by how many do; of numbers that differ the least and the largest are given. The
    fold's number goes, and so do the name of its speaker and the direction between two speakers, which each fold has
    for itself.

    Args:
        stamps: At least one.
        of: What they are of, in the plural: `folds`.
        place: What stands in place of the fold: `10 folds pooled`.

    >>> merged(["speaker-independent, fold 1 of 2 (ann); no validation", "speaker-independent, fold 2 of 2 (bob); "
    ...     "no validation; near-copies across parts: 3"], "folds", "2 folds pooled")
    'speaker-independent, 2 folds pooled; no validation; near-copies across parts: 3 (in 1 of 2 folds)'
    """
    places = [PLACE.search(stamp) for stamp in stamps]
    names = {found and found["name"] for found in places}
    name = names.pop() if len(names) == 1 else None
    parts = [PLACE.sub("", stamp).split("; ") for stamp in stamps]
    heads = [head.split(", ") for head, *_ in parts]
    shared = set.intersection(*map(set, heads))
    words = _each_once([[word for word in head if word in shared or " → " not in word] for head in heads], of)
    head = ", ".join(filter(None, [*words, place])) + (name or "")
    return "; ".join([head, *_each_once([segments for _, *segments in parts], of)])


def _each_once(said: Sequence[Sequence[str]], of: str) -> list[str]:
    """What any of several lists says, in the order in which it comes up first."""
    found: dict[str, list[str]] = {}
    for segment in (segment for segments in said for segment in segments):
        found.setdefault(re.sub(r"s\b", "", NUMBER.sub("#", segment)), []).append(segment)  # 1 speaker, 2 speakers
    return [
        _with_ranges(alike) + (f" (in {len(alike)} of {len(said)} {of})" if len(alike) < len(said) else "")
        for alike in found.values()
    ]


def _with_ranges(alike: Sequence[str]) -> str:
    """Segments that differ in their numbers as one.

    >>> _with_ranges(["1 of 1 test speaker also in train", "2 of 4 test speakers also in train"])
    '1–2 of 1–4 test speakers also in train'
    """
    numbers = {segment: [int(number) for number in NUMBER.findall(segment)] for segment in alike}
    ranges = [sorted({min(column), max(column)}) for column in zip(*numbers.values(), strict=True)]
    words = iter("–".join(map(str, ends)) for ends in ranges)
    return NUMBER.sub(lambda _: next(words), max(numbers, key=numbers.__getitem__))


def _values(utterances: Sequence[Utterance], parts: dict[str, Sequence[int]]) -> Values:
    """Of corpus, speaker and text, as far as every recording knows them."""
    values: Values = {}
    for field in ("corpus", "speaker", *TEXTS):
        found = {part: {getattr(utterances[i], field) for i in indices} for part, indices in parts.items()}
        if not any(None in of_part for of_part in found.values()):
            values[field] = found
    if "word" in values:  # the statement of a word says the same again
        values.pop("statement", None)
    return values


def _together(of: dict[str, set[str]], parts: Sequence[str]) -> set[str]:
    return set().union(*(of[part] for part in parts))


def _apart(values: Values, part: str, others: Sequence[str]) -> list[str]:
    """The fields of which `part` has no value that the others have."""
    return [field for field, of in values.items() if not of[part] & _together(of, others)]


def _head(values: Values, apart: list[str], place: str) -> str:
    words = ["speaker-independent" if "speaker" in apart else "speaker-dependent"]
    if "speaker" not in values:
        words = ["speakers unknown"]
    if "corpus" not in apart:  # that two corpora say different things goes without saying
        words += [f"{text}-independent" for text in TEXTS if text in apart]
    return ", ".join(filter(None, [*words, _direction(values, apart), place]))


def _direction(values: Values, apart: list[str]) -> str:
    if "corpus" in apart:
        return " → ".join(_corpora(names) for names in _sides(values["corpus"]))
    if "speaker" in apart and all(len(names) == 1 for names in _sides(values["speaker"])):
        return " → ".join(min(names) for names in _sides(values["speaker"]))
    return ""


def _sides(of: dict[str, set[str]]) -> tuple[set[str], set[str]]:
    return _together(of, HEARD), of["test"]


def _corpora(names: set[str]) -> str:
    return " + ".join(sorted(names)).upper()


def _shared(values: Values, part: str, others: Sequence[str]) -> str:
    """`24 of 24 test speakers also in train`, and the same of what is said."""
    counts = defaultdict(list)
    for field, of in values.items():
        common, whole = of[part] & _together(of, others), len(of[part])
        if common and field != "corpus":
            first, *_ = where = [other for other in others if common & of[other]]
            counts[first if common <= of[first] else " or ".join(where)].append(
                f"{len(common)} of {whole} {part} {field}{'s' * (whole > 1)}"
            )
    return "; ".join(f"{', '.join(words)} also in {where}" for where, words in counts.items())


def _validation(values: Values, apart: list[str]) -> str:
    held = _apart(values, "validation", ["train"])
    lacking = set(apart) - set(held)
    if not lacking:
        return ""  # as strict as test
    within = ""
    if "corpus" in lacking:
        within = f" within {_corpora(values['corpus']['train'])}"
    elif "speaker" in lacking and len(values["speaker"]["train"]) == 1:
        within = " within the training speaker"
    if held:
        return f"validation {'- and '.join(held)}-disjoint{within}"
    return _shared(values, "validation", ["train"]) or f"validation{within}"
