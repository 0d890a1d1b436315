"""Moving a clip in time."""

from typing import Annotated

import torch
from torch import Tensor

from ser.augmentations.base import WaveformAugmentation, draw, ends
from ser.system.ranges import Drawn, Range, SampleRate, Share


class Shift(WaveformAugmentation):
    """Moves a clip's samples later (positive) or earlier (negative) by whole samples; its length stays.

    With `wrap` the shift is circular, so that a clip keeps all its samples. Without, zeros are shifted in, which count
    as valid samples; at least one sample is kept.

    Args:
        sample_rate: Hz.
        shift_s: Seconds.
        wrap: Circular, or filled with zeros.
        p: Probability that a clip is changed.
    """

    def __init__(
        self,
        sample_rate: SampleRate,
        shift_s: Annotated[Drawn, Range(-60, 60)] = (-0.25, 0.25),
        wrap: bool = True,
        p: Share = 1.0,
    ):
        super().__init__(p)
        self.sample_rate = sample_rate
        self.shift_s = ends(shift_s)
        self.wrap = wrap

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Shifted waveforms (B, T)."""
        moved = (draw(self.shift_s, len(x), generator, x.device) * self.sample_rate).round().long()
        lengths_ = lengths[:, None]
        index = torch.arange(x.shape[-1], device=x.device)
        if self.wrap:
            return x.gather(1, torch.remainder(index - moved[:, None], lengths_)), lengths
        index = index - moved[:, None].clamp(min=1 - lengths_, max=lengths_ - 1)
        inside = (index >= 0) & (index < lengths_)
        return torch.where(inside, x.gather(1, index.clamp(0, x.shape[-1] - 1)), 0.0), lengths
