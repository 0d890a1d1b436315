"""Which part of a recording decided its emotion: what the answer loses when the part is made quiet.

Occlusion, as Zeiler and Fergus hid squares of a picture (Visualizing and Understanding Convolutional Networks, ECCV
2014, arxiv.org/abs/1311.2901); here a patch is a stretch of time and a band of frequencies of the sound itself. So it
fits every frontend and every ensemble, nothing in it is random, and it can be repeated by ear: play the recording
without the patch, and ask again.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ser.frontends.functional import hz_to_mel, mel_to_hz
from ser.inference.long_recordings import StreamingModel
from ser.system.threads import one_thread_each

TIMES, BANDS = 16, 8  # cells of the recording
PATCH = 2  # cells of a patch in each direction; patches overlap by one
QUIET_DB = 40.0  # by so much a patch is lowered: under the noise of most rooms, and no hole
BATCH = 16


@dataclass(frozen=True, slots=True)
class Patch:
    """A part of a recording.

    Args:
        start, end: Seconds.
        low, high: Hz.
    """

    start: float
    end: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What decided an answer.

    Args:
        emotion: The one that is explained: the most probable class.
        losses: (BANDS, TIMES), bands from below, equally wide on the mel scale: how much of its probability goes, at
            the mean over the patches that cover a cell; negative where it rises. Of one view of the recording.
        patch: Without it, the probability is the lowest.
        before, after: The probability with the patch, and without; of all views of the recording.
    """

    emotion: str
    losses: np.ndarray
    patch: Patch
    before: float
    after: float


def explain(model: StreamingModel, waveform: np.ndarray, sample_rate: int, offset: bool = True) -> Decision | None:
    """The part that decided the model's answer to a recording; None where the model has no answer.

    Args:
        model: As loaded.
        waveform: (T,) float32, mono.
        sample_rate: Hz, that of the model at best.
        offset: Whether it is a whole recording, of which the model skips `audio.offset_s`.
    """
    patches = patches_of(len(waveform) / sample_rate, min(sample_rate, model.sample_rate))
    hidden = Occluder(waveform, sample_rate)

    def shares(sounds: list[np.ndarray], views: bool) -> np.ndarray:
        return model.answers.shares(model.window_logits(sounds, sample_rate, views, offset))

    with one_thread_each():
        (full,) = shares([waveform], True)
        if np.isnan(full).any():
            return None
        best = int(full.argmax())
        batches = [patches[i : i + BATCH] for i in range(0, len(patches), BATCH)]
        left = np.concatenate([shares([hidden(patch) for patch in batch], False)[:, best] for batch in batches])
        before = shares([waveform], False)[0, best]
        left = np.where(np.isnan(left), before, left)  # what is left is no recording: that says nothing
        patch = patches[int(left.argmin())]
        after = shares([hidden(patch)], True)[0, best]
    return Decision(model.classes[best], _by_cell(before - left), patch, float(full[best]), float(after))


def patches_of(seconds: float, sample_rate: int) -> list[Patch]:
    """All patches, from the lowest band up and in each from the beginning to the end."""
    times = np.linspace(0, seconds, TIMES + 1)
    edges = band_edges(sample_rate)
    return [
        Patch(float(times[j]), float(times[j + PATCH]), float(edges[i]), float(edges[i + PATCH]))
        for i in range(BANDS - PATCH + 1)
        for j in range(TIMES - PATCH + 1)
    ]


def band_edges(sample_rate: int) -> np.ndarray:
    """Hz from 0 to half the sample rate (BANDS + 1,), equally far on the mel scale."""
    top = hz_to_mel(sample_rate / 2)
    return mel_to_hz(torch.linspace(0, top, BANDS + 1)).numpy()


class Occluder:
    """Makes patches of a recording quiet.

    Args:
        waveform: (T,) float32.
        sample_rate: Hz.
    """

    def __init__(self, waveform: np.ndarray, sample_rate: int):
        self._waveform, self._sample_rate = torch.from_numpy(np.ascontiguousarray(waveform)), sample_rate
        self._n_fft = 2 ** max(6, round(math.log2(0.064 * sample_rate)))  # 64 ms: bands of 16 Hz
        self._window = torch.hann_window(self._n_fft)
        self._hop = self._n_fft // 4
        self._spectrum = torch.stft(
            self._waveform, self._n_fft, self._hop, window=self._window, pad_mode="constant", return_complex=True
        )  # (F, L)

    def __call__(self, patch: Patch) -> np.ndarray:
        """The recording (T,) whose samples inside the patch are 40 dB lower; the rest is as it was."""
        hz = torch.arange(self._spectrum.shape[0]) * self._sample_rate / self._n_fft
        seconds = torch.arange(self._spectrum.shape[1]) * self._hop / self._sample_rate
        rows = (hz >= patch.low) & ((hz < patch.high) | (patch.high >= self._sample_rate / 2))
        columns = (seconds >= patch.start) & (seconds <= patch.end)
        part = self._spectrum * (rows[:, None] & columns)
        sound = torch.istft(part, self._n_fft, self._hop, window=self._window, length=len(self._waveform))
        return (self._waveform - (1 - 10 ** (-QUIET_DB / 20)) * sound).numpy()


def _by_cell(losses: np.ndarray) -> np.ndarray:
    """Of each cell, the mean over the patches that cover it: (patches,) → (BANDS, TIMES)."""
    grid = losses.reshape(BANDS - PATCH + 1, TIMES - PATCH + 1)
    total, count = np.zeros((BANDS, TIMES)), np.zeros((BANDS, TIMES))
    for i in range(PATCH):
        for j in range(PATCH):
            cells = slice(i, i + grid.shape[0]), slice(j, j + grid.shape[1])
            total[cells] += grid
            count[cells] += 1
    return total / count
