"""The short-time Fourier transform: its settings, and the power spectrogram."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from ser.errors import UserError, did_you_mean
from ser.system.ranges import Count, Range

WINDOWS: dict[str, Callable[..., Tensor]] = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "bartlett": torch.bartlett_window,
    "rectangular": torch.ones,
}


@dataclass(frozen=True)
class Stft:
    """Settings of one short-time Fourier transform. Equal settings are one transform: `Concat` computes it once.

    Args:
        n_fft: Samples of one transform, even; gives n_fft // 2 + 1 bins.
        hop_length: Samples from frame to frame.
        win_length: Samples under the window, centred in `n_fft`; None: `n_fft`.
        window: `hann`, `hamming`, `blackman`, `bartlett` or `rectangular`, periodic.

    Raises:
        UserError: A setting is out of range.

    >>> Stft(n_fft=512, hop_length=128) == Stft(n_fft=512, hop_length=128, win_length=512)
    True
    """

    n_fft: Annotated[int, Range(2, 2**16)]
    hop_length: Count
    win_length: Count | None = None
    window: str = "hann"

    def __post_init__(self):
        if self.win_length is None:
            object.__setattr__(self, "win_length", self.n_fft)
        if self.n_fft % 2:
            raise UserError(f"frontend.stft.n_fft={self.n_fft} must be an even number of samples.")
        if self.win_length > self.n_fft:
            raise UserError(
                f"frontend.stft.win_length={self.win_length} is above frontend.stft.n_fft={self.n_fft}: lower it, or "
                "set it to null, the same as n_fft."
            )
        if self.window not in WINDOWS:
            raise UserError(
                f"frontend.stft.window='{self.window}' is not a window. {did_you_mean(str(self.window), list(WINDOWS))}"
            )

    @property
    def num_bins(self) -> int:
        """Bins from 0 Hz to half the sample rate, both included."""
        return self.n_fft // 2 + 1

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Frames of `lengths` samples, the last one centred on or before the end: (B,) int64 → (B,) int64."""
        return 1 + torch.div(lengths, self.hop_length, rounding_mode="floor")


class PowerSpectrogram(nn.Module):
    """Squared magnitude, `abs(librosa.stft(y, pad_mode="constant")) ** 2`: centred, zeros beyond the ends.

    Args:
        settings: Of the transform.
    """

    def __init__(self, settings: Stft):
        super().__init__()
        self.settings = settings
        window = WINDOWS[settings.window]
        periodic = {} if window is torch.ones else {"periodic": True}
        self.register_buffer(
            "window", window(settings.win_length, dtype=torch.float64, **periodic).float(), persistent=False
        )

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return str(self.settings)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Power of every bin and frame.

        Shape:
            waveforms (B, T) float32, zero behind their ends → (B, n_fft // 2 + 1, 1 + T // hop_length).
        """
        if waveforms.device.type != "cpu" or waveforms.requires_grad or torch.compiler.is_compiling():
            return _power(self._transform(waveforms))
        # One waveform after the other: intermediate results stay in the processor's cache
        power = waveforms.new_empty(
            len(waveforms), 1 + waveforms.shape[1] // self.settings.hop_length, self.settings.num_bins
        )
        for waveform, out in zip(waveforms, power, strict=True):
            _power(self._transform(waveform).T, out)  # (N, L) → (L, N), as it lies in memory
        return power.transpose(1, 2)  # (B, L, N) → (B, N, L)

    def _transform(self, waveforms: Tensor) -> Tensor:
        """(B, T) → (B, N, L) complex, or without B."""
        return torch.stft(
            waveforms,
            n_fft=self.settings.n_fft,
            hop_length=self.settings.hop_length,
            win_length=self.settings.win_length,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )


def _power(spectrum: Tensor, out: Tensor | None = None) -> Tensor:
    """The two parts squared, not abs(): its root is slower, and has no gradient at 0.

    Squared side by side as they lie in memory, which is quicker than one after the other.
    """
    squares = torch.view_as_real(spectrum).square()
    return torch.add(squares[..., 0], squares[..., 1], out=out)
