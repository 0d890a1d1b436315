"""One recording, once: second copies are found by name and confirmed by content.

Kaggle's copies of RAVDESS and TESS hold every file twice. Used twice, a recording would stand in train and in test.
Names are compared first and content only where names collide, so a clean corpus costs nothing.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ser.errors import UserError

if TYPE_CHECKING:
    from ser.data.corpora.corpus import Utterance


def without_copies(named: Iterable[tuple[str, "Utterance"]]) -> tuple[list["Utterance"], int]:
    """Keeps one utterance of each name, and counts the copies passed over.

    The one nearest to the root is kept; at equal depth the first by the alphabet, whatever order they come in.

    Args:
        named: Pairs of the recording's name, which says everything about it, and the utterance.

    Raises:
        UserError: two different recordings have one name.
    """
    named = sorted(named, key=lambda pair: (pair[1].key.count("/"), pair[1].key))
    first: dict[str, Utterance] = {}
    for name, utterance in named:
        kept = first.setdefault(name, utterance)
        if kept is not utterance and not same_recording(kept.path, utterance.path):
            raise UserError(
                f"Two different recordings have one name: {kept.path} and {utterance.path}. "
                "Remove the wrong one, or point dataset.root to a folder that holds only one of them."
            )
    return list(first.values()), len(named) - len(first)


def same_recording(a: Path, b: Path) -> bool:
    """Whether two files hold the same samples: equal bytes, or equal after decoding (a WAV and its FLAC)."""
    try:
        if a.stat().st_size == b.stat().st_size and a.read_bytes() == b.read_bytes():
            return True
    except OSError:
        return False
    return _same_samples(a, b)


def _same_samples(a: Path, b: Path) -> bool:
    import numpy as np

    from ser.data.audio.decode import BadRecording, decode  # soundfile is loaded only for the rare pair that needs it

    try:
        (first, rate), (second, other_rate) = decode(a), decode(b)
    except BadRecording:  # what cannot be decoded is a copy of nothing
        return False
    return rate == other_rate and np.array_equal(first, second)
