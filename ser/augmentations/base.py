"""The contract of an augmentation, and how it draws which clips it changes and by how much.

Letters: B batch, T samples, F features, L frames. An augmentation is called as `(x, lengths, generator)` and returns
`(x, lengths)`. It is used in training steps only. Rules that each keeps (tests/augmentations look at all of them):

- Every random number comes from the generator, which lives on the device of `x`; without one, from torch's global one.
- `p` is drawn for each clip. A clip that is not drawn is returned bit for bit, and `x` itself is never written to.
- Samples behind a clip's length are zero, before and after. A clip of length 0 is unchanged.
- Its result for a clip depends on that clip and on the draws, never on other clips of the batch.
- Finite samples stay finite.

Augmentations of features are computed for the whole batch, and the clips that were not drawn are put back: nothing
waits for the device, so that a training step can be one CUDA graph. Those of waveforms cost more and change lengths:
they are computed for the drawn clips only.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.masking import frame_mask
from ser.system.ranges import Drawn, Share


class Augmentation:
    """Changes some clips of a batch; a subclass implements `change`.

    Args:
        p: Probability that a clip is changed.
    """

    def __init__(self, p: Share = 1.0):
        self.p = p

    def __call__(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The batch with some of its clips changed.

        Shape:
            x (B, F, L), lengths (B,) int64 → the same.
        """
        if self.p == 0:
            return x, lengths
        drawn = self._drawn(lengths, generator)
        changed, new_lengths = self.change(x, lengths.clamp(min=1), generator)
        return torch.where(drawn[:, None, None], changed, x), torch.where(drawn, new_lengths, lengths)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Changes every given clip, none of them of length 0, into a new tensor.

        Shape:
            As `__call__`.
        """
        raise NotImplementedError

    def for_view(self, number: int) -> "Augmentation":
        """The augmentation of view `number` (from 1) of `augmentation.views`: itself, unless each view has its own."""
        return self

    @property
    def varies(self) -> bool:
        """Whether its result depends on what is drawn; False for a view that is the same for every seed."""
        return True

    def attach(self, frontend: nn.Module, normaliser: nn.Module) -> None:
        """Called once with the parts that make the features; most augmentations ignore them.

        Raises:
            UserError: It cannot be applied to such features.
        """

    def __deepcopy__(self, memo: dict) -> "Augmentation":
        return self  # settings only, never modified; a copy of a folder's recordings would fill the memory

    def _drawn(self, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which clips are changed (B,) bool."""
        drawn = lengths > 0
        if self.p < 1:  # with p = 1 no draw is needed
            drawn &= torch.rand(len(lengths), generator=generator, device=lengths.device) < self.p
        return drawn


class WaveformAugmentation(Augmentation):
    """An augmentation of waveforms (B, T): the drawn clips alone are computed, and zeros restored behind each."""

    def __call__(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The batch with some of its clips changed.

        Shape:
            x (B, T) float32, lengths (B,) int64 → (B, T'), (B,).
        """
        rows = lengths[:0] if self.p == 0 else self._drawn(lengths, generator).nonzero()[:, 0]
        if not len(rows):
            return x, lengths
        changed, new_lengths = self.change(x[rows], lengths[rows], generator)
        if len(rows) < len(x):
            width = max(x.shape[-1], changed.shape[-1])
            whole, their_lengths = F.pad(x, (0, width - x.shape[-1])), lengths.clone()  # pad copies in any case
            whole[rows] = F.pad(changed, (0, width - changed.shape[-1]))
            their_lengths[rows] = new_lengths
            changed, new_lengths = whole, their_lengths
        return torch.where(frame_mask(new_lengths, changed.shape[-1]), changed, 0.0), new_lengths


def ends(value: Drawn) -> tuple[float, float]:
    """Smallest and largest of a setting that is drawn: one number, or both of them.

    >>> ends(3), ends([1, 2])
    ((3.0, 3.0), (1.0, 2.0))
    """
    smallest, largest = value if isinstance(value, Sequence) else (value, value)
    return float(smallest), float(largest)


def draw(ends: tuple[float, float], count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """`count` numbers, evenly from the smallest to the largest: (count,) float32.

    >>> draw((2.0, 2.0), 3, None, torch.device("cpu")).tolist()
    [2.0, 2.0, 2.0]
    """
    smallest, largest = ends
    return smallest + (largest - smallest) * torch.rand(count, generator=generator, device=device)


def side_by_side(clips: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Clips of different lengths as one batch, zeros behind each.

    Shape:
        a sequence of (n,) → (B, T), (B,) int64.
    """
    lengths = torch.tensor([len(clip) for clip in clips], device=clips[0].device)
    return torch.nn.utils.rnn.pad_sequence(list(clips), batch_first=True), lengths
