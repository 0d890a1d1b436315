"""Zero-crossing rate, loudness and pitch classes: three small descriptors; each can be left out."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from ser.errors import UserError
from ser.frontends.functional import (
    chroma_filterbank,
    divide_by_peak,
    keep_valid,
    root_mean_square,
    safe_sqrt,
    zero_crossing_rate,
)
from ser.frontends.signal import Signal, SpectralFrontend
from ser.frontends.stft import Stft
from ser.system.ranges import Range, SampleRate


class ZcrRmsChroma(SpectralFrontend):
    """Zero-crossing rate (1 row), root mean square (1 row), chroma (`n_chroma` rows, C first), in this order.

    `librosa.feature.zero_crossing_rate`, `librosa.feature.rms` over frames of `n_fft` samples, and
    `librosa.feature.chroma_stft(tuning=0)`, each frame divided by its largest pitch class. Another order of the rows is
    a `Concat` of several of these with one flag each; they share one transform.

    Args:
        sample_rate: Hz.
        stft: Settings of the transform; its `n_fft` is the frame of the first two as well.
        zcr: With the zero-crossing rate (crossings per sample, in [0, 1]; has no gradient).
        rms: With the root mean square (linear amplitude).
        chroma: With the chroma; without it no transform is computed.
        n_chroma: Pitch classes of an octave.
        chroma_power: 2 takes the power spectrogram, as `chroma_stft(y=…)` does; 1 its magnitude, as many published
            systems do by `chroma_stft(S=np.abs(stft(y)))`.

    Shape:
        waveforms (B, T) → (B, zcr + rms + n_chroma, 1 + T // hop_length).

    Raises:
        UserError: Nothing is switched on.
    """

    def __init__(
        self,
        sample_rate: SampleRate,
        stft: Stft,
        zcr: bool = True,
        rms: bool = True,
        chroma: bool = True,
        n_chroma: Annotated[int, Range(1, 1024)] = 12,
        chroma_power: Literal[1, 2] = 2,
    ):
        super().__init__(stft)
        if not (zcr or rms or chroma):
            raise UserError("frontend.zcr, frontend.rms and frontend.chroma are all false: set one of them to true.")
        self.zcr, self.rms, self.chroma, self.chroma_power = zcr, rms, chroma, chroma_power
        self.num_features = int(zcr) + int(rms) + n_chroma * int(chroma)
        self.register_buffer("chroma_bank", chroma_filterbank(sample_rate, stft.n_fft, n_chroma), persistent=False)

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """All rows that are switched on."""
        rows = []
        if self.zcr or self.rms:
            rows.append(self.from_waveform(signal.waveforms, signal.lengths)[0])
        if self.chroma:
            rows.append(super().from_signal(signal)[0])
        return torch.cat(rows, dim=1), self.count_frames(signal.lengths)

    def from_waveform(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The rows that need no transform.

        Shape:
            waveforms (B, T), zero behind `lengths` (B,) → (B, zcr + rms, L), zeros behind the valid ones, frames (B,).
        """
        size, rows = (self.stft.n_fft, self.hop_length), []
        if self.zcr:
            rows.append(zero_crossing_rate(waveforms, lengths, *size))
        if self.rms:
            rows.append(root_mean_square(waveforms, *size))
        frames = self.count_frames(lengths)
        return keep_valid(torch.cat(rows, dim=1), frames), frames

    def from_power(self, power: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The chroma rows: see `SpectralFrontend.from_power`."""
        spectrum = power if self.chroma_power == 2 else safe_sqrt(power)
        return keep_valid(divide_by_peak(self.chroma_bank @ spectrum), frames), frames
