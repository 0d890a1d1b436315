"""Speaking faster or slower at the same pitch."""

import torch
from torch import Tensor

from ser.augmentations.base import Range, WaveformAugmentation, draw, side_by_side
from ser.augmentations.vocoder import stretch, window_length


class TimeStretch(WaveformAugmentation):
    """Makes a clip shorter or longer by a phase vocoder: duration / rate, the pitch stays (as `librosa.effects`).

    Args:
        sample_rate: Hz.
        rate: Above 1 is faster and shorter; 0.25 to 4. A clip keeps at least one sample.
        p: Probability that a clip is changed.

    Raises:
        UserError: A setting out of range.
    """

    def __init__(self, sample_rate: int, rate: Range = (0.85, 1.15), p: float = 1.0):
        super().__init__(p)
        self.n_fft = window_length(self.number("sample_rate", sample_rate, 1000, 1e6))
        self.rate = self.range("rate", rate, 0.25, 4)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Stretched waveforms (B, T') and their lengths."""
        rates = draw(self.rate, len(x), generator, x.device).tolist()
        clips = zip(x, lengths.tolist(), rates, strict=True)
        return side_by_side([stretch(clip[:length], rate, self.n_fft) for clip, length, rate in clips])
