"""Mixing utterances of a batch, in training steps only: features and targets in, their mixtures out."""

import torch
from torch import Tensor

from ser.errors import UserError


class Mixup:
    """Blends each utterance with another of its batch, and their targets alike (Zhang et al. 2018, arXiv 1710.09412).

        x = λ x_i + (1 − λ) x_j,   y = λ y_i + (1 − λ) y_j,   λ = max(b, 1 − b),  b ~ Beta(alpha, alpha)

    One λ a batch, as in the authors' code; the larger share belongs to utterance i, whose valid frames the mixture has.

    Args:
        alpha: Above 0: 0.2 mixes few batches visibly, 1 draws λ evenly.

    Raises:
        UserError: `alpha` is not above 0.
    """

    def __init__(self, alpha: float = 0.4):
        if not alpha > 0:
            raise UserError(f"Mixup's alpha={alpha} must be above 0; augmentation.mixing=[] switches mixing off.")
        self.alpha = alpha

    def __call__(
        self, features: Tensor, frames: Tensor, targets: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mixtures.

        Shape:
            features (B, F, L), frames (B,), targets (B, K), rows summing to 1 → the same.
        """
        # a Beta draw is a ratio of two Gamma draws; this is the one sampler of torch's that takes a generator
        gammas = torch._standard_gamma(torch.full((2,), self.alpha, device=features.device), generator=generator)
        share = gammas.max() / gammas.sum()
        other = torch.randperm(len(features), generator=generator, device=features.device)
        valid = torch.arange(features.shape[-1], device=frames.device) < frames[:, None]  # (B, L)
        mixed = torch.lerp(features[other], features, share) * valid[:, None]
        return mixed, frames, torch.lerp(targets[other], targets, share)
