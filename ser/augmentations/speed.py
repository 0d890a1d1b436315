"""Speaking faster and higher, or slower and lower."""

import torch
from torch import Tensor

from ser.augmentations.base import Range, WaveformAugmentation, draw, side_by_side
from ser.augmentations.resampling import resample


class Speed(WaveformAugmentation):
    """Reads a clip faster or slower, as a tape: duration / rate, every frequency × rate (Ko et al., Interspeech 2015).

    Args:
        rate: Above 1 is faster, shorter and higher; 0.25 to 4. A clip keeps at least one sample.
        p: Probability that a clip is changed.

    Raises:
        UserError: A setting out of range.
    """

    def __init__(self, rate: Range = (0.9, 1.1), p: float = 1.0):
        super().__init__(p)
        self.rate = self.range("rate", rate, 0.25, 4)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Resampled waveforms (B, T') and their lengths."""
        rates = draw(self.rate, len(x), generator, x.device).tolist()
        return side_by_side(
            [resample(clip[:length], rate) for clip, length, rate in zip(x, lengths.tolist(), rates, strict=True)]
        )
