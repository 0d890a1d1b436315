"""Reverberation: convolution with an impulse response, synthetic or the user's."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional as F

from ser.augmentations.base import WaveformAugmentation, draw, ends
from ser.augmentations.snr import as_loud_as, energy
from ser.system.ranges import Drawn, Range, SampleRate, Share


class Reverberation(WaveformAugmentation):
    """Puts a clip into a synthetic room: a direct path, then noise that decays exponentially (Moorer, 1979).

        h[0] = 1,   h[t] ∝ n[t] · 10^(-3 t / (RT60 · sample_rate)),  n Gaussian,   Σ_{t>0} h[t]² = 10^(-DRR/10)

    The direct path comes first, so nothing is delayed; what rings past the clip's end is cut off; the clip's energy is
    preserved. A silent clip stays silent.

    Args:
        sample_rate: Hz.
        rt60_s: Seconds in which the reverberation falls by 60 dB.
        drr_db: Direct to reverberant energy, dB; lower is farther away.
        p: Probability that a clip is changed.
    """

    def __init__(
        self,
        sample_rate: SampleRate,
        rt60_s: Annotated[Drawn, Range(0.01, 10)] = (0.2, 0.8),
        drr_db: Annotated[Drawn, Range(-30, 60)] = (0.0, 12.0),
        p: Share = 1.0,
    ):
        super().__init__(p)
        self.sample_rate = sample_rate
        self.rt60_s = ends(rt60_s)
        self.drr_db = ends(drr_db)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Reverberant waveforms (B, T)."""
        rt60_s = draw(self.rt60_s, len(x), generator, x.device)
        drr_db = draw(self.drr_db, len(x), generator, x.device)
        count = min(x.shape[-1], int(self.rt60_s[1] * self.sample_rate) + 1)
        room = synthetic_room(rt60_s, drr_db, count, self.sample_rate, generator)
        return reverberate(x, lengths, room), lengths


class RecordedReverberation(WaveformAugmentation):
    """Puts a clip into a room of the user's: one of a folder's impulse responses, drawn for each clip.

    What precedes a response's loudest sample, the direct path, is cut off, so that nothing is delayed; what rings past
    the clip's end is cut off; the clip's energy is preserved.

    Args:
        folder: Of impulse responses, searched with its subfolders.
        recordings: Those of the folder at the run's sample rate, (n,) float32 each; added at composition.
        p: Probability that a clip is changed.
    """

    def __init__(self, folder: str, recordings: Sequence[np.ndarray], p: Share = 1.0):
        super().__init__(p)
        self.rooms = [_from_direct_path(recordings[i]) for i in range(len(recordings))]

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Reverberant waveforms (B, T)."""
        drawn = torch.randint(len(self.rooms), (len(x),), generator=generator, device=x.device).tolist()
        rooms = [torch.from_numpy(self.rooms[i][: x.shape[-1]]) for i in drawn]
        return reverberate(x, lengths, torch.nn.utils.rnn.pad_sequence(rooms, batch_first=True).to(x.device)), lengths


def synthetic_room(
    rt60_s: Tensor, drr_db: Tensor, num_samples: int, sample_rate: float, generator: torch.Generator | None = None
) -> Tensor:
    """Impulse responses, the direct path first and 1.

    Shape:
        rt60_s (B,), drr_db (B,) → (B, num_samples).
    """
    noise = torch.randn(len(rt60_s), num_samples, generator=generator, device=rt60_s.device)
    time = torch.arange(num_samples, device=rt60_s.device) / sample_rate
    tail = (noise * 10 ** (-3 * time / rt60_s[:, None]))[:, 1:]
    gain = 10 ** (-drr_db / 20) / energy(tail).clamp(min=1e-30).sqrt()
    return F.pad(tail * gain[:, None], (1, 0), value=1.0)


def reverberate(waveforms: Tensor, lengths: Tensor, rooms: Tensor) -> Tensor:
    """Each clip convolved with its room's response, as long and as loud as before.

    Shape:
        waveforms (B, T), lengths (B,), rooms (B, R) → (B, T).
    """
    num_samples = waveforms.shape[-1]
    n = next_fast_len(num_samples + rooms.shape[-1] - 1, real=True)
    wet = torch.fft.irfft(torch.fft.rfft(waveforms, n) * torch.fft.rfft(rooms, n), n)[:, :num_samples]
    valid = torch.arange(num_samples, device=lengths.device) < lengths[:, None]
    return as_loud_as(torch.where(valid, wet, 0.0), waveforms)


def _from_direct_path(response: np.ndarray) -> np.ndarray:
    return np.array(response[int(np.abs(response).argmax()) :])  # a copy: the store's are read-only
