"""Gain and polarity."""

from typing import Annotated

import torch
from torch import Tensor

from ser.augmentations.base import WaveformAugmentation, draw, ends
from ser.system.ranges import Drawn, Range, Share


class Gain(WaveformAugmentation):
    """Multiplies a clip by 10^(gain/20). Nothing is clipped: samples are floats and may pass 1.

    Args:
        gain_db: dB.
        p: Probability that a clip is changed.
    """

    def __init__(self, gain_db: Annotated[Drawn, Range(-60, 60)] = (-6.0, 6.0), p: Share = 1.0):
        super().__init__(p)
        self.gain_db = ends(gain_db)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Scaled waveforms (B, T)."""
        return x * 10 ** (draw(self.gain_db, len(x), generator, x.device) / 20)[:, None], lengths


class Polarity(WaveformAugmentation):
    """Inverts a clip: x → -x. Power features do not change; models of waveforms and of phase are affected.

    Args:
        p: Probability that a clip is changed.
    """

    def __init__(self, p: Share = 0.5):
        super().__init__(p)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Negated waveforms (B, T)."""
        return -x, lengths
