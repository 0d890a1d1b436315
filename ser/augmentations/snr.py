"""Adding one sound to another at a given signal-to-noise ratio."""

import torch
from torch import Tensor

from ser.masking import frame_mask

_SILENCE = 1e-30  # a sum of squares below it is silence: float32 cannot divide by it


def add_at_snr(waveforms: Tensor, lengths: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Waveforms with noise so loud that  10 log₁₀(Σ x² / Σ (g n)²) = SNR,  sums over the valid samples of each clip.

    A silent clip has no signal to measure the noise by: it stays silent. Silent noise adds nothing.

    Args:
        waveforms: Zero behind their ends.
        lengths: Valid samples.
        noise: The added sound; values behind the ends are ignored.
        snr_db: For each clip.

    Shape:
        waveforms (B, T), lengths (B,), noise (B, T), snr_db (B,) → (B, T).
    """
    noise = torch.where(frame_mask(lengths, waveforms.shape[-1]), noise, 0.0)
    signal_power, noise_power = energy(waveforms), energy(noise)
    gain = (signal_power / noise_power.clamp(min=_SILENCE)).sqrt() * 10 ** (-snr_db / 20)
    return torch.addcmul(waveforms, noise, torch.where(noise_power > _SILENCE, gain, 0.0)[:, None])


def energy(waveforms: Tensor) -> Tensor:
    """Sum of squares of each clip: (B, T) → (B,)."""
    return torch.linalg.vector_norm(waveforms, dim=-1).square()


def as_loud_as(waveforms: Tensor, models: Tensor) -> Tensor:
    """Waveforms scaled so that each has the energy of its model; silence is unchanged.

    Shape:
        waveforms (B, T), models (B, T) → (B, T).
    """
    power = energy(waveforms)
    gain = (energy(models) / power.clamp(min=_SILENCE)).sqrt()
    return waveforms * torch.where(power > _SILENCE, gain, 1.0)[:, None]
