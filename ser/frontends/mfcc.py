"""Mel-frequency cepstral coefficients, with their changes over time."""

from typing import Literal

import torch
from torch import Tensor

from ser.errors import UserError
from ser.frontends.decibels import Decibels, LogFloor, LogOffset
from ser.frontends.functional import dct_matrix, deltas, keep_valid
from ser.frontends.mel import MelFrontend
from ser.frontends.stft import Stft
from ser.system.ranges import Bands, NotNegative, Positive, SampleRate


class Mfcc(MelFrontend):
    """Cosine transform of the dB mel spectrum: `librosa.feature.mfcc`, then `librosa.feature.delta(mode="nearest")`.

    Rows: the coefficients; with `deltas=1` their slopes after them; with `deltas=2` their curvatures after those. Both
    use 9 frames; beyond its ends the utterance's first and last valid frame are repeated.

    Args:
        sample_rate: Hz.
        stft: Settings of the transform.
        n_mfcc: Coefficients, at most `n_mels`.
        deltas: 0, 1 or 2: how many derivatives follow.
        n_mels: Mel bands under them.
        f_min: Lower edge of the first band, Hz.
        f_max: Upper edge of the last band, Hz; None: sample_rate / 2.
        log_floor: Power that stands for silence.
        top_db: Range below the utterance's loudest value, dB; None: no limit.
        log_offset: Power added before the logarithm, a floor without an edge; 0: nothing.

    Shape:
        waveforms (B, T) → (B, n_mfcc * (1 + deltas), 1 + T // hop_length).

    Raises:
        UserError: More coefficients than bands, or bands would be empty.
    """

    def __init__(
        self,
        sample_rate: SampleRate,
        stft: Stft,
        n_mfcc: Bands = 40,
        deltas: Literal[0, 1, 2] = 0,
        n_mels: Bands = 64,
        f_min: NotNegative = 0.0,
        f_max: Positive | None = None,
        log_floor: LogFloor = 1e-10,
        top_db: Positive | None = 80.0,
        log_offset: LogOffset = 0.0,
    ):
        super().__init__(sample_rate, stft, n_mels, f_min, f_max)
        if n_mfcc > n_mels:
            raise UserError(f"frontend.n_mfcc={n_mfcc} is above frontend.n_mels={n_mels}: lower it, or raise n_mels.")
        self.decibels = Decibels(log_floor, top_db, log_offset)
        self.deltas = deltas
        self.num_features = n_mfcc * (1 + deltas)
        self.register_buffer("dct", dct_matrix(n_mfcc, n_mels), persistent=False)

    def from_mel(self, mel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients, then their derivatives."""
        mfcc = keep_valid(self.dct @ self.decibels(mel, frames), frames)
        derivatives = [deltas(mfcc, frames, order) for order in range(1, 1 + self.deltas)]
        return torch.cat([mfcc, *derivatives], dim=1), frames
