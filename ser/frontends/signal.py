"""Frontends that share work: a signal caches what is computed from it."""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from ser.frontends.base import Frontend
from ser.frontends.stft import PowerSpectrogram, Stft
from ser.masking import frame_mask, nothing_padded


class Signal:
    """A batch of waveforms, silent behind their ends, and results computed from it so far.

    Args:
        waveforms: Samples; those behind `lengths` are replaced by zeros.
        lengths: Real samples of each waveform.

    Shape:
        waveforms (B, T), lengths (B,) int64.
    """

    def __init__(self, waveforms: Tensor, lengths: Tensor):
        self.waveforms = waveforms.float()
        if not nothing_padded(lengths, waveforms.shape[-1]):
            self.waveforms = torch.where(frame_mask(lengths, waveforms.shape[-1]), self.waveforms, 0.0)
        self.lengths = lengths
        self._computed: dict[Hashable, Tensor] = {}

    def once(self, settings: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """The result of `compute`, cached by `settings`."""
        if settings not in self._computed:
            self._computed[settings] = compute()
        return self._computed[settings]

    def through(self, frontend: Frontend) -> tuple[Tensor, Tensor]:
        """Features and frames of `frontend`; if not a `SignalFrontend`, it gets the waveforms and shares nothing."""
        if isinstance(frontend, SignalFrontend):
            return frontend.from_signal(self)
        return frontend(self.waveforms, self.lengths)


class SignalFrontend(Frontend):
    """A frontend that works on a shared `Signal`: implement `from_signal`; `forward` runs it in float32."""

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a batch: see `Frontend.forward`."""
        # Half precision would lose quiet bands: powers reach from 1e-10 to 1e5.
        with torch.autocast(device_type=waveforms.device.type, enabled=False):
            return self.from_signal(Signal(waveforms, lengths))

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """Features (B, F, L) and frames (B,) of a signal."""
        raise NotImplementedError


class SpectralFrontend(SignalFrontend):
    """A frontend on the power spectrogram: implement `from_power`.

    Args:
        stft: Settings of the transform.
    """

    def __init__(self, stft: Stft):
        super().__init__()
        self.spectrum = PowerSpectrogram(stft)

    @property
    def stft(self) -> Stft:
        """Settings of the transform."""
        return self.spectrum.settings

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return self.stft.hop_length

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Valid frames of `lengths` samples: 1 + lengths // hop_length."""
        return self.stft.count_frames(lengths)

    def power(self, signal: Signal) -> Tensor:
        """The signal's power spectrogram (B, n_fft // 2 + 1, L), computed once for equal settings."""
        return signal.once(self.stft, lambda: self.spectrum(signal.waveforms))

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """Features and frames of a signal."""
        return self.from_power(self.power(signal), self.stft.count_frames(signal.lengths))

    def from_power(self, power: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a power spectrogram.

        Args:
            power: Of all frames, padded ones included.
            frames: Valid ones of each utterance.

        Shape:
            power (B, n_fft // 2 + 1, L), frames (B,) → features (B, F, L), zeros behind the valid frames, frames (B,).
        """
        raise NotImplementedError
