"""Mel power spectrogram, and the base of frontends that start from one."""

from bisect import bisect_left

from torch import Tensor

from ser.errors import UserError
from ser.frontends.filterbank import Filterbank
from ser.frontends.functional import empty_bands, keep_valid, mel_filterbank
from ser.frontends.signal import Signal, SpectralFrontend
from ser.frontends.stft import Stft
from ser.system.ranges import Bands, NotNegative, Positive, SampleRate


class MelFrontend(SpectralFrontend):
    """A frontend on the mel power spectrogram: implement `from_mel`.

    Args:
        sample_rate: Hz.
        stft: Settings of the transform.
        n_mels: Bands, equally spaced on Slaney's mel scale, each of area 1.
        f_min: Lower edge of the first band, Hz.
        f_max: Upper edge of the last band, Hz; None: sample_rate / 2.

    Raises:
        UserError: The edges are out of range, or bands would be empty.
    """

    def __init__(self, sample_rate: int, stft: Stft, n_mels: int, f_min: float, f_max: float | None):
        super().__init__(stft)
        f_max = sample_rate / 2 if f_max is None else f_max
        self.num_features = n_mels
        self.mel_settings = (stft, sample_rate, n_mels, float(f_min), float(f_max))
        self.mel_bank = Filterbank(_checked_bank(sample_rate, stft.n_fft, n_mels, f_min, f_max))

    def mel(self, signal: Signal) -> Tensor:
        """The signal's mel power spectrogram (B, n_mels, L), computed once for equal settings."""
        return signal.once(self.mel_settings, lambda: self.mel_bank(self.power(signal)))

    def from_signal(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """Features and frames of a signal."""
        return self.from_mel(self.mel(signal), self.stft.count_frames(signal.lengths))

    def from_power(self, power: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a power spectrogram: see `SpectralFrontend.from_power`."""
        return self.from_mel(self.mel_bank(power), frames)

    def from_mel(self, mel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a mel power spectrogram.

        Shape:
            mel (B, n_mels, L), frames (B,) → features (B, F, L), zeros behind the valid frames, frames (B,).
        """
        raise NotImplementedError


class Mel(MelFrontend):
    """Mel power spectrogram, linear in power: `librosa.feature.melspectrogram`.

    Values reach over many powers of ten; most models learn better from `LogMel`.

    Args:
        sample_rate: Hz.
        stft: Settings of the transform.
        n_mels: Bands.
        f_min: Lower edge of the first band, Hz.
        f_max: Upper edge of the last band, Hz; None: sample_rate / 2.

    Shape:
        waveforms (B, T) → (B, n_mels, 1 + T // hop_length).

    Raises:
        UserError: The edges are out of range, or bands would be empty.
    """

    def __init__(
        self,
        sample_rate: SampleRate,
        stft: Stft,
        n_mels: Bands = 64,
        f_min: NotNegative = 0.0,
        f_max: Positive | None = None,
    ):
        super().__init__(sample_rate, stft, n_mels, f_min, f_max)

    def from_mel(self, mel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The mel power itself."""
        return keep_valid(mel, frames), frames


def _checked_bank(sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float) -> Tensor:
    """The filterbank (n_mels, n_fft // 2 + 1), or an error that names the setting to change."""
    if f_max > sample_rate / 2:
        raise UserError(
            f"frontend.f_max={f_max:g} Hz lies above half of audio.sample_rate={sample_rate} Hz: set it to "
            f"{sample_rate / 2:g} or less, or to null."
        )
    if f_min >= f_max:
        raise UserError(f"frontend.f_min={f_min:g} Hz must lie below frontend.f_max={f_max:g} Hz.")
    if not (empty := empty_bands(sample_rate, n_fft, n_mels, f_min, f_max)):
        return mel_filterbank(sample_rate, n_fft, n_mels, f_min, f_max)
    largest = bisect_left(range(1, n_mels), True, key=lambda n: empty_bands(sample_rate, n_fft, n, f_min, f_max) > 0)
    lower = f"lower it to {largest} or less, or " if largest else ""
    raise UserError(
        f"frontend.n_mels={n_mels} leaves {empty} mel bands without a single bin of "
        f"frontend.stft.n_fft={n_fft} at {sample_rate} Hz: {lower}raise frontend.stft.n_fft."
    )
