"""Features with their changes over time, for any frontend."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from ser.errors import UserError
from ser.frontends.base import Frontend
from ser.frontends.functional import deltas
from ser.frontends.signal import Signal, SignalFrontend
from ser.system.ranges import Range


class WithDeltas(SignalFrontend):
    """Another frontend's features, below them their slopes over time, and below those their curvatures.

    Slopes and curvatures are those of `librosa.feature.delta(mode="nearest")`. A model that pools over time (`mlp`)
    sees by their deviation how fast features change, which their own mean and deviation do not tell.

    Args:
        of: Any frontend with frames over time.
        order: 1: slopes, 2: slopes and curvatures.
        width: Frames that a slope is fitted to, odd.

    Shape:
        waveforms (B, T) → (B, (1 + order) * of.num_features, L).

    Raises:
        UserError: An even width.
    """

    def __init__(self, of: Frontend, order: Literal[1, 2] = 1, width: Annotated[int, Range(3, 999)] = 9):
        super().__init__()
        if width % 2 == 0:
            raise UserError(f"frontend.width={width} must be odd: a frame, and as many before as behind it.")
        self.of, self.order, self.width = of, order, width
        self.num_features = (1 + order) * of.num_features

    @property
    def hop_length(self) -> int | None:
        """Samples from frame to frame; None where the inner frontend gives one frame an utterance."""
        return getattr(self.of, "hop_length", None)

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Those of the inner frontend."""
        return self.of.count_frames(lengths)

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """The inner features and their changes."""
        features, frames = signal.through(self.of)
        changes = [deltas(features, frames, order, self.width) for order in range(1, 1 + self.order)]
        return torch.cat([features, *changes], dim=1), frames
