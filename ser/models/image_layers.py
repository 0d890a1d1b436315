"""Layers of 2D CNNs over (feature, time), the spectrogram seen as an image: (B, C, F, L), in channels_last memory.

Convolutions are centred: n frames become ceil(n / stride), so no input is too short.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.errors import UserError
from ser.masking import frame_mask, nothing_padded
from ser.models.layers import BatchNorm, fill_padding

Frames = TypeVar("Frames", int, Tensor)
FEW_CHANNELS = 3  # a spectrogram with its deltas


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
        few = x.is_cuda and self.conv.in_channels <= FEW_CHANNELS and not x.requires_grad
        convolved = as_product(x, self.conv) if few else self.conv(x)
        return self.norm(convolved), frames if self.stride[1] == 1 else halve(frames)


def as_product(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """A centred convolution (B, C, F, L) → (B, channels, F', L') as the product of all windows with the weights.

    For few channels it takes a GPU less time: cuDNN's deterministic kernel for the gradient of the weights is a
    fifteenth of a training step of `CNN2D`, and slow to launch.
    """
    size, (down, along), pad = conv.kernel_size[0], conv.stride, conv.padding[0]
    windows = F.pad(x, (pad, pad, pad, pad)).unfold(2, size, down).unfold(3, size, along)  # (B, C, F', L', size, size)
    rows = windows.permute(0, 2, 3, 1, 4, 5).flatten(3)  # (B, F', L', C · size²)
    return (rows @ conv.weight.flatten(1).t()).permute(0, 3, 1, 2)  # in channels_last memory


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


def residual_stages(
    width: int, stages: Sequence[int], strides: Sequence[tuple[int, int]], blocks: int = 1, dropout: float = 0.0
) -> nn.ModuleList:
    """`blocks` residual blocks for each stage of `width` × multiple channels; the first of a stage has its strides."""
    channels = [width, *(width * multiple for multiple in stages)]
    return nn.ModuleList(
        ResidualBlock(after if j else before, after, (1, 1) if j else stride, dropout)
        for (before, after), stride in zip(pairwise(channels), strides, strict=True)
        for j in range(blocks)
    )


def height_after(strides: Sequence[int], num_features: int) -> int:
    """Features that are left after strides of 1 or 2."""
    return reduce(lambda height, stride: halve(height) if stride == 2 else height, strides, num_features)


class FrameEmbedding(nn.Sequential):
    """All channels at all heights to `embedding` values, the same layer for each frame: (B, C, F, L) → (B, E, L).

    As a convolution over whole columns: joined channels and heights would be copied, and take twice the time.
    """

    def __init__(self, channels: int, height: int, embedding: int):
        layer = nn.Conv1d(channels * height, embedding, kernel_size=1, bias=False)
        super().__init__(layer, BatchNorm(embedding), nn.ReLU())
        self.column = (embedding, channels, height, 1)

    def forward(self, x: Tensor) -> Tensor:
        layer, norm, activation = self
        columns = layer.weight.view(self.column).contiguous(memory_format=torch.channels_last)
        return activation(norm(F.conv2d(x, columns).squeeze(2)))


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

    In place: the layer before it (norm or sum) does not need its output again; not on a GPU, where `BatchNorm` gives a
    view, whose gradient would be copied. Multiplied, not filled: in channels_last memory `masked_fill` is not
    vectorised and would double the time of a training step.
    """
    if nothing_padded(frames, x.shape[-1]):
        return x.relu() if x.is_cuda else x.relu_()
    valid = frame_mask(frames, x.shape[-1])[:, None, None].to(x.dtype)  # (B, L) → (B, 1, 1, L)
    return (x * valid if x.is_cuda else x.mul_(valid)).relu_()


def halve(frames: Frames) -> Frames:
    """Frames after a stride of 2: ⌈frames / 2⌉."""
    return (frames + 1) // 2
