"""Several frontends as one: their features stacked, their transforms shared."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ser.errors import UserError
from ser.frontends.base import Frontend
from ser.frontends.signal import Signal, SignalFrontend
from ser.frontends.stft import Stft

# Two frame grids that agree on these lengths (samples) are the same: over 10 million samples even hops that differ by
# one sample differ in frames.
_PROBES = (1, 999, 16_000, 10_000_019)


class Concat(SignalFrontend):
    """Frontends side by side on one frame grid. Equal STFT settings are one transform, equal mel settings one product.

    Parts may be concatenations or time statistics themselves, and still share with the others. A part that is not
    a `SignalFrontend` gets the waveforms and shares nothing.

    Args:
        parts: Name → frontend, in the order of the rows.
        stft: Not used: in YAML every part's own `stft` node refers to it.

    Shape:
        waveforms (B, T) → (B, sum of the parts' num_features, L).

    Raises:
        UserError: There are no parts, two of them count frames differently, or one has several layers.
    """

    def __init__(self, parts: Mapping[str, Frontend], stft: Stft | None = None):
        super().__init__()
        if not parts:
            raise UserError("frontend.parts is empty: name at least one frontend.")
        for name, part in parts.items():
            if part.num_stacked > 1:
                raise UserError(
                    f"frontend.parts.{name}: weighted layers stand alone; take layers=mean, last or a number."
                )
        self.names = tuple(parts)
        # A list, because a ModuleDict forbids names such as 'type' or 'values'.
        self.parts = nn.ModuleList(parts[name] for name in self.names)
        self.num_features = sum(part.num_features for part in self.parts)
        self._check_one_grid()

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Valid frames of `lengths` samples: any part's."""
        return self.parts[0].count_frames(lengths)

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """The parts' features, one after the other."""
        outputs = [signal.through(part) for part in self.parts]
        return torch.cat([features for features, _ in outputs], dim=1), outputs[0][1]

    @property
    def hop_length(self) -> int | None:
        """Samples from frame to frame; None where the parts give one frame an utterance."""
        return getattr(self.parts[0], "hop_length", None)

    def _check_one_grid(self):
        probes = torch.tensor(_PROBES)
        first = self.parts[0]
        for name, part in zip(self.names, self.parts, strict=True):
            if not torch.equal(part.count_frames(probes), first.count_frames(probes)):
                raise UserError(
                    f"frontend.parts.{self.names[0]} ({_grid(first)}) and frontend.parts.{name} ({_grid(part)}) count "
                    "frames differently, and cannot be stacked: give them the same stft.hop_length and the same way of "
                    "counting (time_stats, skip_frames, fill_db)."
                )


def _grid(part: Frontend) -> str:
    """How a part counts frames, in words."""
    second = int(part.count_frames(torch.tensor([16_000])))
    hop_length = getattr(part, "hop_length", None)
    return f"{second} frames in 16000 samples" + (f", hop_length {hop_length}" if hop_length else "")
