"""Convolutions, then recurrence: a 2D CNN for short patterns, a GRU for their order in time."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from ser.models.base import Model
from ser.models.image_layers import (
    ConvNorm,
    FrameEmbedding,
    as_image,
    check_frames,
    height_after,
    rectify,
    residual_stages,
)
from ser.models.layers import fill_padding
from ser.models.pooling import TimePool
from ser.system.ranges import Range, Rate, Size


class CRNN(Model):
    """Residual convolutions over (feature, time), a bidirectional GRU over time, and pooling of its outputs
    (as in Satt, Rozenberg and Hoory, 2017, Interspeech, doi:10.21437/Interspeech.2017-200, with a GRU for the LSTM).

    Stem 5×5 with stride 2 over the features alone, then a residual block for each stage, each but the first with stride
    2 over both axes; all channels at all heights are joined to `embedding` values a frame; the GRU reads them forwards
    and, from each utterance's own last frame, backwards. torch.export unrolls it, for one length only.

    Args:
        num_features: F.
        num_frames: L, or None when lengths vary; 1 is an error.
        num_classes: K.
        width: Channels of the stem.
        stages: Channels of each stage, in multiples of `width`.
        block_dropout: Rate at which each block leaves out whole channels before its sum (Dropout2d).
        embedding: Values that represent a frame before the GRU.
        hidden: Units of the GRU, in each direction.
        layers: Of the GRU.
        pooling: 'mean', 'mean_std', 'attention' or 'attention_std' (see `TimePool`).
        dropout: Rate before the GRU and before the last layer.

    Shape:
        features (B, F, L), frames (B,) → (B, K).

    Raises:
        UserError: The frontend gives one frame only, or a setting is invalid.

    >>> model = CRNN(num_features=64, num_frames=None, num_classes=8, width=8)
    >>> model(torch.randn(2, 64, 50), torch.tensor([50, 20])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        num_features: int,
        num_frames: int | None,
        num_classes: int,
        width: Size = 24,
        stages: Sequence[Annotated[int, Range(1, 64)]] = (1, 2, 4),
        block_dropout: Rate = 0.0,
        embedding: Size = 128,
        hidden: Size = 64,
        layers: Annotated[int, Range(1, 8)] = 1,
        pooling: str = "attention_std",
        dropout: Rate = 0.3,
    ):
        super().__init__()
        check_frames(num_frames, "crnn")
        self.stem = ConvNorm(1, width, kernel_size=5, stride=(2, 1))
        strides = [2 if i else 1 for i in range(len(stages))]
        both_axes = list(zip(strides, strides, strict=True))
        self.stages = residual_stages(width, stages, both_axes, dropout=block_dropout)
        self.join = FrameEmbedding(width * [1, *stages][-1], height_after([2, *strides], num_features), embedding)
        sizes = [embedding, *[2 * hidden] * (layers - 1)]
        self.layers = nn.ModuleList(BothWays(size, hidden) for size in sizes)
        self.pool = TimePool(pooling, 2 * hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.pool.num_outputs, num_classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        x, frames = self.stem(as_image(features, frames), frames)
        x = rectify(x, frames)
        for stage in self.stages:
            x, frames = stage(x, frames)
        x = self.dropout(self.join(x)).transpose(1, 2)  # (B, C, F, L) → (B, L, E)
        for layer in self.layers:
            x = layer(x, frames)
        return self.linear(self.dropout(self.pool(x.transpose(1, 2), frames)))


class BothWays(nn.Module):
    """A GRU forwards and one backwards: x (B, L, E), frames (B,) → (B, L, 2 · hidden), zeros in the padding.

    Two modules and a reversal within each utterance's valid frames: a bidirectional one would begin in the padding, and
    packed sequences would make the host wait for the GPU to learn the lengths.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.forwards = nn.GRU(inputs, hidden, batch_first=True)
        self.backwards = nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        mirrored = (frames[:, None] - 1 - places).clamp(min=0)[:, :, None]  # (B, L, 1)
        back = self.backwards(x.gather(1, mirrored.expand_as(x)))[0]
        both = torch.cat([self.forwards(x)[0], back.gather(1, mirrored.expand_as(back))], dim=2)
        return fill_padding(both.transpose(1, 2), frames).transpose(1, 2)
