"""Statistics over time: one vector an utterance of any length."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ser.errors import UserError, did_you_mean
from ser.frontends.base import Frontend
from ser.frontends.functional import keep_valid, safe_sqrt
from ser.frontends.signal import Signal, SignalFrontend

STATISTICS = ("mean", "std")


class TimeStats(SignalFrontend):
    """Mean, or mean and standard deviation, of another frontend's features over their valid frames.

    Rows: the first statistic of every feature, then the second one's (layer by layer, where `of` has several). The
    deviation is the population's (numpy's `ddof=0`); a feature that does not change has deviation 0 and gradient 0.

    Args:
        of: Any frontend.
        statistics: `mean`, `std`, or both, in the order of the rows.

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
            raise UserError(f"frontend.statistics={list(self.statistics)} must name mean, std or both, each once.")

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Always 1."""
        return torch.ones_like(lengths)

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """Statistics of the inner features."""
        features, frames = signal.through(self.of)
        # (B,) → (B, 1, 1)
        count = frames[:, None, None]
        mean = features.sum(dim=-1, keepdim=True) / count
        rows = {"mean": mean}
        if "std" in self.statistics:
            deviation = keep_valid(features - mean, frames)
            rows["std"] = safe_sqrt(deviation.square().sum(dim=-1, keepdim=True) / count)
        # of several layers: all statistics of the first, then those of the second; (B, S·F, 1) of one
        layers = [rows[name].unflatten(1, (self.num_stacked, -1)) for name in self.statistics]
        return torch.cat(layers, dim=2).flatten(1, 2), torch.ones_like(frames)
