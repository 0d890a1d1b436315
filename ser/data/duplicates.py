"""One recording, once: second copies are found by name and confirmed by content.

Kaggle's copies of RAVDESS and TESS hold every file twice. Used twice, a recording would stand in train and in test.
Names are compared first and content only where names collide, so a clean corpus costs nothing.
"""

from collections.abc import Iterable
from pathlib import Path

from ser.data.corpora.audio_files import why_no_file
from ser.data.utterance import Utterance
from ser.errors import UserError


def without_copies(
    named: Iterable[tuple[str, Utterance]],
) -> tuple[list[Utterance], int, dict[Path, tuple[Path, str]]]:
    """Keeps one utterance of each name, and counts the copies skipped.

    The one nearest to the root is kept; at equal depth the first by the alphabet, whatever order they come in. Of two
    files that differ, one that cannot be used (e.g. truncated) is dropped, and the other one kept.

    Args:
        named: Pairs of the recording's name, which says everything about it, and the utterance.

    Returns:
        The utterances, how many copies there are, and each damaged copy with the file that is kept, and why.

    Raises:
        UserError: Two different recordings have one name.
    """
    named = sorted(named, key=lambda pair: (pair[1].key.count("/"), pair[1].key))
    first: dict[str, Utterance] = {}
    copies, damaged = 0, []
    for name, utterance in named:
        kept = first.setdefault(name, utterance)
        if kept is utterance:
            continue
        if same_recording(kept.path, utterance.path):
            copies += 1
        elif reason := _why_unusable(utterance.path):
            damaged.append((name, utterance.path, reason))
        elif reason := _why_unusable(kept.path):
            damaged.append((name, kept.path, reason))
            first[name] = utterance
        else:
            raise UserError(
                f"Two different recordings have one name: {kept.path} and {utterance.path}. "
                "Remove the wrong one, or point dataset.root to a folder that holds only one of them."
            )
    return list(first.values()), copies, {path: (first[name].path, reason) for name, path, reason in damaged}


def same_recording(a: Path, b: Path) -> bool:
    """Whether two files hold the same samples: equal bytes, or equal after decoding (a WAV and its FLAC)."""
    if why_no_file(a) or why_no_file(b):
        return False
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


def _why_unusable(path: Path) -> str:
    """Why no run could use a file, whatever its settings; empty where one could."""
    from ser.data.audio.decode import BadRecording
    from ser.data.audio.prepare import AudioSettings, load

    if reason := why_no_file(path):
        return reason
    try:
        load(path, AudioSettings(trim_db=None, min_duration_s=0.0))
    except BadRecording as error:
        return str(error)
    return ""
