"""Random crops and placements, in training steps only: (features, frames, generator) → (features, frames)."""

import torch
from torch import Tensor

from ser.augmentations.base import Augmentation
from ser.system.ranges import Count, Share


class RandomCrop(Augmentation):
    """Cuts a stretch of at most `frames` out of each utterance that is longer: another one in each epoch.

    For recordings at their own length (`audio=whole`); with a fixed `audio.duration_s` they are already cut.

    Args:
        frames: Longest utterance after the crop.
        p: Probability that an utterance is cut.
    """

    def __init__(self, frames: Count = 150, p: Share = 1.0):
        super().__init__(p)
        self.frames = frames

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Stretches of features (B, F, L) at the front of a tensor of the same size, and their frames (B,)."""
        kept = lengths.clamp(max=self.frames)
        starts = _drawn(lengths - kept, generator)
        places = torch.arange(x.shape[-1], device=x.device)
        source = (places + starts[:, None]).clamp(max=x.shape[-1] - 1)  # (B, L)
        moved = x.gather(2, source[:, None].expand_as(x))
        return torch.where((places < kept[:, None])[:, None], moved, 0.0), kept


class RandomPlacement(Augmentation):
    """Moves an utterance that is followed by silence to a random place in it.

    For padding that counts as signal (`audio.padding_is_signal=true`): the frames behind an utterance, all alike, come
    partly before it. Ordinary padding is never seen by a model, and nothing is moved.

    Args:
        p: Probability that an utterance is moved.
    """

    def __init__(self, p: Share = 1.0):
        super().__init__(p)

    def change(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Features (B, F, L) moved later within their frames (B,)."""
        places = torch.arange(x.shape[-1], device=x.device)
        last = (lengths - 1)[:, None, None]  # (B, 1, 1)
        silence = x.gather(2, last.expand(-1, x.shape[1], 1))
        sounding = ((x != silence).any(dim=1) & (places < lengths[:, None])).long()  # (B, L)
        end = (sounding * (places + 1)).amax(dim=1)  # frames up to the last that differs from the silence
        behind = lengths - end
        shift = _drawn(behind * (behind > 1), generator)  # a single last frame is not silence
        from_ = torch.remainder(places - shift[:, None], lengths[:, None])  # the silence behind moves before
        valid = places < lengths[:, None]
        moved = x.gather(2, torch.where(valid, from_, places)[:, None].expand_as(x))
        return moved, lengths


def _drawn(most: Tensor, generator: torch.Generator | None) -> Tensor:
    """A whole number from 0 to `most`, evenly, for each utterance: (B,) int64."""
    draws = torch.rand(len(most), generator=generator, device=most.device)
    return (draws * (most + 1)).long().minimum(most)
