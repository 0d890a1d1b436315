"""Level and floor changes of features, in training steps only: (features, frames, generator)."""

from typing import Annotated

import torch
from torch import Tensor, nn

from ser.augmentations.base import Augmentation
from ser.errors import UserError
from ser.masking import frame_mask
from ser.system.ranges import NotNegative, Range, Share

Factor = Annotated[tuple[float, float], Range(1e-6, 1e6)]


class LevelOffset(Augmentation):
    """Adds a normal draw to all features of an utterance, and one to each of them: another gain, another microphone.

    Features are normalised when they come here, so that 1 is a feature's deviation over the training part.

    Args:
        utterance: Standard deviation of what is added to all features of an utterance alike.
        feature: Standard deviation of what is added to each feature, the same in all frames.
        p: Probability that an utterance is changed.
    """

    def __init__(self, utterance: NotNegative = 0.3, feature: NotNegative = 0.1, p: Share = 1.0):
        super().__init__(p)
        self.utterance, self.feature = utterance, feature

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Moved copy of features (B, F, L) with their frames (B,)."""
        num_clips, num_features, num_frames = x.shape
        draws = torch.randn(num_clips, 1 + num_features, generator=generator, device=x.device)
        offset = self.utterance * draws[:, :1] + self.feature * draws[:, 1:]  # (B, F)
        return x + offset[:, :, None] * frame_mask(lengths, num_frames)[:, None], lengths


class RandomFloor(Augmentation):
    """Draws the floor under the logarithm anew for each utterance: quiet and noisy rooms.

        x = 10 log₁₀(power + c · log_offset),   log c drawn evenly

    The power is read back from the features, whose frontend adds its `log_offset` to it; so features are still
    computed once. For frontends in plain decibels with `log_offset` above 0 and without `top_db`: log_mel, spectrogram.

    Args:
        factor: Smallest and largest c.
        p: Probability that an utterance is changed.
    """

    def __init__(self, factor: Factor = (0.1, 10.0), p: Share = 1.0):
        super().__init__(p)
        self.factor = torch.tensor(factor).log().tolist()

    def attach(self, frontend: nn.Module, normaliser: nn.Module) -> None:
        """Reads the frontend's floor and the normaliser's statistics.

        Raises:
            UserError: These features have no floor, or their level is not known any more.
        """
        self.floor, self.normaliser = frontend.added_floor, normaliser
        if normaliser.mode == "utterance":
            raise UserError(
                "RandomFloor changes the floor under each utterance's power, and normaliser=utterance has taken the "
                "utterance's level away: set normaliser=feature, or leave RandomFloor out."
            )
        if not self.floor:
            raise UserError(
                "RandomFloor changes the floor under a logarithm, and this frontend adds none: set "
                "frontend.log_offset=1e-3 frontend.top_db=null (log_mel, spectrogram), or leave RandomFloor out."
            )

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Features (B, F, L) over another floor, with their frames (B,)."""
        low, high = self.factor
        draws = torch.rand(len(x), 1, 1, generator=generator, device=x.device)
        floors = self.floor * (low + (high - low) * draws).exp()
        decibels = x * self.normaliser.std + self.normaliser.mean
        power = (10 ** (decibels / 10) - self.floor).clamp(min=0)
        return self.normaliser(10 * torch.log10(power + floors), lengths), lengths
