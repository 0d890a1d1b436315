"""Mixing utterances of a batch, in training steps only: features and targets in, their mixtures out.

`(features, frames, targets, generator) → (features, frames, targets)`; targets are soft, rows (B, K) that sum to 1.
"""

from typing import Annotated

import torch
from torch import Tensor

from ser.masking import frame_mask
from ser.system.ranges import Range, Share

SMALLEST = 1e-6  # added to a variance
Alpha = Annotated[float, Range(0.05, 1000)]  # below, float32 cannot hold the draws whose ratio is the share


class Mixing:
    """Common to all mixings: the shares are drawn from a Beta distribution, for some utterances.

    Args:
        alpha: The distribution is Beta(alpha, alpha).
        p: Probability that an utterance is mixed.
    """

    def __init__(self, alpha: Alpha, p: Share = 1.0):
        self.alpha, self.p = alpha, p

    def _beta(self, count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Two Gamma draws each, whose ratio is a Beta draw: (2, count). the only sampler with a generator."""
        return torch._standard_gamma(torch.full((2, count), self.alpha, device=device), generator=generator)

    def _kept_whole(self, share: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
        """Shares with 1 where an utterance is not drawn; with p=1 nothing is drawn and all stay unchanged."""
        if self.p == 1:
            return share
        drawn = torch.rand(count, generator=generator, device=share.device) < self.p
        return torch.where(drawn, share, 1.0)

    def _each(self, count: int, generator: torch.Generator | None, device: torch.device) -> tuple[Tensor, Tensor]:
        """For each utterance another one, and the share that is kept: (count,) both."""
        gammas = self._beta(count, generator, device)
        other = _permutation(count, generator, device)
        return other, self._kept_whole(gammas[0] / gammas.sum(0), count, generator)


class Mixup(Mixing):
    """Blends each utterance with another of its batch, and their targets alike (Zhang et al. 2018, arXiv 1710.09412).

        x = λ x_i + (1 − λ) x_j,   y = λ y_i + (1 − λ) y_j,   λ = max(b, 1 − b),  b ~ Beta(alpha, alpha)

    One λ a batch, as in the authors' code; the larger share belongs to utterance i, whose valid frames the mixture has.

    Args:
        alpha: 0.2 mixes few batches visibly, 1 draws λ evenly.
        p: Probability that an utterance is mixed.
    """

    def __init__(self, alpha: Alpha = 0.4, p: Share = 1.0):
        super().__init__(alpha, p)

    def __call__(
        self, features: Tensor, frames: Tensor, targets: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mixtures.

        Shape:
            features (B, F, L), frames (B,), targets (B, K), rows summing to 1 → the same.
        """
        gammas = self._beta(1, generator, features.device)
        share = gammas.max() / gammas.sum()
        other = _permutation(len(features), generator, features.device)
        share = self._kept_whole(share, len(features), generator).reshape(-1, 1)  # (1, 1), or (B, 1)
        mixed = torch.lerp(features[other], features, share[:, :, None])
        valid = frame_mask(frames, features.shape[-1])[:, None]
        return mixed * valid, frames, torch.lerp(targets[other], targets, share.to(targets.dtype))


class CutMix(Mixing):
    """Replaces a stretch of time by another utterance's, and a share of the target (Yun et al. 2019, arXiv 1905.04899).

        y = s y_i + (1 − s) y_j,   s = 1 − (frames replaced) / (valid frames of i)

    For each utterance 1 − b of its frames are to be replaced, b ~ Beta(alpha, alpha), by the same frames of the other,
    over all features. The stretch is where both have valid frames, and is shortened to fit; targets are weighted by
    the frames replaced.

    Args:
        alpha: 1 draws the share evenly.
        p: Probability that an utterance is mixed.
    """

    def __init__(self, alpha: Alpha = 1.0, p: Share = 1.0):
        super().__init__(alpha, p)

    def __call__(
        self, features: Tensor, frames: Tensor, targets: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mixtures.

        Shape:
            features (B, F, L), frames (B,), targets (B, K), rows summing to 1 → the same.
        """
        other, kept = self._each(len(features), generator, features.device)
        common = frames.minimum(frames[other])
        width = ((1 - kept) * frames).round().long().minimum(common)  # (B,) frames to replace
        place = torch.rand(len(features), generator=generator, device=features.device)
        start = (place * (common - width + 1)).long().minimum(common - width)
        position = torch.arange(features.shape[-1], device=features.device)
        replaced = (position >= start[:, None]) & (position < (start + width)[:, None])  # (B, L)
        share = (1 - width / frames.clamp(min=1)).to(targets.dtype)[:, None]
        mixed = torch.where(replaced[:, None], features[other], features)
        return mixed, frames, torch.lerp(targets[other], targets, share.to(targets.dtype))


class FreqMixStyle(Mixing):
    """Gives an utterance a mixture of its own and another's mean and deviation of each feature over time, and keeps its
    target: another voice or microphone says the same (MixStyle, Zhou et al. 2021, arXiv 2104.02008, by frequency).

        x = (x_i − μ_i) / σ_i · σ + μ,   μ = b μ_i + (1 − b) μ_j,   σ alike,   b ~ Beta(alpha, alpha)

    μ and σ are those of the valid frames; b is drawn for each utterance. Nothing flows back through μ and σ. Where an
    utterance is one vector (statistics over time), its mean is all that there is, and nothing is changed.

    Args:
        alpha: As published for acoustic scenes; small, most draws are near 0 or 1.
        p: Probability that an utterance is changed.
    """

    def __init__(self, alpha: Alpha = 0.3, p: Share = 0.4):
        super().__init__(alpha, p)

    def __call__(
        self, features: Tensor, frames: Tensor, targets: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The utterances with other statistics, and their targets as they were.

        Shape:
            features (B, F, L), frames (B,), targets (B, K) → the same.
        """
        if features.shape[-1] == 1:
            return features, frames, targets
        other, kept = self._each(len(features), generator, features.device)
        kept = kept[:, None, None]
        valid = frame_mask(frames, features.shape[-1])[:, None]
        x = features.detach()
        count = frames.clamp(min=1)[:, None, None]
        mean = (x * valid).sum(-1, keepdim=True) / count
        deviation = (((x - mean) * valid).square().sum(-1, keepdim=True) / count + SMALLEST).sqrt()
        scale = torch.lerp(deviation[other], deviation, kept) / deviation
        mixed = (features - mean) * scale + torch.lerp(mean[other], mean, kept)
        return torch.where(kept == 1, features, mixed * valid), frames, targets


def _permutation(count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """A random order of `count` utterances; `torch.randperm` cannot be part of a CUDA graph."""
    return torch.rand(count, generator=generator, device=device).argsort()
