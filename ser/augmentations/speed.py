"""Speaking faster and higher, or slower and lower."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from ser.augmentations.base import WaveformAugmentation, draw, ends, side_by_side
from ser.augmentations.resampling import resample
from ser.errors import UserError
from ser.system.ranges import Drawn, Range, Share


class Speed(WaveformAugmentation):
    """Reads a clip faster or slower, as a tape: duration / rate, every frequency × rate (Ko et al., Interspeech 2015).

    Args:
        rate: Above 1 is faster, shorter and higher. A clip keeps at least one sample.
        rates: One of these is drawn instead; view v of `augmentation.views` has the v-th of them.
        p: Probability that a clip is changed.

    Raises:
        UserError: An empty list of rates.
    """

    def __init__(
        self,
        rate: Annotated[Drawn, Range(0.25, 4)] = (0.9, 1.1),
        rates: Sequence[Annotated[float, Range(0.25, 4)]] | None = None,
        p: Share = 1.0,
    ):
        super().__init__(p)
        if rates is not None and not len(rates):
            raise UserError("Speed's rates=[] is an empty list: give at least one rate, or null for those of rate.")
        self.rate, self.rates = ends(rate), rates

    def for_view(self, number: int) -> "Speed":
        """The same with the one rate of that view, in turn; itself where rates are drawn from a range."""
        if not self.rates:
            return self
        rate = self.rates[(number - 1) % len(self.rates)]
        return Speed((rate, rate), p=self.p)

    @property
    def varies(self) -> bool:
        """False for one rate that every clip gets."""
        return bool(self.rates) or self.rate[0] != self.rate[1] or self.p < 1

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Resampled waveforms (B, T') and their lengths."""
        if self.rates:
            chosen = torch.randint(len(self.rates), (len(x),), generator=generator, device=x.device)
            rates = [self.rates[i] for i in chosen.tolist()]
        else:
            rates = draw(self.rate, len(x), generator, x.device).tolist()
        return side_by_side(
            [resample(clip[:length], rate) for clip, length, rate in zip(x, lengths.tolist(), rates, strict=True)]
        )
