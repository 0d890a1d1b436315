"""Log-mel spectrogram."""

from torch import Tensor

from ser.frontends.decibels import Decibels, LogFloor, LogOffset
from ser.frontends.mel import MelFrontend
from ser.frontends.stft import Stft
from ser.system.ranges import Bands, NotNegative, Positive, SampleRate


class LogMel(MelFrontend):
    """Mel spectrogram in dB: `librosa.power_to_db(librosa.feature.melspectrogram(...))`, each utterance by itself.

    Args:
        sample_rate: Hz.
        stft: Settings of the transform.
        n_mels: Bands.
        f_min: Lower edge of the first band, Hz.
        f_max: Upper edge of the last band, Hz; None: sample_rate / 2.
        log_floor: Power that stands for silence. A higher one (1e-5) hides the noise floors of the recordings.
        top_db: Range below the utterance's loudest value, dB; None: no limit.
        log_offset: Power added before the logarithm, a floor without an edge; 0: nothing.

    Shape:
        waveforms (B, T) → (B, n_mels, 1 + T // hop_length) dB.

    Raises:
        UserError: A setting is out of range, or bands would be empty.
    """

    def __init__(
        self,
        sample_rate: SampleRate,
        stft: Stft,
        n_mels: Bands = 64,
        f_min: NotNegative = 0.0,
        f_max: Positive | None = None,
        log_floor: LogFloor = 1e-10,
        top_db: Positive | None = 80.0,
        log_offset: LogOffset = 0.0,
    ):
        super().__init__(sample_rate, stft, n_mels, f_min, f_max)
        self.decibels = Decibels(log_floor, top_db, log_offset)
        self.added_floor = self.decibels.added_floor

    def from_mel(self, mel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Decibels of the mel power."""
        return self.decibels(mel, frames), frames
