"""Noise of any colour, at a signal-to-noise ratio."""

from typing import Annotated

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from ser.augmentations.base import WaveformAugmentation, draw, ends
from ser.augmentations.snr import add_at_snr
from ser.system.ranges import Drawn, Range, Share


class Noise(WaveformAugmentation):
    """Adds Gaussian noise whose power falls as 1/f^exponent, at an SNR measured over the clip's valid samples.

    White noise is drawn sample by sample; coloured noise as the spectrum of white noise, shaped by f^(-exponent/2) with
    nothing at 0 Hz (Timmer and König, 1995). A silent clip stays silent.

    Args:
        snr_db: Signal-to-noise ratio, dB.
        exponent: 0 is white, 1 pink (-3 dB an octave), 2 brown (-6 dB), -1 blue (+3 dB).
        p: Probability that a clip is changed.
    """

    def __init__(
        self,
        snr_db: Annotated[Drawn, Range(-50, 100)] = (10.0, 30.0),
        exponent: Annotated[Drawn, Range(-4, 4)] = 0.0,
        p: Share = 1.0,
    ):
        super().__init__(p)
        self.snr_db = ends(snr_db)
        self.exponent = ends(exponent)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Noisy waveforms (B, T)."""
        snr_db = draw(self.snr_db, len(x), generator, x.device)
        if self.exponent == (0.0, 0.0):
            noise = torch.randn(x.shape, generator=generator, device=x.device)
        else:
            exponent = draw(self.exponent, len(x), generator, x.device)
            noise = coloured_noise(exponent, x.shape[-1], generator)
        return add_at_snr(x, lengths, noise, snr_db), lengths


def coloured_noise(exponent: Tensor, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
    """Gaussian noise with a power spectrum of 1/f^exponent, at any level.

    Shape:
        exponent (B,) → (B, num_samples).
    """
    n = next_fast_len(max(num_samples, 2), real=True)
    num_bins = n // 2 + 1
    bins = torch.arange(1, num_bins, device=exponent.device)
    weights = torch.exp(-exponent[:, None] / 2 * bins.log())  # (B, N - 1): f^(-exponent / 2)
    parts = torch.randn(len(exponent), num_bins - 1, 2, generator=generator, device=exponent.device)
    spectrum = torch.nn.functional.pad(torch.view_as_complex(parts) * weights, (1, 0))  # nothing at 0 Hz
    return torch.fft.irfft(spectrum, n, norm="ortho")[:, :num_samples]
