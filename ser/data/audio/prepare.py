"""From a file to one clean waveform: decode, mono, offset, resample, trim, level.

The only module that knows soxr. Everything here is NumPy on one recording; no state, so that threads may prepare a
corpus side by side (soxr releases Python's lock).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import soxr

from ser.data.audio.decode import BadRecording, check_length, libsndfile_version, read
from ser.errors import UserError
from ser.system.ranges import Positive, Range, SampleRate

SPREAD = 2**13  # values
A_DAY = 86_400  # seconds
RMS_LEVEL = 0.1  # -20 dBFS: speech of this RMS rarely passes full scale
CANCELLED = 1e-4  # -40 dB: so little is left of channels by their mean where one is the other turned around
SILENCE_PEAK = 1e-4  # -80 dBFS: three steps of 16 bit, what a muted recorder writes
Seconds = Annotated[float, Range(0, A_DAY)]
TRIM_HOP = 512  # samples from frame to frame when silence is looked for; a frame is four of them (librosa's defaults)


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """How every recording of a run is prepared (config group `audio`).

    Args:
        sample_rate: Hz; recordings at another rate are resampled (soxr HQ).
        offset_s: Seconds skipped at the start of each file.
        trim_db: Frames this many dB below the loudest are cut at both ends, as `librosa.effects.trim`; null keeps them.
        level: `none`, `peak` (largest sample becomes 1) or `rms` (root mean square becomes 0.1).
        duration_s: Each clip is cut or zero-padded to this many seconds; null keeps each clip's own length.
        padding_is_signal: Whether padding counts as real signal; true only to repeat a published system that did so.
        min_duration_s: A recording shorter than this, after trimming, is a bad file.
        channel: Of files with several channels the one that is used, counted from 1; null takes the mean of all.

    Raises:
        UserError: A duration of less than a sample.
    """

    sample_rate: SampleRate = 16000
    offset_s: Seconds = 0.0
    trim_db: Positive | None = 40.0
    level: Literal["none", "peak", "rms"] = "none"
    duration_s: Annotated[float, Range(0, A_DAY, "low")] | None = None
    padding_is_signal: bool = False
    min_duration_s: Seconds = 0.1
    channel: Annotated[int, Range(1, 1024)] | None = None

    def __post_init__(self):
        if self.num_samples == 0:
            raise UserError(f"audio.duration_s={self.duration_s} is shorter than one sample.")

    @property
    def num_samples(self) -> int | None:
        """Samples of every clip, or None where each keeps its own length."""
        return None if self.duration_s is None else int(self.duration_s * self.sample_rate)


def versions() -> dict[str, str]:
    """The libraries that decode and resample: another version may give other samples, of an MP3 even another length."""
    return {"libsndfile": libsndfile_version(), "soxr": soxr.__version__}


def samples_hash(samples: np.ndarray, sample_rate: int) -> str:
    """A hash of what a recording holds, equal for lossless copies in files of other formats, or with other tags.

    Of 8,192 values or more, evenly spread: all of them would take a fifth of the time of decoding.

    Args:
        samples: As decoded, (T, channels) float32.
        sample_rate: Hz.
    """
    spread = np.ascontiguousarray(samples[:: max(1, len(samples) // SPREAD)])
    found = hashlib.sha256(f"{samples.shape} {sample_rate} ".encode())
    found.update(spread.data)
    return found.hexdigest()[:32]


def load_with_hash(path: Path, settings: AudioSettings) -> tuple[np.ndarray, str]:
    """As `load`, and `samples_hash` of the file.

    Raises:
        BadRecording: As `load`.
    """
    samples, facts = read(path)
    waveform = prepare(to_mono(samples, settings.channel), facts.sample_rate, settings)
    return waveform, samples_hash(samples, facts.sample_rate)


def load(path: Path, settings: AudioSettings) -> np.ndarray:
    """Reads one recording as the store keeps it: everything but the duration.

    Returns:
        Waveform (T,) float32 at `settings.sample_rate`.

    Raises:
        BadRecording: Empty, truncated, not audio, NaN, silent or too short; it lacks the channel.
    """
    samples, facts = read(path)
    return prepare(to_mono(samples, settings.channel), facts.sample_rate, settings)


def from_pcm(samples: np.ndarray, offset: int, full_scale: int) -> np.ndarray:
    """Whole numbers as float32 in [-1, 1]; `offset` is silence: 128 of uint8, else 0."""
    return ((samples.astype(np.float64) - offset) / full_scale).astype(np.float32)


def to_mono(samples: np.ndarray, channel: int | None) -> np.ndarray:
    """One channel, counted from 1, or the mean of all; what is mono stays as it is.

    Shape:
        (T, channels) → (T,).

    Raises:
        BadRecording: There is no such channel, or the channels cancel each other.
    """
    count = samples.shape[1]
    if count == 1:
        return samples[:, 0]
    if channel is not None:
        if channel > count:
            raise BadRecording(f"has {count} channels: there is none for audio.channel={channel}")
        return np.ascontiguousarray(samples[:, channel - 1])
    waveform = samples.mean(axis=1)
    if _energy(waveform) < CANCELLED * _energy(samples.reshape(-1)) / count:
        raise BadRecording(
            "channels that cancel each other: their mean is silent; take one with audio.channel=1, or save one alone"
        )
    return waveform


def prepare(waveform: np.ndarray, sample_rate: int, settings: AudioSettings) -> np.ndarray:
    """Applies offset, resampling, trim and level to a finite mono waveform (T,), in this order.

    Raises:
        BadRecording: Silence, or nothing left.
    """
    energy = _energy(waveform)
    if start := int(settings.offset_s * sample_rate):
        energy = _energy(waveform := waveform[start:])
    # where the root mean square is above the limit the peak is: speech is never searched for it
    if energy < SILENCE_PEAK**2 * len(waveform) and np.abs(waveform).max() < SILENCE_PEAK:
        raise BadRecording("silent: no sample above -80 dBFS")
    waveform = resampled(waveform, sample_rate, settings.sample_rate)
    if len(waveform) and settings.trim_db is not None:
        start, end = voiced_range(waveform, settings.trim_db)
        waveform = waveform[start:end]
    if len(waveform) < max(1, settings.min_duration_s * settings.sample_rate):
        raise BadRecording(
            f"too short: {len(waveform) / settings.sample_rate:.3f} s after offset and trim, "
            f"audio.min_duration_s is {settings.min_duration_s}"
        )
    return np.ascontiguousarray(set_level(waveform, settings.level), dtype=np.float32)


def resampled(waveform: np.ndarray, before: int, after: int) -> np.ndarray:
    """A waveform (T,) at another sample rate, Hz (soxr HQ).

    Raises:
        BadRecording: It would be too long.
    """
    if not len(waveform) or before == after:
        return waveform
    check_length(len(waveform) * after / before)
    return soxr.resample(waveform, before, after, quality="HQ")


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


def _energy(waveform: np.ndarray) -> float:
    """The sum of squares, in one pass."""
    return float(np.einsum("i,i->", waveform, waveform))


def set_level(waveform: np.ndarray, level: str) -> np.ndarray:
    """Scales a non-silent waveform to a peak of 1 (`peak`) or a root mean square of 0.1 (`rms`)."""
    if level == "peak":
        return waveform / np.abs(waveform).max()
    if level == "rms":
        return waveform * (RMS_LEVEL / np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    return waveform
