"""One recording to look at: its waveform, and its mel spectrogram."""

from functools import lru_cache

import numpy as np
import torch
from librosa.display import specshow
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.ticker import NullLocator

from ser.frontends.functional import hz_to_mel, mel_to_hz
from ser.frontends.log_mel import LogMel
from ser.frontends.stft import Stft
from ser.reports.figures import BLUE, Picture, blank, png_of, stamp_lines

BANDS = 64
RANGE_DB = 70.0  # below the loudest point; lower values are background noise
COLUMNS = 700  # of the waveform: more than there are pixels for
TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


def recording_picture(name: str, waveform: np.ndarray, sample_rate: int, stamp: str) -> Picture:
    """Waveform above, mel spectrogram below, one axis of time.

    Args:
        name: Of the file.
        waveform: (T,), T at least 1.
        sample_rate: Hz.
        stamp: The split's stamp.
    """
    seconds = len(waveform) / sample_rate
    mel = mel_db(waveform, sample_rate)
    height = 2.24 + 0.095 * len(stamp_lines(stamp))
    figure = blank(height, stamp, laid_out=False)
    # in inches from above, so that a long stamp does not squeeze them
    upper, lower = (figure.add_axes((0.115, 1 - y / height, 0.865, h / height)) for y, h in ((0.7, 0.63), (1.9, 1.15)))
    low, high = envelope(waveform)
    upper.fill_between(np.linspace(0, seconds, len(low)), low, high, color=BLUE, lw=0.4)
    top = float(np.abs(waveform).max()) or 1.0
    upper.set(xlim=(0, seconds), ylim=(-1.05 * top, 1.05 * top), xticks=[])
    upper.set_yticks([0, top], ["0", f"{top:.2g}"])
    upper.tick_params(labelsize=6.5, length=2)
    upper.spines[["top", "right", "bottom"]].set_visible(False)
    draw_mel(lower, mel, sample_rate, seconds, "magma")
    return Picture(name, png_of(figure), _in_words(waveform, sample_rate, mel))


def draw_mel(axes: Axes, mel: np.ndarray, sample_rate: int, seconds: float, cmap: str) -> QuadMesh:
    """A mel spectrogram (64, L) over time, its bands named in Hz."""
    image = specshow(
        mel, sr=sample_rate, hop_length=hop_length(sample_rate), x_axis="s", y_axis="mel", ax=axes, cmap=cmap,
        rasterized=True,
    )  # fmt: skip
    ticks = [hz for hz in TICKS_HZ if hz <= sample_rate / 2]
    axes.set(xlim=(0, seconds), yticks=ticks, yticklabels=[f"{hz:g}" for hz in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=6.5, length=2)
    axes.set_xlabel("s", fontsize=7, labelpad=0)
    axes.set_ylabel("Hz, mel scale", fontsize=7, labelpad=1)
    return image


def mel_db(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mel spectrogram (64, L) in dB, windows of 25 ms every 10 ms: for viewing, independent of the run's frontend."""
    batch = torch.from_numpy(np.array(waveform, dtype=np.float32))[None]  # (1, T)
    with torch.inference_mode():
        features, frames = _frontend(sample_rate)(batch, torch.tensor([len(waveform)]))
    return features[0, :, : int(frames[0])].numpy()


@lru_cache(maxsize=2)
def _frontend(sample_rate: int) -> LogMel:
    window = round(0.025 * sample_rate)
    n_fft = max(1024, 1 << (4 * window - 1).bit_length())  # fine enough for the narrow bands at the bottom
    return LogMel(sample_rate, Stft(n_fft, hop_length(sample_rate), window), BANDS, top_db=RANGE_DB)


def hop_length(sample_rate: int) -> int:
    """Samples from frame to frame of the spectrogram: 10 ms."""
    return max(1, round(0.01 * sample_rate))


def envelope(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest sample in each of at most 700 stretches of a waveform (T,)."""
    starts = np.unique(np.linspace(0, len(waveform), min(COLUMNS, len(waveform)), endpoint=False).astype(int))
    return np.minimum.reduceat(waveform, starts), np.maximum.reduceat(waveform, starts)


def _in_words(waveform: np.ndarray, sample_rate: int, mel: np.ndarray) -> str:
    """How long, when and at which pitch of the mel scale it is loudest."""
    power = 10 ** (mel / 10)
    frame = int(power.sum(axis=0).argmax())
    band = int(power.sum(axis=1).argmax())
    hz = _band_hz(band, sample_rate)
    return (
        f"Waveform and mel spectrogram of {len(waveform) / sample_rate:.2f} s: loudest at "
        f"{frame * hop_length(sample_rate) / sample_rate:.2f} s, peak {np.abs(waveform).max():.2f}, most energy "
        f"near {hz:.0f} Hz."
    )


def _band_hz(band: int, sample_rate: int) -> float:
    """Middle of a band, Hz."""
    mel = hz_to_mel(sample_rate / 2) * (band + 1) / (BANDS + 1)
    return float(mel_to_hz(torch.tensor(mel)))
