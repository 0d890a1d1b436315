"""Loudness contour: the mean over the mel bands of the dB mel spectrogram, one value a frame."""

import torch
from torch import Tensor

from ser.errors import UserError
from ser.frontends.decibels import Decibels, LogFloor, LogOffset
from ser.frontends.functional import keep_valid
from ser.frontends.mel import MelFrontend
from ser.frontends.stft import Stft
from ser.masking import frame_mask
from ser.system.ranges import Bands, Index, NotNegative, Positive, SampleRate


class LogMelContour(MelFrontend):
    """Mean of the log-mel bands: `librosa.power_to_db(librosa.feature.melspectrogram(...)).mean(axis=0)`.

    Args:
        sample_rate: Hz.
        stft: Settings of the transform.
        n_mels: Bands the mean is taken over.
        f_min: Lower edge of the first band, Hz.
        f_max: Upper edge of the last band, Hz; None: sample_rate / 2.
        log_floor: Power that stands for silence.
        top_db: Range below the utterance's loudest value (in any band and frame), dB; None: no limit.
        log_offset: Power added before the logarithm, a floor without an edge; 0: nothing.
        skip_frames: Leading frames left out, at least one frame stays.
        fill_db: Value, dB, of the frames behind the valid ones, which then all count as valid: for presets that
            filled short recordings up. None: they stay padding. Use it only with `audio.duration_s` set.

    Shape:
        waveforms (B, T) → (B, 1, 1 + T // hop_length - skip_frames) dB.

    Raises:
        UserError: A setting is out of range, bands would be empty, or no frame would be left.
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
        skip_frames: Index = 0,
        fill_db: float | None = None,
    ):
        super().__init__(sample_rate, stft, n_mels, f_min, f_max)
        self.decibels = Decibels(log_floor, top_db, log_offset)
        self.num_features = 1
        self.skip_frames = skip_frames
        self.fill_db = fill_db

    def count_frames(self, lengths: Tensor) -> Tensor:
        """Valid frames of `lengths` samples; with `fill_db` those of the longest, taken to fill its batch."""
        frames = self._skipped(self.stft.count_frames(lengths))
        return frames if self.fill_db is None else frames.max().expand_as(frames)

    def from_mel(self, mel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The contour of a mel power spectrogram."""
        num_frames = mel.shape[-1] - self.skip_frames
        if num_frames < 1:
            raise UserError(
                f"frontend.skip_frames={self.skip_frames} leaves none of the {mel.shape[-1]} frames of the longest "
                "recording: lower it."
            )
        # The range is that of all frames: the skipped ones are left out afterwards, as the published systems do.
        contour = self.decibels(mel, frames).mean(dim=1, keepdim=True)[..., self.skip_frames :]
        frames = self._skipped(frames)
        if self.fill_db is None:
            return keep_valid(contour, frames), frames
        valid = frame_mask(frames, num_frames)[:, None]
        return torch.where(valid, contour, self.fill_db), torch.full_like(frames, num_frames)

    def _skipped(self, frames: Tensor) -> Tensor:
        # A model needs one frame, so a recording shorter than what is skipped keeps one (of 0 dB).
        return (frames - self.skip_frames).clamp(min=1)
