"""From a file to its samples: WAV, FLAC and what else libsndfile reads, whole or refused with the reason.

The only module that knows soundfile. No state, so that threads may decode a corpus side by side (the libraries release
Python's lock).
"""

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile

MOST_SAMPLES = 2**29  # of one recording, all channels, 2 GiB of float32: nine hours of mono at 16 kHz
HEAD = 4096  # bytes in which the samples of most WAV files begin
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
            if not (head := raw.read(HEAD)):
                raise BadRecording("empty file")
            size, chunk = os.fstat(raw.fileno()).st_size, _sample_chunk(head, raw)
            # libsndfile reads a WAV or AIFF that is shorter than its header says without a word
            truncated = chunk is not None and chunk.length < STREAMED_LENGTH and chunk.start + chunk.length > size
            mended = _with_length(raw, chunk, size) if chunk is not None else None
        name = path if os.name == "nt" else os.fsencode(path)  # names that are no text, too
        with soundfile.SoundFile(mended or name) as file:
            promised, facts = file.frames, FileFacts(file.samplerate, file.channels, file.subtype)
            check_length(promised * facts.channels)
            samples = _as_floats(file)
    except (ValueError, MemoryError) as error:  # more samples than any memory holds
        raise BadRecording("its header does not say how long it is, or is damaged") from error
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise BadRecording(f"not readable as audio ({_reason(error)})") from error
    if len(samples) == 0:
        raise BadRecording("holds no samples")
    if truncated or len(samples) < promised:
        raise BadRecording("truncated: the file ends before its header says")
    return samples, facts


def _as_floats(file: soundfile.SoundFile) -> np.ndarray:
    """All samples, (T, channels) float32; libsndfile takes twice as long to make the same floats of 16 bits."""
    if file.subtype == "PCM_16":
        return np.multiply(file.read(dtype="int16", always_2d=True), np.float32(2**-15), dtype=np.float32)
    return file.read(dtype="float32", always_2d=True)


def check_length(num_samples: float) -> None:
    """A small file can stand for hours of silence, or claim that its few samples last for years.

    Raises:
        BadRecording: It has more samples than are decoded at once.
    """
    if num_samples > MOST_SAMPLES:
        raise BadRecording(
            f"too long ({num_samples / MOST_SAMPLES:.3g} times what is decoded at once), or its header is damaged"
        )


class _Chunk(NamedTuple):
    """Where a WAV's or AIFF's samples begin, and how many bytes of them its header promises."""

    start: int
    length: int


def _sample_chunk(head: bytes, raw: BinaryIO) -> _Chunk | None:
    """The samples of a WAV or AIFF; None for other formats.

    Looked for in the first bytes, and in the file only where other chunks come before: each seek costs a system call.
    """
    kinds = {(b"RIFF", b"WAVE"): ("<4sI", b"data"), (b"FORM", b"AIFF"): (">4sI", b"SSND")}
    kind = kinds.get((head[:4], head[8:12]))
    return kind and (_find_chunk(io.BytesIO(head), *kind) or _find_chunk(raw, *kind))


def _find_chunk(file: BinaryIO, layout: str, wanted: bytes) -> _Chunk | None:
    file.seek(12)
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack(layout, header)
        if name == wanted:
            return _Chunk(file.tell(), length)
        file.seek(length + length % 2, io.SEEK_CUR)  # chunks are padded to even lengths
    return None


def _with_length(raw: BinaryIO, chunk: _Chunk, size: int) -> io.BytesIO | None:
    """A mended copy of a WAV whose lengths are still 0, as a pipe or a killed recorder leaves it; None for all others.

    libsndfile takes the other placeholder, 0xFFFFFFFF, as it should, but reads nothing where it finds 0.
    """
    if chunk.length > 0 or chunk.start == size:
        return None
    raw.seek(0)
    data = bytearray(raw.read())
    if data[:4] != b"RIFF" or struct.unpack_from("<I", data, 4)[0] == size - 8:  # it is whole, and truly empty
        return None
    struct.pack_into("<I", data, 4, size - 8)
    struct.pack_into("<I", data, chunk.start - 4, size - chunk.start)
    return io.BytesIO(data)


def _reason(error: Exception) -> str:
    """What libsndfile or the system says, without the path that the caller names."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return text.strip().rstrip(".")
