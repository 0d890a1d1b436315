"""A recording and what is known of it: corpora list it, splits divide it and results name it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording and what is known of it. A field that a corpus does not know is None.

    Args:
        path: The file, absolute.
        key: Its path relative to the corpus root, with forward slashes, as text (`ser.errors.readable`): what results
            and split files call it.
        emotion: Canonical name (`ser.data.emotions`).
        corpus: Name of the corpus it comes from.
        speaker: Unique over all corpora, e.g. `ravdess_07`.
        gender: `female` or `male`.
        intensity: `normal` or `strong`, where acted (CREMA-D: `low`, `medium` or `high`).
        statement: Which sentence is spoken; the same text has the same name.
        word: The single word that is spoken (TESS).
        repetition: Take number.
        part: `train`, `val` or `test` where the user's own list names one.
        numbers: What is to be predicted where `dataset.target` names numbers, in its order; else empty.
        content: Hash of the prepared samples, filled in by the waveform store: equal hashes are one recording.
        original: Hash of the samples in the file, whatever the settings, filled in by the waveform store.
    """

    path: Path
    key: str
    emotion: str
    corpus: str
    speaker: str | None = None
    gender: str | None = None
    intensity: str | None = None
    statement: str | None = None
    word: str | None = None
    repetition: int | None = None
    part: str | None = None
    numbers: tuple[float, ...] = ()
    content: str | None = None
    original: str | None = None
