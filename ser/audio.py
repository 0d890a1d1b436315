"""From a file to one clean waveform: decode, mono, resample, offset, trim, level; and pad or crop to a duration.

The only module that knows soundfile and soxr. Everything here is NumPy on one recording; no state, so that threads may
decode a corpus side by side (both libraries release Python's lock).
"""

import io
import math
import os
import struct
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from ser.errors import UserError, did_you_mean

LEVELS = ("none", "peak", "rms")
RMS_LEVEL = 0.1  # -20 dBFS: speech of this RMS rarely passes full scale
SILENCE_PEAK = 1e-4  # -80 dBFS: three steps of 16 bit, what a muted recorder writes
TRIM_HOP = 512  # samples from frame to frame when silence is looked for; a frame is four of them (librosa's defaults)
MOST_SAMPLES = 2**29  # of one recording, all channels, 2 GiB of float32: nine hours of mono at 16 kHz
STREAMED_LENGTH = 0x7FFF0000  # WAV chunks that claim so much (2 GiB) were written to a pipe: a placeholder


class BadRecording(Exception):
    """A file that cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """How every recording of a run is prepared (config group `audio`).

    Args:
        sample_rate: Hz; recordings at another rate are resampled (soxr HQ).
        offset_s: Seconds passed over at the start of each file.
        trim_db: Frames this many dB below the loudest are cut at both ends, as `librosa.effects.trim`; null keeps them.
        level: `none`, `peak` (largest sample becomes 1) or `rms` (root mean square becomes 0.1).
        duration_s: Each clip is cut or zero-padded to this many seconds; null keeps each clip's own length.
        padding_is_signal: Whether padding counts as real signal; true only to repeat a published system that did so.
        min_duration_s: A recording shorter than this, after trimming, is a bad file.

    Raises:
        UserError: A value outside its range, or of another kind.
    """

    sample_rate: int = 16000
    offset_s: float = 0.0
    trim_db: float | None = 40.0
    level: str = "none"
    duration_s: float | None = None
    padding_is_signal: bool = False
    min_duration_s: float = 0.1

    def __post_init__(self):
        if self.level not in LEVELS:
            raise UserError(f"audio.level={self.level} is not a level. {did_you_mean(str(self.level), list(LEVELS))}")
        if not _is_number(self.sample_rate) or self.sample_rate != int(self.sample_rate) or self.sample_rate < 1000:
            raise UserError(f"audio.sample_rate={self.sample_rate} must be a whole number of Hz, at least 1000.")
        for name in ("offset_s", "min_duration_s"):
            if not _is_number(getattr(self, name)) or getattr(self, name) < 0:
                raise UserError(f"audio.{name}={getattr(self, name)} must be a number of seconds, not negative.")
        for name in ("trim_db", "duration_s"):
            value = getattr(self, name)
            if value is not None and (not _is_number(value) or value <= 0):
                raise UserError(f"audio.{name}={value} must be a number above zero, or null to switch it off.")
        if self.num_samples == 0:
            raise UserError(f"audio.duration_s={self.duration_s} is shorter than one sample.")
        if not isinstance(self.padding_is_signal, bool):
            raise UserError(f"audio.padding_is_signal={self.padding_is_signal} must be true or false.")

    @property
    def num_samples(self) -> int | None:
        """Samples of every clip, or None where each keeps its own length."""
        return None if self.duration_s is None else int(self.duration_s * self.sample_rate)


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


def load(path: Path, settings: AudioSettings) -> np.ndarray:
    """Reads one recording as the store keeps it: everything but the duration.

    Returns:
        Waveform (T,) float32 at `settings.sample_rate`.

    Raises:
        BadRecording: Empty, truncated, not audio, NaN, silent or too short.
    """
    waveform, sample_rate = decode(path)
    return prepare(waveform, sample_rate, settings)


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
            if os.fstat(raw.fileno()).st_size == 0:
                raise BadRecording("empty file")
            truncated, mended = _misses_bytes(raw), _with_length(raw)
        name = path if os.name == "nt" else os.fsencode(path)  # names that are no text, too
        with soundfile.SoundFile(mended or name) as file:
            promised, facts = file.frames, FileFacts(file.samplerate, file.channels, file.subtype)
            _check_length(promised * facts.channels)
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


def prepare(waveform: np.ndarray, sample_rate: int, settings: AudioSettings) -> np.ndarray:
    """Applies offset, resampling, trim and level to a mono waveform (T,), in this order.

    Raises:
        BadRecording: NaN or infinite samples, silence, or nothing left.
    """
    if not math.isfinite(_peak(waveform)):
        raise BadRecording("holds NaN or infinite samples")
    waveform = waveform[int(settings.offset_s * sample_rate) :]
    if len(waveform) and _peak(waveform) < SILENCE_PEAK:
        raise BadRecording("silent: no sample above -80 dBFS")
    if len(waveform) and sample_rate != settings.sample_rate:
        _check_length(len(waveform) * settings.sample_rate / sample_rate)
        waveform = soxr.resample(waveform, sample_rate, settings.sample_rate, quality="HQ")
    if len(waveform) and settings.trim_db is not None:
        start, end = voiced_range(waveform, settings.trim_db)
        waveform = waveform[start:end]
    if len(waveform) < max(1, settings.min_duration_s * settings.sample_rate):
        raise BadRecording(
            f"too short: {len(waveform) / settings.sample_rate:.3f} s after offset and trim, "
            f"audio.min_duration_s is {settings.min_duration_s}"
        )
    return np.ascontiguousarray(set_level(waveform, settings.level), dtype=np.float32)


def voiced_range(waveform: np.ndarray, trim_db: float) -> tuple[int, int]:
    """First and last sample of what is louder than `trim_db` below the loudest frame.

    The same range as `librosa.effects.trim(waveform, top_db=trim_db)`: mean square of centred, zero-padded frames, kept
    where its level passes the threshold. A frame is four hops, so each hop is squared once, and not four times.

    >>> tone = np.r_[np.zeros(4096), np.ones(4096), np.zeros(4096)].astype("float32")
    >>> voiced_range(tone, 40.0)
    (3584, 9216)
    """
    num_frames = 1 + len(waveform) // TRIM_HOP
    hops = np.zeros((num_frames + 3, TRIM_HOP), dtype=np.float32)  # two before the waveform, one behind its last frame
    hops.reshape(-1)[2 * TRIM_HOP :][: len(waveform)] = waveform
    energy = np.einsum("ij,ij->i", hops, hops).astype(np.float64)
    mean_square = (energy[:-3] + energy[1:-2] + energy[2:-1] + energy[3:]) / (4 * TRIM_HOP)
    power_floor = 1e-10  # librosa's amin for amplitudes, squared
    level_db = 10.0 * np.log10(np.maximum(mean_square, power_floor) / max(mean_square.max(), power_floor))
    loud = np.flatnonzero(level_db > -trim_db)
    if not len(loud):
        return 0, 0
    return int(loud[0]) * TRIM_HOP, min(len(waveform), (int(loud[-1]) + 1) * TRIM_HOP)


def _peak(waveform: np.ndarray) -> float:
    """The largest absolute value, NaN where there is one; 0 of nothing."""
    return max(float(waveform.max()), -float(waveform.min())) if len(waveform) else 0.0


def set_level(waveform: np.ndarray, level: str) -> np.ndarray:
    """Scales a non-silent waveform to a peak of 1 (`peak`) or a root mean square of 0.1 (`rms`)."""
    if level == "peak":
        return waveform / np.abs(waveform).max()
    if level == "rms":
        return waveform * (RMS_LEVEL / np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    return waveform


def _check_length(num_samples: float) -> None:
    """A small file can stand for hours of silence, or claim that its few samples last for years."""
    if num_samples > MOST_SAMPLES:
        raise BadRecording(
            f"too long ({num_samples / MOST_SAMPLES:.3g} times what is decoded at once), or its header is damaged"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


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
