"""What emotions are called, and in which order they stand.

Corpora call one emotion by many names: RAVDESS writes `fearful`, TESS `fear`, others `FEA`. Everything in `ser` uses
the canonical name, so that results of different corpora can be put beside each other. The canonical words are those
of RAVDESS, in its order; a few more follow that other corpora act (EMO-DB, IEMOCAP, CREMA-D, MSP). A word that is not
known here is no error: it is written in one form and used as it is.
"""

import re
import unicodedata
from collections.abc import Iterable

EMOTIONS = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
    "bored",
    "contempt",
    "excited",
    "frustrated",
)
"""The canonical names in their fixed order: that of RAVDESS's codes 01 to 08, then further ones."""

_OTHER_NAMES = {
    "neutral": "neu neutrality normal",
    "calm": "calmness",
    "happy": "hap happiness joy joyful",
    "sad": "sadness",
    "angry": "ang anger",
    "fearful": "fea fear afraid scared",
    "disgust": "dis disgusted",
    "surprised": "sur surprise ps pleasant_surprise pleasant_surprised pleasantly_surprised",
    "bored": "boredom",
    "contempt": "contemptuous",
    "excited": "exc excitement",
    "frustrated": "fru frustration",
}
ALIASES = {other: emotion for emotion, others in _OTHER_NAMES.items() for other in others.split()}
"""Other names for the canonical ones, written in the form that `one_form` gives."""

_GENDERS = {word: gender for gender in ("female", "male") for word in (gender, gender[0])} | {
    "woman": "female",
    "w": "female",
    "man": "male",
}
# Blanks and ASCII punctuation. Not `\W`: that would cut words of Indic scripts at their vowel signs.
_SEPARATORS = re.compile(r"[\s!-/:-@\[-`{-~]+")


def one_form(word: str) -> str:
    """`word` in lower case, with single underscores for blanks and punctuation.

    >>> one_form(" Pleasant-Surprise ")
    'pleasant_surprise'
    """
    # Composed characters: macOS hands out file names with accents as separate characters.
    return _SEPARATORS.sub("_", unicodedata.normalize("NFC", str(word)).lower()).strip("_")


def canonical(word: str) -> str:
    """The canonical name of an emotion; an unknown word in one form, unchanged in meaning.

    Args:
        word: What a corpus, a CSV file or a command line calls it.

    >>> canonical("Fear"), canonical("pleasant surprise"), canonical("Home Sick")
    ('fearful', 'surprised', 'home_sick')
    """
    word = one_form(word)
    return ALIASES.get(word, word)


def canonical_gender(word: str) -> str | None:
    """`female` or `male` for the usual abbreviations, None for an empty word, another word in one form.

    >>> canonical_gender("F"), canonical_gender("man"), canonical_gender(" ")
    ('female', 'male', None)
    """
    word = one_form(word)
    return _GENDERS.get(word, word) or None


def in_order(emotions: Iterable[str]) -> list[str]:
    """Distinct emotions in the fixed order: canonical ones as in `EMOTIONS`, then the others by the alphabet.

    >>> in_order(["zest", "angry", "awe", "neutral", "angry"])
    ['neutral', 'angry', 'awe', 'zest']
    """
    return sorted(set(emotions), key=position)


def position(emotion: str) -> tuple[int, str]:
    """The key by which `in_order` sorts."""
    return (EMOTIONS.index(emotion) if emotion in EMOTIONS else len(EMOTIONS)), emotion
