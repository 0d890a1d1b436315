"""Masks over features, in training steps only: (features, frames, generator) → (features, frames)."""

from typing import Annotated

import torch
from torch import Tensor

from ser.augmentations.base import Augmentation
from ser.errors import UserError, did_you_mean
from ser.masking import frame_mask
from ser.system.ranges import Range, Share

FILLS = ("mean", "clip_mean")
Masks = Annotated[int, Range(0, 100)]


class SpecAugment(Augmentation):
    """Masks bands of features and stretches of time (Park et al. 2019, arXiv 1904.08779, without time warping).

    Features are normalised when they come here, so that masking with 0 is masking with the training part's mean.
    Widths and places are drawn for each utterance; time masks lie within its valid frames, and a mask as wide as the
    clip hides all of it.

    Args:
        feature_masks: Bands masked in each utterance.
        feature_width: Largest band, as a share of the features.
        time_masks: Stretches masked in each utterance.
        time_width: Longest stretch, as a share of the valid frames.
        fill: `mean`: 0, the mean after normalisation. `clip_mean`: each feature's mean over the utterance, for
            runs with `normaliser=none`.
        p: Probability that an utterance is masked.

    Raises:
        UserError: An unknown fill.
    """

    def __init__(
        self, feature_masks: Masks = 2, feature_width: Share = 0.125, time_masks: Masks = 2, time_width: Share = 0.12,
        fill: str = "mean", p: Share = 1.0,
    ):  # fmt: skip
        super().__init__(p)
        if fill not in FILLS:
            raise UserError(f"SpecAugment's fill={fill} is unknown. {did_you_mean(str(fill), list(FILLS))}")
        self.feature_masks, self.feature_width = feature_masks, feature_width
        self.time_masks, self.time_width, self.fill = time_masks, time_width, fill

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Masked copy of features (B, F, L) with their frames (B,)."""
        _, num_features, num_frames = x.shape
        heights = torch.full_like(lengths, num_features)
        hidden_features = _stretches(heights, self.feature_width, self.feature_masks, num_features, generator)
        hidden_frames = _stretches(lengths, self.time_width, self.time_masks, num_frames, generator)
        hidden = hidden_features[:, :, None] | hidden_frames[:, None, :]  # (B, F, L)
        if self.fill == "mean":
            return x.masked_fill(hidden, 0.0), lengths
        valid = frame_mask(lengths, num_frames)[:, None]  # (B, 1, L)
        mean = torch.where(valid, x, 0.0).sum(-1, keepdim=True) / lengths.clamp(min=1)[:, None, None]
        return torch.where(hidden & valid, mean, x), lengths


def _stretches(lengths: Tensor, width: float, count: int, size: int, generator: torch.Generator | None) -> Tensor:
    """Where one of `count` random stretches lies, each at most `width * lengths` long: (B,) → (B, size) bool."""
    shape = (len(lengths), count, 1)
    draws = torch.rand(2, *shape, generator=generator, device=lengths.device)
    longest = lengths[:, None, None] * width  # (B, 1, 1)
    lengths_drawn = (draws[0] * (longest + 1)).floor().minimum(longest.floor())  # (B, count, 1)
    latest = lengths[:, None, None] - lengths_drawn  # (B, count, 1)
    starts = (draws[1] * (latest + 1)).floor().minimum(latest)  # rounding could reach latest + 1
    positions = torch.arange(size, device=lengths.device)  # (size,)
    return ((positions >= starts) & (positions < starts + lengths_drawn)).any(dim=1)
