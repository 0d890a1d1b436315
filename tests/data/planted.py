"""Copies of a recording, altered as recordings are when corpora are collected, exchanged and cleaned."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
import soxr

from ser.data.audio.prepare import voiced_range

Alter = Callable[[np.ndarray, int], tuple[np.ndarray, int]]  # waveform (T,) or (T, channels), sample rate → the same


def gain(db: float) -> Alter:
    return lambda waveform, rate: (10 ** (db / 20) * waveform, rate)


def clipped(share: float) -> Alter:
    """The loudest samples cut off."""

    def alter(waveform, rate):
        most = np.quantile(np.abs(waveform), 1 - share)
        return np.clip(waveform, -most, most), rate

    return alter


def through(*rates: int) -> Alter:
    """Resampled to one rate after the other."""

    def alter(waveform, rate):
        for other in rates:
            waveform, rate = soxr.resample(waveform, rate, other), other
        return waveform, rate

    return alter


def padded(before_s: float, after_s: float, noise: float = 0.0) -> Alter:
    """With silence, or white noise of this RMS, around it."""

    def alter(waveform, rate):
        rng = np.random.default_rng(len(waveform))
        parts = [noise * rng.standard_normal(int(seconds * rate)) for seconds in (before_s, after_s)]
        return np.concatenate([parts[0], waveform, parts[1]]), rate

    return alter


def trimmed(db: float) -> Alter:
    return lambda waveform, rate: (waveform[slice(*voiced_range(waveform, db))], rate)


def cut(start: float, end: float) -> Alter:
    return lambda waveform, rate: (waveform[int(start * len(waveform)) : int(end * len(waveform))], rate)


def filtered(cutoffs, kind: str) -> Alter:
    def alter(waveform, rate):
        return scipy.signal.sosfilt(scipy.signal.butter(2, cutoffs, kind, fs=rate, output="sos"), waveform), rate

    return alter


def offset(by: float) -> Alter:
    return lambda waveform, rate: (waveform + by, rate)


def noisy(snr_db: float) -> Alter:
    def alter(waveform, rate):
        noise = np.random.default_rng(len(waveform)).standard_normal(len(waveform))
        return waveform + noise * np.sqrt(np.mean(waveform**2)) * 10 ** (-snr_db / 20), rate

    return alter


def full_scale(waveform: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    return 0.99 * waveform / np.abs(waveform).max(), rate


def flipped(waveform: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    return -waveform, rate


def stereo(waveform: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """One side 6 dB quieter."""
    return np.stack([waveform, 0.5 * waveform], axis=1), rate


def both(*alterations: Alter) -> Alter:
    """One after the other."""

    def alter(waveform, rate):
        for each in alterations:
            waveform, rate = each(waveform, rate)
        return waveform, rate

    return alter


# name → alteration, and how the file is written: suffix and soundfile's subtype
PLANTED: dict[str, tuple[Alter, str, str]] = {
    "quieter": (gain(-20), ".wav", "PCM_16"),
    "louder": (gain(6), ".wav", "PCM_16"),  # what passes full scale is clipped
    "clipped": (clipped(0.01), ".wav", "PCM_16"),
    "float": (gain(-3), ".wav", "FLOAT"),
    "8 bit": (full_scale, ".wav", "PCM_U8"),
    "flipped": (flipped, ".wav", "PCM_16"),
    "offset": (offset(0.02), ".wav", "PCM_16"),
    "stereo": (stereo, ".wav", "PCM_16"),
    "48 kHz": (through(48000), ".wav", "PCM_16"),
    "48 kHz and back": (through(48000, 16000), ".wav", "PCM_16"),
    "22.05 kHz": (through(22050), ".wav", "PCM_16"),
    "8 kHz": (through(8000), ".wav", "PCM_16"),
    "8 kHz and back": (through(8000, 16000), ".flac", "PCM_16"),
    "padded": (padded(0.5, 1.2), ".wav", "PCM_16"),
    "padded in front": (padded(0.313, 0), ".wav", "PCM_16"),
    "padded with noise": (padded(0.4, 0.7, noise=3e-4), ".wav", "PCM_16"),
    "trimmed": (trimmed(30), ".wav", "PCM_16"),
    "first 80 %": (cut(0, 0.8), ".wav", "PCM_16"),
    "last half": (cut(0.5, 1), ".wav", "PCM_16"),
    "first half, padded": (both(cut(0, 0.5), padded(0.2, 0.6)), ".wav", "PCM_16"),
    "high-passed": (filtered(100, "highpass"), ".wav", "PCM_16"),
    "telephone": (filtered((300, 3400), "bandpass"), ".wav", "PCM_16"),
    "noise": (noisy(25), ".wav", "PCM_16"),
    "MP3": (through(44100), ".mp3", "MPEG_LAYER_III"),
    "Ogg": (gain(0), ".ogg", "VORBIS"),
    "µ-law": (through(8000), ".wav", "ULAW"),
    "resampled and padded": (both(through(48000), padded(0.37, 0.2)), ".wav", "PCM_16"),
    "quieter, 8 kHz, padded": (both(gain(-14), padded(0.37, 0.9), through(8000)), ".wav", "PCM_16"),
    "22 kHz, noise around, MP3": (both(through(22050), padded(0.2, 0.1, noise=3e-4)), ".mp3", "MPEG_LAYER_III"),
    "flipped, clipped, 11 kHz": (both(flipped, clipped(0.005), through(11025), offset(0.01)), ".wav", "PCM_16"),
}


def write_planted(path: Path, name: str, waveform: np.ndarray, sample_rate: int) -> Path:
    """Writes a copy of a recording, altered as `PLANTED[name]` says; `path` gets its suffix."""
    alter, suffix, subtype = PLANTED[name]
    altered, sample_rate = alter(waveform, sample_rate)
    path = path.with_suffix(suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, altered, sample_rate, subtype=subtype)
    return path
