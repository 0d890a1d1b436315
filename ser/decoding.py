"""From a file to its samples: WAV, FLAC and what else libsndfile reads, whole or refused with the reason.

The only module that knows soundfile. No state, so that threads may decode a corpus side by side (the libraries release
Python's lock).
"""

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from ser import flac

MOST_SAMPLES = 2**29  # of one recording, all channels, 2 GiB of float32: nine hours of mono at 16 kHz
MOST_FILES = 2**17  # bytes: a clip as FLAC is shorter, and read at once
STREAMED_LENGTH = 0x7FFF0000  # WAV chunks that claim so much (2 GiB) were written to a pipe: a placeholder


class BadRecording(Exception):
    """A file that cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """How a file holds its samples.

    Args:
        sample_rate: Hz.
        channels: 1 is mono.
        subtype: libsndfile's word for one sample, e.g. `PCM_16`.
    """

    sample_rate: int
    channels: int
    subtype: str


def decode(path: Path) -> tuple[np.ndarray, int]:
    """Samples of a file as mono float32 in [-1, 1], and its sample rate in Hz.

    Raises:
        BadRecording: Missing, empty, truncated, or nothing that libsndfile reads.
    """
    samples, facts = read(path)
    return samples[:, 0] if facts.channels == 1 else samples.mean(axis=1), facts.sample_rate


def read(path: Path) -> tuple[np.ndarray, FileFacts]:
    """Samples of a file as they are, (T, channels) float32 in [-1, 1], and how the file holds them.

    Raises:
        BadRecording: Missing, empty, truncated, or nothing that libsndfile reads.
    """
    try:
        with path.open("rb", buffering=0) as raw:
            if not (start := raw.read(MOST_FILES)):
                raise BadRecording("empty file")
            if start.startswith(flac.MAGIC) and (decoded := _by_dr_flac(start, raw)) is not None:
                return decoded
            truncated, mended = _misses_bytes(raw), _with_length(raw)
        name = path if os.name == "nt" else os.fsencode(path)  # names that are no text, too
        with soundfile.SoundFile(mended or name) as file:
            promised, facts = file.frames, FileFacts(file.samplerate, file.channels, file.subtype)
            check_length(promised * facts.channels)
            samples = file.read(dtype="float32", always_2d=True)  # (T, channels)
    except (ValueError, MemoryError) as error:  # more samples than any memory holds
        raise BadRecording("its header does not say how long it is, or is damaged") from error
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise BadRecording(f"not readable as audio ({_reason(error)})") from error
    if len(samples) == 0:
        raise BadRecording("holds no samples")
    if truncated or len(samples) < promised:
        raise BadRecording("truncated: the file ends before its header says")
    return samples, facts


def _by_dr_flac(start: bytes, raw: BinaryIO) -> tuple[np.ndarray, FileFacts] | None:
    """What `read` gives, for a sound FLAC file; None for one that libsndfile must look at."""
    data = start if len(start) < MOST_FILES else start + raw.readall()
    decoded = flac.decode_flac(data, MOST_SAMPLES)
    if decoded is None:
        return None
    samples, sample_rate, subtype = decoded
    return samples, FileFacts(sample_rate, samples.shape[1], subtype)


def check_length(num_samples: float) -> None:
    """A small file can stand for hours of silence, or claim that its few samples last for years.

    Raises:
        BadRecording: It has more samples than are decoded at once.
    """
    if num_samples > MOST_SAMPLES:
        raise BadRecording(
            f"too long ({num_samples / MOST_SAMPLES:.3g} times what is decoded at once), or its header is damaged"
        )


def _sample_chunk(raw: BinaryIO) -> tuple[int, int] | None:
    """Where a WAV's or AIFF's samples begin, and how many bytes of them its header promises; None for other formats."""
    raw.seek(0)
    header = raw.read(12)
    kinds = {(b"RIFF", b"WAVE"): ("<4sI", b"data"), (b"FORM", b"AIFF"): (">4sI", b"SSND")}
    layout, wanted = kinds.get((header[:4], header[8:]), ("", b""))
    while layout and len(chunk := raw.read(8)) == 8:
        name, length = struct.unpack(layout, chunk)
        if name == wanted:
            return raw.tell(), length
        raw.seek(length + length % 2, io.SEEK_CUR)  # chunks are padded to even lengths
    return None


def _misses_bytes(raw: BinaryIO) -> bool:
    """Whether the file is shorter than its header says: libsndfile reads such a WAV or AIFF without a word."""
    if (chunk := _sample_chunk(raw)) is None:
        return False
    start, length = chunk
    return length < STREAMED_LENGTH and start + length > raw.seek(0, io.SEEK_END)


def _with_length(raw: BinaryIO) -> io.BytesIO | None:
    """A mended copy of a WAV whose lengths are still 0, as a pipe or a killed recorder leaves it; None for all others.

    libsndfile takes the other placeholder, 0xFFFFFFFF, as it should, but reads nothing where it finds 0.
    """
    chunk, size = _sample_chunk(raw), raw.seek(0, io.SEEK_END)
    raw.seek(0)
    if chunk is None or chunk[1] > 0 or chunk[0] == size:
        return None
    data = bytearray(raw.read())
    if data[:4] != b"RIFF" or struct.unpack_from("<I", data, 4)[0] == size - 8:  # it is whole, and truly empty
        return None
    struct.pack_into("<I", data, 4, size - 8)
    struct.pack_into("<I", data, chunk[0] - 4, size - chunk[0])
    return io.BytesIO(data)


def _reason(error: Exception) -> str:
    """What libsndfile or the system says, without the path that the caller names."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return text.strip().rstrip(".")
