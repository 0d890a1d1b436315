"""From a file to its samples: WAV, FLAC and what else libsndfile reads, whole or refused with the reason.

The only module that knows soundfile. No state, so that threads may decode a corpus side by side (the libraries release
Python's lock).
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from ser.data.audio.containers import STREAMED_LENGTH, UncountedMp3, find_mp3, find_samples, with_length
from ser.data.audio.foreign import what_it_is
from ser.data.audio.silence import without_c_warnings

MOST_SAMPLES = 2**29  # of one recording, all channels, 2 GiB of float32: nine hours of mono at 16 kHz
LOUDEST = 100.0  # no float recording is 40 dB above full scale; integers converted to floats without scaling are
HEAD = 4096  # bytes in which the samples of most WAV files begin
PIECE = 2**18  # samples read at a time where their number is unknown
UNKNOWN = 2**62  # libsndfile reports this many samples or more for a FLAC written to a pipe
SAMPLE_BYTES = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "ULAW": 1, "ALAW": 1, "FLOAT": 4}
SAMPLE_BYTES["DOUBLE"] = 8  # of other kinds every byte counts


TRUNCATED = "truncated: the file ends before its header says"


class BadRecording(Exception):
    """A file that cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """How a file holds its samples.

    Args:
        sample_rate: Hz.
        channels: 1 is mono.
        subtype: libsndfile's name of the sample format, e.g. `PCM_16`.
    """

    sample_rate: int
    channels: int
    subtype: str


class _Forward(soundfile.SoundFile):
    """A file that is read once from its start to its end.

    soundfile seeks after each read where it can: for nothing, and not every codec finds the place again.
    """

    def seekable(self) -> bool:
        return False


def decode(path: Path) -> tuple[np.ndarray, int]:
    """Samples of a file as mono float32 in [-1, 1], and its sample rate in Hz.

    Raises:
        BadRecording: As `read`.
    """
    samples, facts = read(path)
    return samples[:, 0] if facts.channels == 1 else samples.mean(axis=1), facts.sample_rate


def read(path: Path) -> tuple[np.ndarray, FileFacts]:
    """Samples of a file as they are, (T, channels) float32 in [-1, 1], and how the file holds them.

    Raises:
        BadRecording: Missing, empty, truncated, nothing that libsndfile reads, NaN or infinite samples, or too large.
    """
    try:
        with path.open("rb", buffering=0) as raw, without_c_warnings():
            return _read(raw, path)
    except (ValueError, MemoryError) as error:  # more samples than any memory holds
        raise BadRecording("its header does not say how long it is, or is damaged") from error
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise BadRecording(f"not readable as audio ({_reason(error)})") from error


def _read(raw: BinaryIO, path: Path) -> tuple[np.ndarray, FileFacts]:
    if not (head := raw.read(HEAD)):
        raise BadRecording("empty file")
    size = os.fstat(raw.fileno()).st_size
    promised = find_samples(head, raw, size)
    missing = promised.start + promised.length - size if promised and promised.length < STREAMED_LENGTH else 0
    repaired = with_length(raw, promised, size) if promised else find_mp3(head, raw)
    try:
        file = _open(repaired or raw)
    except soundfile.SoundFileError as error:
        if what := what_it_is(head) or (TRUNCATED if missing > 0 else None):
            raise BadRecording(what) from error
        repaired = find_mp3(head, raw, behind_junk=True) if path.suffix.lower() == ".mp3" else None
        if repaired is None:
            raise
        file = _open(repaired)
    with file:
        endless = file.frames >= UNKNOWN or isinstance(repaired, UncountedMp3)
        facts = FileFacts(file.samplerate, file.channels, file.subtype)
        samples = _all_samples(file, endless)
        short = not endless and len(samples) < file.frames
    if short or missing >= max(1, SAMPLE_BYTES.get(facts.subtype, 0) * facts.channels):
        raise BadRecording(TRUNCATED)
    if len(samples) == 0:
        raise BadRecording("holds no samples")
    if not facts.subtype.startswith("PCM"):
        _check_floats(samples)
    return samples, facts


def _open(source: BinaryIO) -> _Forward:
    """A file by its handle: libsndfile takes no names of more than 1,023 bytes, and guesses by a name's end."""
    source.seek(0)
    by_number = isinstance(source, io.FileIO) and os.name != "nt"
    return _Forward(source.fileno() if by_number else source, closefd=False)


def _all_samples(file: soundfile.SoundFile, endless: bool) -> np.ndarray:
    """All samples, (T, channels) float32; libsndfile takes twice as long to make the same floats of 16 bits."""
    dtype = "int16" if file.subtype == "PCM_16" else "float32"
    try:
        if endless:
            pieces = [np.empty((0, file.channels), dtype)]
            while len(piece := file.read(PIECE, dtype, always_2d=True)):
                pieces.append(piece)
                check_length(len(pieces) * PIECE * file.channels)
            samples = np.concatenate(pieces)
        else:
            check_length(file.frames * file.channels)
            samples = file.read(file.frames, dtype, always_2d=True)
    except soundfile.SoundFileError as error:
        raise BadRecording(f"truncated or damaged: it cannot be decoded to its end ({_reason(error)})") from error
    return np.multiply(samples, np.float32(2**-15), dtype=np.float32) if dtype == "int16" else samples


def _check_floats(samples: np.ndarray) -> None:
    peak = float(np.maximum(samples.max(), -samples.min()))  # NaN where a sample is
    if not np.isfinite(peak):
        raise BadRecording("holds NaN or infinite samples")
    if peak > LOUDEST:
        bits = next((bits for bits in (16, 24, 32) if peak <= 2 ** (bits - 1)), None)
        what = f"floats in the range of {bits}-bit integers" if bits else "floats out of range"
        remedy = f"divide them by {2 ** (bits - 1)} and write the file again" if bits else "the file is damaged"
        raise BadRecording(f"{what}: they reach {peak:.5g} where full scale is 1; {remedy}")


def check_length(num_samples: float) -> None:
    """Refuses recordings that are too long, by their header or in fact: a small file can hold hours of silence.

    Raises:
        BadRecording: It has more samples than are decoded at once.
    """
    if num_samples > MOST_SAMPLES:
        raise BadRecording(
            f"too long ({num_samples / MOST_SAMPLES:.3g} times what is decoded at once), or its header is damaged"
        )


def _reason(error: Exception) -> str:
    """What libsndfile or the system says, without the path that the caller names."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    if "possibly a pipe" in text:  # libsndfile's message where libmpg123 finds nothing
        text = "no whole frame of an MP3"
    return text.strip().rstrip(".")
