"""2D CNNs over (feature, time), the spectrogram as an image: a compact residual one, and a plain one.

Every convolution and pooling here is centred, so that n frames become ceil(n / stride): no input is too short, and one
mel band or one contour (F = 1) passes too. Tensors are (B, C, F, L), in channels_last memory, which the CPU's and the
GPU's convolutions take faster.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.errors import UserError
from ser.masking import frame_mask, nothing_padded
from ser.models.base import Model
from ser.models.layers import BatchNorm, fill_padding
from ser.models.pooling import TimePool
from ser.system.ranges import Range, Rate, Size

Frames = TypeVar("Frames", int, Tensor)


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
        strides = [2, 1, *[2] * (len(stages) - 1)][
            : 1 + len(stages)
        ]  # over the features: stem, first stage, the others
        over_time = strides if time_strides is None else list(time_strides)
        if len(over_time) != len(strides):
            raise UserError(
                f"model.time_strides={over_time} names {len(over_time)} strides, and there are {len(strides)} to name: "
                "of the stem, then of each of model.stages."
            )
        self.stem = ConvNorm(1 + deltas, width, kernel_size=5, stride=(strides[0], over_time[0]))
        self.stages = nn.ModuleList()
        channels, height = width, halve(num_features)
        for multiple, stride, time_stride in zip(stages, strides[1:], over_time[1:], strict=True):
            for j in range(blocks):
                step = (stride, time_stride) if j == 0 else (1, 1)
                self.stages.append(ResidualBlock(channels, width * multiple, step, block_dropout))
                channels, height = width * multiple, halve(height) if step[0] == 2 else height
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


class ConvNorm(nn.Module):
    """Centred convolution and batch norm: x (B, C, F, L) → x (B, channels, ⌈F / stride⌉, ⌈L / stride⌉), frames.

    Strides are (over features, over time), each 1 or 2.
    """

    def __init__(self, in_channels: int, channels: int, kernel_size: int = 3, stride: tuple[int, int] = (1, 1)):
        super().__init__()
        # no bias: the normalisation would remove it
        self.conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
        self.norm = BatchNorm(channels)
        self.stride = stride

    def forward(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        return self.norm(self.conv(x)), frames if self.stride[1] == 1 else halve(frames)


class ResidualBlock(nn.Module):
    """relu(dropout(conv(relu(conv(x)))) + shortcut(x)), the shortcut 1×1 where the shape changes; as `ConvNorm`."""

    def __init__(self, in_channels: int, channels: int, stride: tuple[int, int], dropout: float):
        super().__init__()
        self.first = ConvNorm(in_channels, channels, stride=stride)
        self.second = ConvNorm(channels, channels)
        self.dropout = nn.Dropout2d(dropout)
        same = in_channels == channels and stride == (1, 1)
        self.shortcut = None if same else ConvNorm(in_channels, channels, kernel_size=1)
        self.stride = stride

    def forward(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        # rows and columns are taken first: the backward of a 1×1 convolution with stride 2 over few channels crashes
        # in oneDNN 3.12 on CPUs with AVX-512 (torch 2.14.1), and this gives the same numbers
        taken = x if self.stride == (1, 1) else x[..., :: self.stride[0], :: self.stride[1]]
        shortcut = x if self.shortcut is None else self.shortcut(taken, frames)[0]
        x, frames = self.first(x, frames)
        x, frames = self.second(rectify(x, frames), frames)
        return rectify(self.dropout(x) + shortcut, frames), frames


class TimeHead(nn.Module):
    """One vector a frame, pooling over valid frames, dropout, logits: (B, C, F, L) → (B, K).

    The frequency of a pattern matters (a raised voice is the same pattern, higher), and a mean over the features loses
    it. The embedding keeps it: a linear layer over all channels at all heights, the same for each frame.
    """

    def __init__(
        self, pool: TimePool, channels: int, height: int, embedding: int | None, num_classes: int, dropout: float
    ):
        super().__init__()
        self.join = None
        if embedding is not None:
            self.join = nn.Sequential(
                nn.Conv1d(channels * height, embedding, kernel_size=1, bias=False), BatchNorm(embedding), nn.ReLU()
            )
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(self.pool.num_outputs, num_classes)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        # (B, C, F, L) → (B, E, L); a mean, since the backward of AdaptiveAvgPool2d is not deterministic on CUDA
        x = x.mean(dim=2) if self.join is None else self.join(x.flatten(1, 2))
        return self.linear(self.dropout(self.pool(x, frames)))


def check_frames(num_frames: int | None, name: str) -> None:
    """Refuses inputs of one frame."""
    if num_frames == 1:
        raise UserError(
            f"model={name} needs frames over time, and this frontend (time_stats) gives one: set model=mlp, or "
            "model=cnn1d model.axis=features, or choose a frontend with frames over time such as log_mel."
        )


def as_image(features: Tensor, frames: Tensor, deltas: int = 0) -> Tensor:
    """(B, F, L) → (B, 1 + deltas, F, L) in channels_last memory, zeros in the padding."""
    channels = [fill_padding(features, frames)]
    for _ in range(deltas):
        channels.append(slopes(channels[-1], frames))
    return torch.stack(channels, dim=1).contiguous(memory_format=torch.channels_last)


def slopes(x: Tensor, frames: Tensor) -> Tensor:
    """Slope of the line fitted to five frames, the usual deltas: x (B, F, L), zeros in the padding → the same.

    Beyond an utterance's ends its first and last valid frame are repeated, whatever follows in the batch.
    """
    last = frames.clamp(min=1)[:, None, None] - 1  # (B, 1, 1)
    places = torch.arange(-2, x.shape[-1] + 2, device=x.device).clamp(min=0).minimum(last)  # (B, 1, L + 4)
    around = x.gather(2, places.expand(-1, x.shape[1], -1))
    far, near = around[..., 4:] - around[..., :-4], around[..., 3:-1] - around[..., 1:-3]
    return fill_padding((2 * far + near) / 10, frames)


def rectify(x: Tensor, frames: Tensor) -> Tensor:
    """ReLU, and zeros in the padding.

    In place: the layer before it (norm or sum) does not need its output again. Multiplied, not filled: in
    channels_last memory `masked_fill` is not vectorised and would double the time of a training step.
    """
    if nothing_padded(frames, x.shape[-1]):
        return x.relu_()
    valid = frame_mask(frames, x.shape[-1])[:, None, None].to(x.dtype)  # (B, L) → (B, 1, 1, L)
    return x.mul_(valid).relu_()


def halve(frames: Frames) -> Frames:
    """Frames after a stride of 2: ⌈frames / 2⌉."""
    return (frames + 1) // 2
