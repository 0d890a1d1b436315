"""A small transformer over frames: self-attention, then pooling."""

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from ser.errors import UserError
from ser.masking import frame_mask
from ser.models.base import Model
from ser.models.layers import fill_padding
from ser.models.pooling import TimePool
from ser.system.ranges import Range, Rate, Size

REACH = 7  # frames on either side that tell a frame where it is


class TransformerHead(Model):
    """Frames projected to `width`, layers of self-attention, pooling, logits; 235,000 parameters behind 768 features.

    What is next to what is known from a convolution over 15 frames that is added before the first layer, as in
    wav2vec 2.0: clips of any length, and no count from the first frame. Norms stand before attention and before the
    two linear layers, which trains without a warm-up.

    Args:
        num_features: F.
        num_frames: L, or None when lengths vary; 1 is a vector that attends to itself.
        num_classes: K.
        width: Values of a frame.
        layers: How many.
        heads: Of the attention; they divide `width`.
        pooling: 'mean', 'mean_std', 'attention' or 'attention_std' (see `TimePool`).
        dropout: Rate behind each attention, each pair of linear layers, and before the logits.

    Shape:
        features (B, F, L), frames (B,) → (B, K).

    Raises:
        UserError: An invalid setting.

    >>> import torch
    >>> model = TransformerHead(num_features=40, num_frames=None, num_classes=8, width=16)
    >>> model(torch.randn(2, 40, 30), torch.tensor([30, 12])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        num_features: int,
        num_frames: int | None,
        num_classes: int,
        width: Size = 128,
        layers: Annotated[int, Range(1, 64)] = 1,
        heads: Annotated[int, Range(1, 1024)] = 4,
        pooling: str = "attention_std",
        dropout: Rate = 0.2,
    ):
        super().__init__()
        if width % heads:
            raise UserError(f"model.heads={heads} does not divide model.width={width}.")
        self.project = nn.Linear(num_features, width)
        self.position = nn.Conv1d(width, width, 2 * REACH + 1, padding=REACH, groups=width)
        self.layers = nn.ModuleList(AttentionBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.pool = TimePool(pooling, width)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.pool.num_outputs, num_classes)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        x = self.project(fill_padding(features, frames).transpose(1, 2)).transpose(1, 2)  # (B, F, L) → (B, D, L)
        x = fill_padding(x, frames)
        x = (x + F.gelu(self.position(x))).transpose(1, 2)  # (B, L, D)
        valid = frame_mask(frames.clamp(min=1), x.shape[1])[:, None, None]  # (B, 1, 1, L): over heads and queries
        for layer in self.layers:
            x = layer(x, valid)
        return self.linear(self.dropout(self.pool(self.norm(x).transpose(1, 2), frames)))


class AttentionBlock(nn.Module):
    """x + attention(norm(x)), then x + linear(gelu(linear(norm(x)))).

    Args:
        width: D.
        heads: H.
        dropout: Rate behind both.

    Shape:
        x (B, L, D), valid (B, 1, 1, L) bool → (B, L, D).
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm, self.norm_wide = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        # (B, L, 3·D) → (B, L, H, 3·D/H) → (B, H, L, 3·D/H)
        projected = self.queries_keys_values(self.norm(x)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(*projected.chunk(3, dim=3), attn_mask=valid)
        x = x + self.dropout(self.joined(attended.transpose(1, 2).flatten(2)))  # (B, H, L, D/H) → (B, L, D)
        return x + self.dropout(self.narrow(F.gelu(self.wide(self.norm_wide(x)))))
