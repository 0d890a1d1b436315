"""The stamp: in a few words, what the parts of a split have apart and what they share. It goes with every figure.

It is computed from the recordings that are really in the parts, never from what a splitter means to do, so that equal
words mean equal facts for drawn splits, published folds and somebody's own list.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser.data.corpora.corpus import Utterance

HEARD = ("train", "validation")  # before test
TEXTS = ("word", "statement")  # the first that every recording names is what is said
Values = dict[str, dict[str, set[str]]]  # field → part → the values that occur in it


def stamp(utterances: Sequence["Utterance"], parts: dict[str, Sequence[int]], place: str = "", remark: str = "") -> str:
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


def _values(utterances: Sequence["Utterance"], parts: dict[str, Sequence[int]]) -> Values:
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
