"""Signals whose physics is known, and how they are measured."""

import math

import numpy as np
import torch
from torch import Tensor

RATE = 16000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tone(hz: float, num_samples: int = 48000, sample_rate: int = RATE) -> Tensor:
    """A sine of amplitude 0.5, (n,)."""
    return 0.5 * torch.sin(2 * math.pi * hz * torch.arange(num_samples, dtype=torch.float64) / sample_rate).float()


def batch(clips: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Clips side by side, zeros behind each."""
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])


def noisy_batch(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise clips of the lengths asked for."""
    random = generator(seed)
    return batch([0.1 * torch.randn(length, generator=random) for length in lengths])


def frequency(clip: Tensor, sample_rate: int = RATE) -> float:
    """Hz of the strongest component: the peak of a padded Hann spectrum, a parabola through its logarithms."""
    samples = clip.double().numpy()
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    k = int(spectrum.argmax())
    low, middle, high = np.log(spectrum[k - 1 : k + 2])
    return (k + 0.5 * (low - high) / (low - 2 * middle + high)) * sample_rate / (8 * len(samples))


def cents(hz: float, wanted: float) -> float:
    """Hundredths of a semitone between two frequencies."""
    return 1200 * math.log2(hz / wanted)


def decibels(clip: Tensor) -> float:
    """Mean power, dB."""
    return 10 * math.log10(float(clip.double().square().mean()))
