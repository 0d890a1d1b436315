"""Background sounds from the user's recordings."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from ser.augmentations.base import WaveformAugmentation, draw, ends, side_by_side
from ser.augmentations.snr import add_at_snr
from ser.system.ranges import Drawn, Range, Share


class Background(WaveformAugmentation):
    """Adds an excerpt of one of a folder's recordings, at an SNR measured over the clip's valid samples.

    Recording and excerpt are drawn for each clip; a recording shorter than the clip is repeated. A silent clip stays
    silent, and a silent excerpt adds nothing.

    Args:
        folder: Of recordings, searched with its subfolders.
        recordings: Those of the folder at the run's sample rate, (n,) float32 each; added at composition.
        snr_db: Signal-to-noise ratio, dB.
        p: Probability that a clip is changed.
    """

    def __init__(
        self,
        folder: str,
        recordings: Sequence[np.ndarray],
        snr_db: Annotated[Drawn, Range(-50, 100)] = (5.0, 25.0),
        p: Share = 1.0,
    ):
        super().__init__(p)
        self.recordings = recordings
        self.snr_db = ends(snr_db)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Waveforms (B, T) with background."""
        snr_db = draw(self.snr_db, len(x), generator, x.device)
        drawn = torch.randint(len(self.recordings), (len(x),), generator=generator, device=x.device).tolist()
        starts = torch.rand(len(x), generator=generator, device=x.device, dtype=torch.float64).tolist()
        excerpts = [
            torch.from_numpy(excerpt(self.recordings[i], start, length))
            for i, start, length in zip(drawn, starts, lengths.tolist(), strict=True)
        ]
        noise = side_by_side(excerpts)[0].to(x.device)
        noise = torch.nn.functional.pad(noise, (0, x.shape[-1] - noise.shape[-1]))
        return add_at_snr(x, lengths, noise, snr_db), lengths


def excerpt(recording: np.ndarray, start: float, length: int) -> np.ndarray:
    """`length` samples from a relative position in [0, 1); a short recording is repeated.

    >>> excerpt(np.arange(5), 0.99, 3), excerpt(np.arange(3), 0.5, 5)
    (array([2, 3, 4]), array([1, 2, 0, 1, 2]))
    """
    if len(recording) >= length:
        first = int(start * (len(recording) - length + 1))
        return np.array(recording[first : first + length])
    first = int(start * len(recording))
    return np.take(recording, np.arange(first, first + length), mode="wrap")
