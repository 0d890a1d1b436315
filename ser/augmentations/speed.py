"""Speaking faster and higher, or slower and lower."""

from typing import Annotated

import torch
from torch import Tensor

from ser.augmentations.base import WaveformAugmentation, draw, ends, side_by_side
from ser.augmentations.resampling import resample
from ser.system.ranges import Drawn, Range, Share


class Speed(WaveformAugmentation):
    """Reads a clip faster or slower, as a tape: duration / rate, every frequency × rate (Ko et al., Interspeech 2015).

    Args:
        rate: Above 1 is faster, shorter and higher. A clip keeps at least one sample.
        p: Probability that a clip is changed.
    """

    def __init__(self, rate: Annotated[Drawn, Range(0.25, 4)] = (0.9, 1.1), p: Share = 1.0):
        super().__init__(p)
        self.rate = ends(rate)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Resampled waveforms (B, T') and their lengths."""
        rates = draw(self.rate, len(x), generator, x.device).tolist()
        return side_by_side(
            [resample(clip[:length], rate) for clip, length, rate in zip(x, lengths.tolist(), rates, strict=True)]
        )
