"""Augmentation of features, in training steps only: (features, frames, generator) → (features, frames)."""

import torch
from torch import Tensor

from ser.errors import UserError


class SpecAugment:
    """Masks bands of features and stretches of time (Park et al. 2019, arXiv 1904.08779, without time warping).

    Features are normalised when they come here, so that masking with 0 is masking with the mean. Widths and places are
    drawn for each utterance; time masks lie within its valid frames.

    Args:
        feature_masks: Bands masked in each utterance.
        feature_width: Largest band, as a share of the features, in [0, 1].
        time_masks: Stretches masked in each utterance.
        time_width: Longest stretch, as a share of the valid frames, in [0, 1].

    Raises:
        UserError: A share outside [0, 1] or a negative count.
    """

    def __init__(
        self, feature_masks: int = 2, feature_width: float = 0.125, time_masks: int = 2, time_width: float = 0.12
    ):
        for name, width in (("feature_width", feature_width), ("time_width", time_width)):
            if not 0 <= width <= 1:
                raise UserError(f"SpecAugment's {name}={width} is a share and must lie in [0, 1].")
        for name, count in (("feature_masks", feature_masks), ("time_masks", time_masks)):
            if not isinstance(count, int) or count < 0:
                raise UserError(f"SpecAugment's {name}={count} must be a whole number, not negative.")
        self.feature_masks, self.feature_width = feature_masks, feature_width
        self.time_masks, self.time_width = time_masks, time_width

    def __call__(
        self, features: Tensor, frames: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Masked copy of `features`.

        Shape:
            features (B, F, L), frames (B,) → the same.
        """
        batch, num_features, num_frames = features.shape
        heights = torch.full_like(frames, num_features)
        hidden_features = _stretches(heights, self.feature_width, self.feature_masks, num_features, generator)
        hidden_frames = _stretches(frames, self.time_width, self.time_masks, num_frames, generator)
        hidden = hidden_features[:, :, None] | hidden_frames[:, None, :]  # (B, F, L)
        return features.masked_fill(hidden, 0.0), frames


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
