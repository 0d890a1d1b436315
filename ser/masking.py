"""Which frames of a batch are valid, for frontends and models."""

import torch
from torch import Tensor


def frame_mask(frames: Tensor, num_frames: int) -> Tensor:
    """True where a frame is valid.

    Shape:
        frames (B,) → (B, L) bool with L = `num_frames`.

    >>> frame_mask(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(num_frames, device=frames.device) < frames[:, None]


def nothing_padded(lengths: Tensor, size: int) -> bool:
    """Whether all of a batch is as long as the longest, so that nothing needs to be masked.

    Tested on a CPU only; on a GPU it would force a synchronisation, and a traced graph must not depend on it. There it
    is always False, and masks that hide nothing do no harm.

    >>> nothing_padded(torch.tensor([3, 3]), 3), nothing_padded(torch.tensor([2, 3]), 3)
    (True, False)
    """
    return lengths.device.type == "cpu" and not torch.compiler.is_compiling() and bool((lengths >= size).all())
