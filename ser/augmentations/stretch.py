"""Speaking faster or slower at the same pitch."""

from typing import Annotated

import torch
from torch import Tensor

from ser.augmentations.base import WaveformAugmentation, draw, ends, side_by_side
from ser.augmentations.vocoder import stretch, window_length
from ser.system.ranges import Drawn, Range, SampleRate, Share


class TimeStretch(WaveformAugmentation):
    """Makes a clip shorter or longer by a phase vocoder: duration / rate, the pitch stays (as `librosa.effects`).

    Args:
        sample_rate: Hz.
        rate: Above 1 is faster and shorter. A clip keeps at least one sample.
        p: Probability that a clip is changed.
    """

    def __init__(self, sample_rate: SampleRate, rate: Annotated[Drawn, Range(0.25, 4)] = (0.85, 1.15), p: Share = 1.0):
        super().__init__(p)
        self.n_fft = window_length(sample_rate)
        self.rate = ends(rate)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Stretched waveforms (B, T') and their lengths."""
        rates = draw(self.rate, len(x), generator, x.device).tolist()
        clips = zip(x, lengths.tolist(), rates, strict=True)
        return side_by_side([stretch(clip[:length], rate, self.n_fft) for clip, length, rate in clips])
