"""Spectrogram in dB, without a filterbank."""

from torch import Tensor

from ser.frontends.decibels import Decibels, LogFloor, LogOffset
from ser.frontends.signal import SpectralFrontend
from ser.frontends.stft import Stft
from ser.system.ranges import Positive


class Spectrogram(SpectralFrontend):
    """Power of every bin in dB: `librosa.power_to_db(abs(librosa.stft(y)) ** 2)`, each utterance by itself.

    Args:
        stft: Settings of the transform.
        log_floor: Power that stands for silence.
        top_db: Range below the utterance's loudest value, dB; None: no limit.
        log_offset: Power added before the logarithm, a floor without an edge; 0: nothing.

    Shape:
        waveforms (B, T) → (B, n_fft // 2 + 1, 1 + T // hop_length) dB.
    """

    def __init__(
        self, stft: Stft, log_floor: LogFloor = 1e-10, top_db: Positive | None = 80.0, log_offset: LogOffset = 0.0
    ):
        super().__init__(stft)
        self.num_features = stft.num_bins
        self.decibels = Decibels(log_floor, top_db, log_offset)
        self.added_floor = self.decibels.added_floor

    def from_power(self, power: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Decibels of the power."""
        return self.decibels(power, frames), frames
