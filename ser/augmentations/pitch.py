"""Speaking higher or lower at the same speed."""

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from ser.augmentations.base import WaveformAugmentation, draw, ends
from ser.augmentations.resampling import resample
from ser.augmentations.vocoder import stretch, window_length
from ser.system.ranges import Drawn, Range, SampleRate, Share


class PitchShift(WaveformAugmentation):
    """Moves every frequency of a clip by a musical interval, its formants with it; the length stays.

    The clip is stretched to 2^(semitones/12) of its duration, then read so much faster.

    Args:
        sample_rate: Hz.
        semitones: 12 are an octave.
        p: Probability that a clip is changed.
    """

    def __init__(
        self, sample_rate: SampleRate, semitones: Annotated[Drawn, Range(-24, 24)] = (-2.0, 2.0), p: Share = 1.0
    ):
        super().__init__(p)
        self.n_fft = window_length(sample_rate)
        self.semitones = ends(semitones)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Shifted waveforms (B, T)."""
        semitones, shifted = draw(self.semitones, len(x), generator, x.device).tolist(), torch.zeros_like(x)
        for clip, length, interval, place in zip(x, lengths.tolist(), semitones, shifted, strict=True):
            place[:length] = shift_pitch(clip[:length], interval, self.n_fft)
        return shifted, lengths


def shift_pitch(waveform: Tensor, semitones: float, n_fft: int) -> Tensor:
    """The waveform with every frequency × 2^(semitones/12), as long as before: (n,) → (n,)."""
    factor = 2 ** (semitones / 12)
    moved = resample(stretch(waveform, 1 / factor, n_fft), factor)
    return F.pad(moved, (0, len(waveform) - len(moved)))  # both lengths were rounded: a sample more or less
