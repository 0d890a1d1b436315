"""Warping the axes of a spectrogram, in training steps only: (features, frames, generator) → (features, frames)."""

from typing import Annotated

import torch
from torch import Tensor

from ser.augmentations.base import Augmentation, draw, ends
from ser.masking import frame_mask
from ser.system.ranges import Drawn, Range, Share


class TimeWarp(Augmentation):
    """Moves one moment of an utterance earlier or later; the parts before and after are compressed or stretched.

    SpecAugment's time warp (Park et al. 2019, arXiv 1904.08779) with straight lines in place of splines. A moment is
    drawn within the valid frames, then how far it goes; ends and number of frames stay. Between frames values are
    interpolated. An utterance of fewer than three frames has nothing to move.

    Args:
        width: The farthest that a moment goes, as a share of the valid frames.
        p: Probability that an utterance is warped.
    """

    def __init__(self, width: Annotated[float, Range(0, 0.5)] = 0.1, p: Share = 1.0):
        super().__init__(p)
        self.width = width

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Warped features (B, F, L) with their frames (B,)."""
        last = (lengths - 1).clamp(min=1).float()
        moment = draw((0.0, 1.0), len(x), generator, x.device) * last
        target = moment + draw((-self.width, self.width), len(x), generator, x.device) * last
        # not onto the ends, where everything on one side would vanish
        moment, target = (place.clamp(min=0.05 * last, max=0.95 * last) for place in (moment, target))
        frames = torch.arange(x.shape[-1], device=x.device, dtype=torch.float32)
        source = bend(frames.expand(len(x), -1), target, moment, last)  # (B, L): where each frame comes from
        source = source.minimum((lengths[:, None] - 1).float())
        warped = read_between(x, source[:, None].expand(-1, x.shape[1], -1), dim=2)
        return torch.where(frame_mask(lengths, x.shape[-1])[:, None], warped, 0.0), lengths


class FrequencyWarp(Augmentation):
    """Stretches or squeezes the feature axis, as another vocal tract would (VTLP: Jaitly and Hinton, ICML-WS 2013).

    Feature f moves to α f up to 80 % of the axis, and the rest fills the remaining room, so that
    both ends stay. For features in order of frequency (`log_mel`, `mel`, `spectrogram`), where the axis is mel or Hz;
    it is meaningless for MFCC or chroma.

    Args:
        factor: α; above 1 moves formants up.
        p: Probability that an utterance is warped.
    """

    KNEE = 0.8  # share of the axis up to which it is stretched evenly

    def __init__(self, factor: Annotated[Drawn, Range(0.5, 2)] = (0.9, 1.1), p: Share = 1.0):
        super().__init__(p)
        self.factor = ends(factor)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Warped features (B, F, L) with their frames (B,)."""
        factor = draw(self.factor, len(x), generator, x.device)
        last = torch.full_like(factor, max(1, x.shape[1] - 1))
        knee = self.KNEE * last * (1 / factor).clamp(max=1)  # moved features must stay below the end
        features = torch.arange(x.shape[1], device=x.device, dtype=torch.float32)
        source = bend(features.expand(len(x), -1), knee * factor, knee, last).clamp(max=x.shape[1] - 1)  # (B, F)
        return read_between(x, source[:, :, None].expand(-1, -1, x.shape[2]), dim=1), lengths


def bend(places: Tensor, knee: Tensor, source: Tensor, last: Tensor) -> Tensor:
    """Two straight lines: 0 → 0, `knee` → `source`, `last` → `last`.

    Shape:
        places (B, P), knee (B,), source (B,), last (B,) → (B, P).

    >>> bend(torch.tensor([[0.0, 2.0, 4.0]]), torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([4.0])).tolist()
    [[0.0, 1.0, 4.0]]
    """
    knee, source, last = knee[:, None], source[:, None], last[:, None]
    rising = places * source / knee
    falling = last - (last - places) * (last - source) / (last - knee)
    return torch.where(places < knee, rising, falling)


def read_between(x: Tensor, places: Tensor, dim: int) -> Tensor:
    """Values of `x` at fractional places along an axis, linearly interpolated.

    Shape:
        x (B, F, L), places (B, F, L), from 0 to the axis' last index → (B, F, L).
    """
    before = places.floor()
    after = (before + 1).clamp(max=x.shape[dim] - 1)
    return torch.lerp(x.gather(dim, before.long()), x.gather(dim, after.long()), places - before)
