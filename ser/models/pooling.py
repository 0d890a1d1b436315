"""From a sequence to one vector: mean, mean and standard deviation, or attention, over the valid frames.

All of them are weighted statistics whose weights add up to 1 over the valid frames; only the weights differ.
"""

import torch
from torch import Tensor, nn

from ser.errors import UserError
from ser.masking import frame_mask
from ser.models.layers import fill_padding, padding_mask
from ser.models.settings import choose

# name: (are the weights learned?, is the standard deviation appended to the mean?)
POOLINGS = {
    "mean": (False, False),
    "mean_std": (False, True),
    "attention": (True, False),
    "attention_std": (True, True),
}
MIN_VARIANCE = 1e-10  # a standard deviation of 1e-5: below it the gradient is 0, where √ alone would give infinity


class TimePool(nn.Module):
    """Pools the valid frames of a sequence into one vector.

        mean = Σ w_l x_l,   std = √(Σ w_l (x_l − mean)²)   (population: divided by the count, not by count − 1)

    with w = 1 / frames, or, for attention, the softmax over valid frames of one learned score a frame. Attention with
    the standard deviation is attentive statistics pooling (Okabe et al., 2018, arXiv:1803.10963). The score is linear,
    or has a hidden layer with tanh, as in the paper. Several heads H have a score each, and their statistics are
    concatenated (multi-head attentive statistics; India, Safari and Hernando, 2019, arXiv:1906.09890, split the
    channels among the heads, here each head weighs all of them).

    Args:
        pooling: One of `POOLINGS`.
        channels: C.
        hidden: Units of the score's hidden layer; None: a linear score.
        heads: H, scores of attention.

    Shape:
        x (B, C, L), frames (B,) or None for all valid → (B, `num_outputs`), H·C or 2·H·C.

    Raises:
        UserError: An unknown pooling, or attention settings for a pooling without attention.

    >>> pool = TimePool("mean_std", channels=1)
    >>> pool(torch.tensor([[[1.0, 3.0, 99.0]]]), torch.tensor([2])).tolist()
    [[2.0, 1.0]]
    """

    def __init__(self, pooling: str, channels: int, hidden: int | None = None, heads: int = 1):
        super().__init__()
        attention, self.std = POOLINGS[choose(pooling, POOLINGS, "model.pooling")]
        if not attention and (hidden is not None or heads > 1):
            raise UserError(
                f"model.pooling={pooling} has no attention for model.attention_hidden or model.attention_heads: choose "
                "attention or attention_std, or leave them out."
            )
        self.score = None
        if attention and hidden is None:
            self.score = nn.Conv1d(channels, heads, kernel_size=1)
        elif attention:
            self.score = nn.Sequential(nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, heads, 1))
        self.num_outputs = channels * heads * (1 + self.std)

    def forward(self, x: Tensor, frames: Tensor | None) -> Tensor:
        frames = x.new_full((len(x),), x.shape[-1], dtype=torch.int64) if frames is None else frames.clamp(min=1)
        x = fill_padding(x, frames)
        # in float32: under half precision a small variance is rounded to 0
        values, pooled = x.float(), []
        for weights in self.weigh(x, frames).split(1, dim=1):  # head by head: (B, 1, L)
            mean = (values * weights).sum(-1)
            pooled.append(mean)
            if self.std:
                variance = ((values - mean[..., None]).square() * weights).sum(-1)
                pooled.append(variance.clamp(min=MIN_VARIANCE).sqrt())
        return torch.cat(pooled, dim=1).to(x.dtype)

    def weigh(self, x: Tensor, frames: Tensor) -> Tensor:
        """A weight a frame and head, 0 in the padding: (B, C, L) → (B, H, L) float32."""
        if self.score is None:
            return (frame_mask(frames, x.shape[-1]) / frames[:, None])[:, None]  # (B, L) → (B, 1, L)
        scores = self.score(x).float()
        return scores.masked_fill(padding_mask(scores, frames), -torch.inf).softmax(dim=-1)
