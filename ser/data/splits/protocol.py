"""The stamp: in a few words, in what the parts of a split are disjoint and what they share. It is on every figure.

It is computed from the recordings in the parts, not from the splitter's settings, so that equal stamps mean equal
facts for drawn splits, published folds and users' lists.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from ser.data.utterance import Utterance

SEEN_IN_TRAINING = ("train", "validation")  # before test
TEXTS = ("word", "statement")  # the first that every recording names is its text
PLACE = re.compile(r",? ?fold (?P<fold>\d+) of (?P<folds>\d+)(?P<name> \(.*?\))?(?=;|$)")
NUMBER = re.compile(r"\b\d+\b")
Values = dict[str, dict[str, set[str]]]  # field → part → the values that occur in it


def stamp(utterances: Sequence[Utterance], parts: dict[str, Sequence[int]], place: str = "", remark: str = "") -> str:
    """Segments joined by `; `; the first is short enough for the title of a figure.

    1. `speaker-independent` where no speaker of test is in train or validation, else `speaker-dependent`, or `speakers
       unknown`; `word-independent` or `statement-independent` where that holds for the text; the direction where
       each side is one corpus or one speaker (`RAVDESS → TESS`); and `place`.
    2. How many speakers and texts of test are also in train or validation.
    3. The corpora in training that are not in test, where some are in both: `trained on TESS too`.
    4. Validation: in what it is disjoint from train, where that is less than for test.
    5. `remark`.

    Args:
        utterances: What the parts index.
        parts: Indices of train, val and test.
        place: Which of several divisions this is: `fold 3 of 6`.
        remark: Where the division comes from.
    """
    values = _values(utterances, {"validation" if part == "val" else part: parts[part] for part in parts})
    apart = _apart(values, "test", SEEN_IN_TRAINING)
    segments = [
        _head(values, apart, place),
        _shared(values, "test", SEEN_IN_TRAINING),
        _further(values, apart),
        _validation(values, apart) if parts["val"] else "no validation",
        remark,
    ]
    return "; ".join(filter(None, segments))


def of_first_weights(before: Sequence[Utterance]) -> str:
    """The segment about the weights that training begins with (`init_from`); empty where there are none.

    Args:
        before: What they have seen; a recording without a corpus stands for all that is not recorded.
    """
    corpora = {utterance.corpus for utterance in before}
    if not all(corpora):
        return "what its first weights were trained on is not recorded"
    return f"first weights trained on {_corpora(corpora)}" if corpora else ""


def merged(stamps: Sequence[str], of: str, place: str = "") -> str:
    """The stamps of several folds or runs as one, each segment once.

    A segment that not all of them have is followed by how many do; numbers that differ become a range. The number of a
    fold, a speaker's name and a direction between two speakers are dropped unless all have the same.

    Args:
        stamps: At least one.
        of: What they are of, in the plural: `folds`.
        place: Replaces the fold: `10 folds pooled`.

    >>> merged(["speaker-independent, fold 1 of 2 (ann); no validation", "speaker-independent, fold 2 of 2 (bob); "
    ...     "no validation; near-copies across parts: 3"], "folds", "2 folds pooled")
    'speaker-independent, 2 folds pooled; no validation; near-copies across parts: 3 (in 1 of 2 folds)'
    """
    places = [PLACE.search(stamp) for stamp in stamps]
    folds = {found and f"fold {found['fold']} of {found['folds']}" for found in places}
    if not place and len(folds) == 1:
        place = folds.pop() or ""
    names = {found and found["name"] for found in places}
    name = names.pop() if len(names) == 1 else None
    parts = [PLACE.sub("", stamp).split("; ") for stamp in stamps]
    heads = [head.split(", ") for head, *_ in parts]
    shared = set.intersection(*map(set, heads))
    words = _each_once([[word for word in head if word in shared or " → " not in word] for head in heads], of)
    head = ", ".join(filter(None, [*words, place])) + (name or "")
    return "; ".join([head, *_each_once([segments for _, *segments in parts], of)])


def fold_of(stamp: str) -> tuple[int, int] | None:
    """The number of the fold that a stamp names, from 1, and of how many; None where it names none.

    >>> fold_of("speaker-independent, fold 3 of 6 (EmoBox); no validation"), fold_of("speaker-dependent")
    ((3, 6), None)
    """
    found = PLACE.search(stamp)
    return (int(found["fold"]), int(found["folds"])) if found else None


def _each_once(lists: Sequence[Sequence[str]], of: str) -> list[str]:
    """The distinct segments of several lists, in order of first appearance."""
    found: dict[str, list[str]] = {}
    for segment in (segment for segments in lists for segment in segments):
        found.setdefault(re.sub(r"s\b", "", NUMBER.sub("#", segment)), []).append(segment)  # 1 speaker, 2 speakers
    return [
        _with_ranges(alike) + (f" (in {len(alike)} of {len(lists)} {of})" if len(alike) < len(lists) else "")
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
        if all(all(of_part) for of_part in found.values()):
            values[field] = found
    if "word" in values:  # the statement of a word adds nothing
        values.pop("statement", None)
    return values


def _together(of: dict[str, set[str]], parts: Sequence[str]) -> set[str]:
    return set().union(*(of[part] for part in parts))


def _apart(values: Values, part: str, others: Sequence[str]) -> list[str]:
    """The fields in which `part` shares no value with the others."""
    return [field for field, of in values.items() if not of[part] & _together(of, others)]


def _head(values: Values, apart: list[str], place: str) -> str:
    words = ["speaker-independent" if "speaker" in apart else "speaker-dependent"]
    if "speaker" not in values:
        words = ["speakers unknown"]
    if "corpus" not in apart:  # two corpora have different texts anyway
        words += [f"{text}-independent" for text in TEXTS if text in apart]
    return ", ".join(filter(None, [*words, _direction(values, apart), place]))


def _direction(values: Values, apart: list[str]) -> str:
    if "corpus" in apart:
        return " → ".join(_corpora(names) for names in _sides(values["corpus"]))
    if "speaker" in apart and all(len(names) == 1 for names in _sides(values["speaker"])):
        return " → ".join(min(names) for names in _sides(values["speaker"]))
    return ""


def _sides(of: dict[str, set[str]]) -> tuple[set[str], set[str]]:
    return _together(of, SEEN_IN_TRAINING), of["test"]


def _corpora(names: set[str]) -> str:
    return " + ".join(sorted(names)).upper()


def _shared(values: Values, part: str, others: Sequence[str]) -> str:
    """`24 of 24 test speakers also in train`, and the same for the texts."""
    counts = defaultdict(list)
    for field, of in values.items():
        common, whole = of[part] & _together(of, others), len(of[part])
        if common and field != "corpus":
            first, *_ = where = [other for other in others if common & of[other]]
            counts[first if common <= of[first] else " or ".join(where)].append(
                f"{len(common)} of {whole} {part} {field}{'s' * (whole > 1)}"
            )
    return "; ".join(f"{', '.join(words)} also in {where}" for where, words in counts.items())


def _further(values: Values, apart: list[str]) -> str:
    """The corpora that are trained on beside the tested ones."""
    if "corpus" not in values or "corpus" in apart:  # in the first segment then
        return ""
    trained, tested = _sides(values["corpus"])
    return f"trained on {_corpora(trained - tested)} too" if trained - tested else ""


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
