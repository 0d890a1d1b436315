"""From a file to its samples: WAV, FLAC and what else libsndfile reads, whole or refused with the reason.

The only module that knows soundfile. No state, so that threads may decode a corpus side by side (the libraries release
Python's lock).
"""

import errno
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from ser.data.audio.containers import STREAMED_LENGTH, UncountedMp3, find_mp3, find_samples, with_length
from ser.data.audio.foreign import what_it_is
from ser.data.audio.silence import without_c_warnings
from ser.errors import UserError
from ser.system.files import write_atomically

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


class Unread(BadRecording):
    """The system did not give the file, or no memory for it: that may pass, and says nothing of what it holds."""


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


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that is open.

    Args:
        file: libsndfile's.
        facts: How it holds its samples.
        endless: Whether their number is unknown.
        is_truncated: Whether the file is shorter than its header says.
    """

    file: _Forward
    facts: FileFacts
    endless: bool
    is_truncated: bool

    def read(self, most: int) -> np.ndarray:
        """The next samples (T, channels) float32, at most so many.

        Raises:
            BadRecording: They cannot be decoded.
        """
        # libsndfile takes twice as long to make the same floats of 16 bits
        dtype = "int16" if self.facts.subtype == "PCM_16" else "float32"
        try:
            samples = self.file.read(most, dtype, always_2d=True)
        except soundfile.SoundFileError as error:
            raise BadRecording(f"truncated or damaged: it cannot be decoded to its end ({_reason(error)})") from error
        return np.multiply(samples, np.float32(2**-15), dtype=np.float32) if dtype == "int16" else samples

    def close(self) -> None:
        """Releases libsndfile's handle, not the file's."""
        self.file.close()


def libsndfile_version() -> str:
    """Of the library that decodes."""
    return soundfile.__libsndfile_version__


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
    with opened(path) as recording:
        samples = _all_samples(recording)
        if recording.is_truncated or (not recording.endless and len(samples) < recording.file.frames):
            raise BadRecording(TRUNCATED)
    if len(samples) == 0:
        raise BadRecording("holds no samples")
    check_floats(samples, recording.facts)
    return samples, recording.facts


def cut(source: Path, pieces: Mapping[Path, tuple[float, float]]) -> None:
    """Cuts a long recording into WAV files.

    Args:
        source: The recording.
        pieces: File to write → start and end in seconds.

    Raises:
        UserError: The recording cannot be read, or a file not be written.
    """
    try:
        with soundfile.SoundFile(source) as file:
            kept = file.subtype if file.subtype in SAMPLE_BYTES else "PCM_16"
            for target, ends in pieces.items():
                first, last = (min(int(seconds * file.samplerate), file.frames) for seconds in ends)
                file.seek(max(0, first))
                samples = file.read(max(0, last - first), "int16" if kept == "PCM_16" else "float64")
                about = {"data": samples, "samplerate": file.samplerate, "subtype": kept, "format": "WAV"}
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(target, partial(soundfile.write, **about))
    except soundfile.SoundFileError as error:
        raise UserError(f"{source} cannot be cut into its recordings: {_reason(error)}.") from error


@contextmanager
def opened(path: Path) -> Iterator[Recording]:
    """A file whose samples are read from its start; errors inside the block are those of the file.

    Raises:
        BadRecording: Empty, or nothing that libsndfile reads; inside the block, what cannot be decoded.
        Unread: Missing, denied, or not read to its end for another reason of the system.
    """
    try:
        with (
            path.open("rb", buffering=0) as raw,
            without_c_warnings(),
            closing(_open_recording(raw, path)) as recording,
        ):
            yield recording
    except ValueError as error:  # more samples than any memory holds
        raise BadRecording("its header does not say how long it is, or is damaged") from error
    except MemoryError as error:
        raise Unread("there is no memory for its samples, or its header is damaged") from error
    except OSError as error:
        kind = BadRecording if error.errno in (None, errno.EINVAL) else Unread  # EINVAL: where a header leads nowhere
        raise kind(f"not readable as audio ({_reason(error)})") from error
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise BadRecording(f"not readable as audio ({_reason(error)})") from error


def _open_recording(raw: BinaryIO, path: Path) -> Recording:
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
    endless = file.frames >= UNKNOWN or isinstance(repaired, UncountedMp3)
    is_truncated = missing >= max(1, SAMPLE_BYTES.get(file.subtype, 0) * file.channels)
    return Recording(file, FileFacts(file.samplerate, file.channels, file.subtype), endless, is_truncated)


def _open(source: BinaryIO) -> _Forward:
    """A file by its handle: libsndfile takes no names of more than 1,023 bytes, and guesses by a name's end."""
    source.seek(0)
    by_number = isinstance(source, io.FileIO) and os.name != "nt"
    return _Forward(source.fileno() if by_number else source, closefd=False)


def _all_samples(recording: Recording) -> np.ndarray:
    """All samples, (T, channels) float32."""
    file, channels = recording.file, recording.facts.channels
    if not recording.endless:
        check_length(file.frames * channels)
        return recording.read(file.frames)
    pieces = [np.empty((0, channels), np.float32)]
    while len(piece := recording.read(PIECE)):
        pieces.append(piece)
        check_length(len(pieces) * PIECE * channels)
    return np.concatenate(pieces)


def check_floats(samples: np.ndarray, facts: FileFacts) -> None:
    """Refuses floats that are no sound; what is stored as whole numbers is in range.

    Raises:
        BadRecording: NaN, infinite, or far beyond full scale.
    """
    if not facts.subtype.startswith("PCM"):
        check_peak(samples)


def check_peak(samples: np.ndarray) -> None:
    """Refuses floats (n,), n at least 1, that are no sound.

    Raises:
        BadRecording: NaN, infinite, or far beyond full scale.
    """
    peak = float(np.maximum(samples.max(), -samples.min()))  # NaN where a sample is
    if not np.isfinite(peak):
        raise BadRecording("holds NaN or infinite samples")
    if peak > LOUDEST:
        bits = next((bits for bits in (16, 24, 32) if peak <= 2 ** (bits - 1)), None)
        what = f"floats in the range of {bits}-bit integers" if bits else "floats out of range"
        remedy = f"divide them by {2 ** (bits - 1)}" if bits else "they are no sound"
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
