"""2D CNNs over (feature, time), the spectrogram as an image: a compact residual one, and a plain one.

Every convolution and pooling here is centred, so that n frames become ceil(n / stride): no input is too short, and one
mel band or one contour (F = 1) passes too. Tensors are (B, C, F, L), in channels_last memory, which the CPU's and the
GPU's convolutions take faster.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.errors import UserError
from ser.models.base import Model
from ser.models.image_layers import (
    ConvNorm,
    FrameEmbedding,
    as_image,
    check_frames,
    halve,
    height_after,
    rectify,
    residual_stages,
)
from ser.models.pooling import TimePool
from ser.system.ranges import Range, Rate, Size


class CNN2D(Model):
    """A small residual network with attentive statistics over time (He et al., 2015, arXiv:1512.03385; Okabe et al.,
    2018, arXiv:1803.10963).

    Stem 5×5 with stride 2, then stages of residual blocks, each stage but the first with stride 2 (over time, strides
    of their own with `time_strides`); one vector a frame (`TimeHead`), attentive mean and standard deviation over the
    valid frames, dropout, linear. The defaults have 274,001 parameters for 64 features and 8 classes, whatever L.

    Batch normalisation counts padded frames (zeros) in a training batch's statistics, as nearly all do.

    Args:
        num_features: F.
        num_frames: L, or None when lengths vary; 1 is an error.
        num_classes: K.
        width: Channels of the stem.
        stages: Channels of each stage, in multiples of `width`.
        blocks: Residual blocks in each stage.
        deltas: How many derivatives of the features over time are added as channels.
        time_strides: Stride over time of the stem and of each stage, 1 or 2; None: as over the features.
        block_dropout: Rate at which each block leaves out whole channels before its sum (Dropout2d).
        embedding: Values that represent a frame, each with a weight for every channel at every height; null takes the
            mean over the features instead.
        pooling: 'mean', 'mean_std', 'attention' or 'attention_std' (see `TimePool`).
        attention_hidden: Units of the attention's hidden layer; None: a linear score.
        attention_heads: Scores of the attention.
        dropout: Rate before the last layer.

    Shape:
        features (B, F, L), frames (B,) → (B, K).

    Raises:
        UserError: The frontend gives one frame only, or a setting is invalid.

    >>> model = CNN2D(num_features=64, num_frames=None, num_classes=8, width=8)
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
        blocks: Annotated[int, Range(1, 100)] = 1,
        deltas: Literal[0, 1, 2] = 0,
        time_strides: Sequence[Literal[1, 2]] | None = None,
        block_dropout: Rate = 0.0,
        embedding: Size | None = 128,
        pooling: str = "attention_std",
        attention_hidden: Size | None = None,
        attention_heads: Annotated[int, Range(1, 64)] = 1,
        dropout: Rate = 0.3,
    ):
        super().__init__()
        check_frames(num_frames, "cnn2d")
        self.deltas = deltas
        strides = [2, *(2 if i else 1 for i in range(len(stages)))]  # over the features, of the stem and of each stage
        over_time = strides if time_strides is None else list(time_strides)
        if len(over_time) != len(strides):
            raise UserError(
                f"model.time_strides={over_time} names {len(over_time)} strides, and there are {len(strides)} to name: "
                "of the stem, then of each of model.stages."
            )
        stem, *others = zip(strides, over_time, strict=True)
        self.stem = ConvNorm(1 + deltas, width, kernel_size=5, stride=stem)
        self.stages = residual_stages(width, stages, others, blocks, block_dropout)
        channels, height = width * [1, *stages][-1], height_after(strides, num_features)
        pool = TimePool(pooling, channels if embedding is None else embedding, attention_hidden, attention_heads)
        self.head = TimeHead(pool, channels, height, embedding, num_classes, dropout)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        x, frames = self.stem(as_image(features, frames, self.deltas), frames)
        x = rectify(x, frames)
        for stage in self.stages:
            x, frames = stage(x, frames)
        return self.head(x, frames)


class PlainCNN2D(Model):
    """A plain VGG-like network (Simonyan and Zisserman, 2014, arXiv:1409.1556): the 2D baseline.

    Blocks of convolution 3×3 → batch norm → ReLU → max-pooling 2×2 (the last incomplete window kept), then the head of
    `CNN2D`.

    Args:
        num_features: F.
        num_frames: L, or None when lengths vary; 1 is an error.
        num_classes: K.
        channels: Channels of each block.
        embedding: As in `CNN2D`.
        pooling: 'mean', 'mean_std', 'attention' or 'attention_std' (see `TimePool`).
        dropout: Rate before the last layer.

    Shape:
        features (B, F, L), frames (B,) → (B, K).

    Raises:
        UserError: The frontend gives one frame only, or a setting is invalid.

    >>> model = PlainCNN2D(num_features=64, num_frames=None, num_classes=8, channels=[4, 8])
    >>> model(torch.randn(2, 64, 50), torch.tensor([50, 20])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        num_features: int,
        num_frames: int | None,
        num_classes: int,
        channels: Sequence[Size] = (32, 64, 128),
        embedding: Size | None = 128,
        pooling: str = "mean",
        dropout: Rate = 0.3,
    ):
        super().__init__()
        check_frames(num_frames, "cnn2d_plain")
        widths = [1, *channels]
        self.blocks = nn.ModuleList(ConvNorm(before, after) for before, after in pairwise(widths))
        height = num_features
        for _ in self.blocks:
            height = halve(height)
        pool = TimePool(pooling, widths[-1] if embedding is None else embedding)
        self.head = TimeHead(pool, widths[-1], height, embedding, num_classes, dropout)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        x = as_image(features, frames)
        for block in self.blocks:
            x, frames = block(x, frames)
            # behind ReLU nothing is below the zeros of the padding: no window takes its maximum from there
            x, frames = F.max_pool2d(rectify(x, frames), 2, ceil_mode=True), halve(frames)
        return self.head(x, frames)


class TimeHead(nn.Module):
    """One vector a frame, pooling over valid frames, dropout, logits: (B, C, F, L) → (B, K).

    The frequency of a pattern matters (a raised voice is the same pattern, higher), and a mean over the features loses
    it. The embedding keeps it: a linear layer over all channels at all heights, the same for each frame.
    """

    def __init__(
        self, pool: TimePool, channels: int, height: int, embedding: int | None, num_classes: int, dropout: float
    ):
        super().__init__()
        self.join = None if embedding is None else FrameEmbedding(channels, height, embedding)
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.pool.num_outputs, num_classes)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        # (B, C, F, L) → (B, E, L); a mean, since the backward of AdaptiveAvgPool2d is not deterministic on CUDA
        x = x.mean(dim=2) if self.join is None else self.join(x)
        return self.linear(self.dropout(self.pool(x, frames)))
