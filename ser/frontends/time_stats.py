"""Statistics over time: one vector an utterance of any length."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ser.errors import UserError, did_you_mean
from ser.frontends.base import Frontend
from ser.frontends.functional import keep_valid, safe_sqrt
from ser.frontends.signal import Signal, SignalFrontend

# name: order of the differences from frame to frame (None: the mean), whose standard deviation it is
STATISTICS = {"mean": None, "std": 0, "delta_std": 1, "delta2_std": 2}


class TimeStats(SignalFrontend):
    """Statistics of another frontend's features over their valid frames.

    `mean`; `std`, the standard deviation; `delta_std` and `delta2_std`, those of the differences from frame to frame,
    x[l + 1] − x[l], and of the differences between these (`numpy.diff` with n=1 and n=2): how fast a feature moves,
    which mean and deviation, the same in any order of the frames, do not tell.

    Rows: the first statistic of every feature, then the second one's (layer by layer, where `of` has several).
    Deviations are the population's (numpy's `ddof=0`); a feature that does not change has deviation 0 and gradient 0,
    and so has one of too few frames to have differences.

    Args:
        of: Any frontend.
        statistics: Some of `mean`, `std`, `delta_std`, `delta2_std`, in the order of the rows.

    Shape:
        waveforms (B, T) → (B, len(statistics) * of.num_features, 1), frames all 1.

    Raises:
        UserError: A statistic is unknown or named twice, or none is named.
    """

    def __init__(self, of: Frontend, statistics: Sequence[str] = ("mean",)):
        super().__init__()
        self.of = of
        self.statistics = tuple(statistics)
        self.num_features = len(self.statistics) * of.num_features
        self.num_stacked = of.num_stacked
        for name in self.statistics:
            if name not in STATISTICS:
                hint = did_you_mean(str(name), list(STATISTICS))
                raise UserError(f"frontend.statistics has '{name}', which is not a statistic. {hint}")
        if not self.statistics or len(set(self.statistics)) < len(self.statistics):
            names = f"{', '.join(list(STATISTICS)[:-1])} or {list(STATISTICS)[-1]}"
            raise UserError(f"frontend.statistics={list(self.statistics)} must name {names}, each once.")

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Always 1."""
        return torch.ones_like(lengths)

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """Statistics of the inner features."""
        features, frames = signal.through(self.of)
        rows = [_statistic(features, frames, STATISTICS[name]) for name in self.statistics]
        # of several layers: all statistics of the first, then those of the second; (B, S·F, 1) of one
        layers = [row.unflatten(1, (self.num_stacked, -1)) for row in rows]
        return torch.cat(layers, dim=2).flatten(1, 2), torch.ones_like(frames)


def _statistic(features: Tensor, frames: Tensor, order: int | None) -> Tensor:
    """The mean, or the deviation of differences of an order: (B, F, L), (B,) → (B, F, 1)."""
    for _ in range(order or 0):
        frames = (frames - 1).clamp(min=0)
        # the difference behind the valid ones reaches into the padding; of one frame there is none, and L is 0
        features = keep_valid(features[..., 1:] - features[..., :-1], frames)
    # (B,) → (B, 1, 1)
    count = frames.clamp(min=1)[:, None, None]
    mean = features.sum(dim=-1, keepdim=True) / count
    if order is None:
        return mean
    return safe_sqrt(keep_valid(features - mean, frames).square().sum(dim=-1, keepdim=True) / count)
