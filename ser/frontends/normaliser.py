"""Features to mean 0 and standard deviation 1, by the training set's statistics."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ser.errors import UserError, did_you_mean
from ser.frontends.functional import keep_valid
from ser.masking import frame_mask

MODES = ("none", "feature", "feature_and_frame", "utterance")

# A deviation this small against the mean is float32's rounding of a constant.
_ROUNDING = 1e-6
_LEAST_WITHIN = 0.1  # of a feature's deviation over all frames, its deviation within utterances: a floor


class Normaliser(nn.Module):
    """(features - mean) / std with the training set's statistics, which are saved in the checkpoint.

    Only valid frames are counted, in float64. A feature that does not vary is shifted but not scaled. Before `fit`
    nothing is changed.

    Args:
        mode: `none`: nothing is changed. `feature`: one mean and deviation a feature. `feature_and_frame`: one for
            every feature at every frame, over the utterances in which that frame is valid; a frame never valid in
            training keeps mean 0 and deviation 1. `utterance`: of each utterance its own mean over time is taken away
            first, and with it what speaker, microphone and level add to every frame of logarithmic features (cepstral
            mean subtraction; Furui, 1981, doi:10.1109/TASSP.1981.1163530). The deviation within utterances, by which
            the rest is divided, is a tenth of the deviation over all frames at least.
        num_features: F.
        num_frames: L; needed for `feature_and_frame`, None when lengths vary.

    Shape:
        mean, std: (F, 1), or (F, L) for `feature_and_frame`.

    Raises:
        UserError: The mode is unknown, `feature_and_frame` with varying lengths, or `utterance` with one frame.
    """

    def __init__(self, mode: str, num_features: int, num_frames: int | None = None):
        super().__init__()
        if mode not in MODES:
            raise UserError(f"'{mode}' is not a way to normalise features. {did_you_mean(str(mode), list(MODES))}")
        if mode == "feature_and_frame" and num_frames is None:
            raise UserError("Normalising per feature_and_frame needs recordings of one length: set audio.duration_s.")
        if mode == "utterance" and num_frames == 1:
            raise UserError(
                "normaliser=utterance takes an utterance's mean over time away, and these features are one vector, of "
                "which nothing would be left: choose normaliser=feature, or a frontend with frames over time."
            )
        self.mode = mode
        columns = num_frames if mode == "feature_and_frame" else 1
        self.register_buffer("mean", torch.zeros(num_features, columns))
        self.register_buffer("std", torch.ones(num_features, columns))

    @torch.no_grad()
    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learns mean and std from the training set, one batch after the other (Chan, Golub and LeVeque, 1979).

        Args:
            batches: Features (B, F, L) and their valid frames (B,), each utterance once.

        Raises:
            UserError: There is no utterance, or frames do not match `num_frames`.
        """
        if self.mode == "none":
            return
        # Statistics are summed over the batch, and over frames unless each has its own.
        axes = (0,) if self.mode == "feature_and_frame" else (0, 2)
        within, raw = _Moments(self.mean.shape, axes), _Moments(self.mean.shape, axes)
        for features, frames in batches:
            self._check(features)
            within.add(self._centred(features, frames), frames)
            if self.mode == "utterance":
                raw.add(features, frames)
        if not within.count.any():
            raise UserError("There is no training utterance to normalise by: check the split.")
        mean, std, level = within.mean, within.std(), within.mean
        if self.mode == "utterance":
            # what stands still within the training part's utterances may move in others, of another corpus
            std, level = torch.maximum(std, _LEAST_WITHIN * raw.std()), raw.mean
        constant = std <= _ROUNDING * level.abs()
        self.mean.copy_(mean)
        self.std.copy_(torch.where(constant, 1.0, std))

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        """Normalised features, float32 outside autocast, zeros behind the valid frames.

        Shape:
            features (B, F, L), frames (B,) → (B, F, L).
        """
        self._check(features)
        with torch.autocast(device_type=features.device.type, enabled=False):
            centred = self._centred(features.float(), frames)
            return keep_valid((centred - self.mean) / self.std, frames)

    def _centred(self, features: Tensor, frames: Tensor) -> Tensor:
        """Without each utterance's own mean over its valid frames, where that is asked for."""
        if self.mode != "utterance":
            return features
        valid = frame_mask(frames, features.shape[-1])[:, None]
        means = torch.where(valid, features, 0.0).sum(2, keepdim=True) / frames.clamp(min=1)[:, None, None]
        return features - means

    def _check(self, features: Tensor):
        if self.mode == "feature_and_frame" and features.shape[-1] != self.mean.shape[-1]:
            raise UserError(
                f"Features have {features.shape[-1]} frames, but were normalised per frame for {self.mean.shape[-1]}: "
                "set audio.duration_s to the duration used in training."
            )


class _Moments:
    """Count, mean and sum of squared deviations over valid frames, batch after batch, in float64 on the CPU."""

    def __init__(self, shape: torch.Size, axes: tuple[int, ...]):
        self.axes, self.count = axes, torch.zeros((), dtype=torch.float64)
        self.mean, self.squares = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)

    def add(self, features: Tensor, frames: Tensor) -> None:
        """Features (B, F, L) and their valid frames (B,)."""
        # On the CPU, because not every accelerator has float64.
        x, frames = features.to("cpu", torch.float64), frames.cpu()
        valid = frame_mask(frames, x.shape[-1])[:, None]
        added = valid.sum(dim=self.axes, keepdim=True)[0]
        mean = torch.where(valid, x, 0.0).sum(dim=self.axes, keepdim=True)[0] / added.clamp(min=1)
        squares = torch.where(valid, (x - mean).square(), 0.0).sum(dim=self.axes, keepdim=True)[0]
        total = (self.count + added).clamp(min=1)
        shift = mean - self.mean
        self.mean = self.mean + shift * added / total
        self.squares = self.squares + squares + shift.square() * self.count * added / total
        self.count = self.count + added

    def std(self) -> Tensor:
        """The deviation of the training part itself (not an estimate for others)."""
        return (self.squares / self.count.clamp(min=1)).sqrt().float()
