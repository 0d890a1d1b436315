"""Moving a clip in time."""

import torch
from torch import Tensor

from ser.augmentations.base import Range, WaveformAugmentation, draw


class Shift(WaveformAugmentation):
    """Moves a clip's samples later (positive) or earlier (negative) by whole samples; its length stays.

    With `wrap`, what leaves at one end comes in at the other, so that a clip keeps all its samples. Without, it is lost
    and zeros come in, which count as valid samples; at least one sample is kept however far the shift.

    Args:
        sample_rate: Hz.
        shift_s: Seconds, -60 to 60.
        wrap: Circular, or filled with zeros.
        p: Probability that a clip is changed.

    Raises:
        UserError: A setting out of range.
    """

    def __init__(self, sample_rate: int, shift_s: Range = (-0.25, 0.25), wrap: bool = True, p: float = 1.0):
        super().__init__(p)
        self.sample_rate = self.number("sample_rate", sample_rate, 1, 1e6)
        self.shift_s = self.range("shift_s", shift_s, -60, 60)
        self.wrap = bool(wrap)

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
