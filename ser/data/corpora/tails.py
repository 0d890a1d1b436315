"""Which of several files a path in a list means: they agree from the end, whatever folders lie above."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from ser.data.corpora.audio_files import AUDIO_SUFFIXES, FILM_SUFFIXES

ENDINGS = AUDIO_SUFFIXES | FILM_SUFFIXES  # a list may name films, whose sound lies here


class Tails:
    """The files that a list may mean.

    Args:
        paths: As text (`ser.errors.readable`).
    """

    def __init__(self, paths: Iterable[str]):
        self._called: dict[str, dict[int, tuple[str, ...]]] = defaultdict(dict)
        for i, path in enumerate(paths):
            tail = tail_of(path)
            self._called[tail[0]][i] = tail

    def nearest(self, path: str) -> tuple[int, list[int]]:
        """How many names a path and the files nearest to it have in common, and these files; 0 and none at worst."""
        tail = tail_of(path)
        agreement = {i: _agreement(tail, other) for i, other in self._called.get(tail[0], {}).items()}
        furthest = max(agreement.values(), default=0)
        return furthest, [i for i, length in agreement.items() if length == furthest]


def tail_of(path: str) -> tuple[str, ...]:
    r"""The names of a path from the end, the first without its ending; in one case and composition of letters.

    >>> tail_of(r"C:\Corpus\Actor_01\03-01.WAV")
    ('03-01', 'actor_01', 'corpus', 'c:')
    """
    # Composed characters: macOS hands out file names with accents as separate characters.
    names = unicodedata.normalize("NFC", path).casefold().replace("\\", "/").split("/")
    first, *folders = [name for name in reversed(names) if name not in ("", ".")] or [""]
    stem, dot, ending = first.rpartition(".")
    return (stem if dot and f".{ending}" in ENDINGS else first, *folders)


def _agreement(tail: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many leading names two tails have in common.

    >>> _agreement(("a", "ann", "x"), ("a", "ann", "y", "z"))
    2
    """
    return next((k for k, (a, b) in enumerate(zip(tail, other, strict=False)) if a != b), min(len(tail), len(other)))
