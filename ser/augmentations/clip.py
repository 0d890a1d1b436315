"""Back to the run's duration, after augmentations that change it."""

import torch
from torch import Tensor
from torch.nn import functional as F


class Clip:
    """Cuts or zero-pads every clip to the run's duration; comes after the last augmentation of waveforms.

    Args:
        num_samples: Of every clip.
        padding_is_signal: Count every clip as long as the padded one (`audio.padding_is_signal`).
    """

    varies = False  # from draw to draw

    def __init__(self, num_samples: int, padding_is_signal: bool = False):
        self.num_samples, self.padding_is_signal = num_samples, padding_is_signal

    def __call__(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Clips of one length.

        Shape:
            x (B, T), lengths (B,) → (B, num_samples), (B,).
        """
        lengths = lengths.clamp(max=self.num_samples)
        if self.padding_is_signal:
            lengths = torch.full_like(lengths, self.num_samples)
        return F.pad(x, (0, self.num_samples - x.shape[-1])), lengths
