"""Layers for sequences of unequal length in one batch: padding never reaches a valid frame.

Letters: B batch, C channels, F features, L frames. Every layer that uses neighbouring frames takes and returns the pair
`(x, frames)`: `frames` (B,) counts the valid frames and follows strides and pooling; None says that all are valid.
Counts stay tensors on the device: nothing here waits for the GPU.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.masking import frame_mask, nothing_padded
from ser.models.settings import choose

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


def make_activation(name: str, setting: str = "model.activation") -> nn.Module:
    """The activation called `name`, one of `ACTIVATIONS`.

    >>> make_activation("relu")
    ReLU()
    """
    return ACTIVATIONS[choose(name, ACTIVATIONS, setting)]()


def padding_mask(x: Tensor, frames: Tensor) -> Tensor:
    """True where `x` (B, ..., L) is padding, shaped to broadcast against it: (B, 1, ..., L)."""
    mask = ~frame_mask(frames, x.shape[-1])
    return mask.view(x.shape[0], *[1] * (x.dim() - 2), x.shape[-1])  # (B, L) → (B, 1, ..., L)


def fill_padding(x: Tensor, frames: Tensor | None, value: float = 0.0) -> Tensor:
    """`x` (B, ..., L) with `value` in its padded frames. Filled, not multiplied: a NaN in the padding goes too.

    >>> fill_padding(torch.ones(2, 1, 3), torch.tensor([1, 3])).tolist()
    [[[1.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]
    """
    if frames is None or nothing_padded(frames, x.shape[-1]):
        return x
    return torch.where(padding_mask(x, frames), value, x)  # the same as `masked_fill`, in two thirds of its time


def zero_padding(x: Tensor, frames: Tensor | None) -> Tensor:
    """`x` (B, C, L) with zeros in its padded frames, which must be finite: a product, in a fifth of a fill's time."""
    if frames is None or nothing_padded(frames, x.shape[-1]):
        return x
    return x * frame_mask(frames, x.shape[-1])[:, None].to(x.dtype)  # (B, L) → (B, 1, L)


def as_row(x: Tensor) -> Tensor:
    """(B, C, L) → (B, C, 1, L), with the channels beside each other in memory.

    On a CPU convolution, pooling and normalisation of images are vectorised over channels then, and take two thirds of
    the time of their kernels for sequences; on a GPU cuDNN takes no Fourier transform for the gradient of the weights,
    which took five times as long as all else. The output keeps that order, so that only the first layer copies.
    """
    # `unsqueeze`, and `squeeze` behind it: an index would go back through zeros in another order
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


class Window(nn.Module):
    """The arithmetic that a convolution and a pooling over frames share.

    'valid': whole windows only, `(n - size) // stride + 1` of them. 'same': `ceil(n / stride)` windows, the padding
    split with the odd frame on the right, as Keras (and TensorFlow) do it:

        total = max((ceil(n / stride) - 1) * stride + size - n, 0);  left = total // 2

    `left` depends on n where stride > 1. It is fixed here at construction, for `num_frames`, or, where lengths vary,
    for an n that `stride` divides: otherwise adding one padded frame would shift every window.

    Args:
        size: Frames in a window.
        stride: Frames from one window to the next.
        padding: 'same' or 'valid'.
        num_frames: n, or None when lengths vary.
    """

    def __init__(self, size: int, stride: int, padding: str, num_frames: int | None = None):
        super().__init__()
        self.size, self.stride, self.same = size, stride, padding == "same"
        n = stride if num_frames is None else num_frames
        self.left = max((self.count(n) - 1) * stride + size - n, 0) // 2 if self.same else 0

    def count(self, n):
        """Windows over `n` frames (an int, or a tensor of counts); 0 or less where not one fits.

        >>> [Window(5, 2, "same").count(n) for n in (162, 81, 41, 21)]
        [81, 41, 21, 11]
        """
        return (n + self.stride - 1) // self.stride if self.same else (n - self.size) // self.stride + 1

    def pad(self, x: Tensor, value: float) -> Tensor:
        """`x` (B, C, L) padded so that `count` windows fit, and one window at least."""
        length = x.shape[-1]
        # -length % stride is ceil(length / stride) * stride - length
        right = self.size - self.stride - self.left + -length % self.stride if self.same else self.size - length
        return F.pad(x, (self.left, max(right, 0)), value=value) if self.left or right > 0 else x

    def shrink(self, frames: Tensor | None) -> Tensor | None:
        """Valid frames behind this layer; an utterance too short for one window keeps one frame."""
        return None if frames is None else self.count(frames).clamp(min=1)


class Conv1d(nn.Conv1d):
    """`nn.Conv1d` over valid frames: padding enters as zeros, as outside the sequence.

    Values in the padding must be finite; models fill that of their input (`fill_padding`).

    Shape:
        x (B, C, L), frames (B,) or None → x (B, channels, L'), frames.
    """

    def __init__(self, in_channels: int, channels: int, kernel_size: int, padding: str = "same"):
        super().__init__(in_channels, channels, kernel_size)
        self.window = Window(kernel_size, 1, padding)

    def forward(self, x: Tensor, frames: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = as_row(self.window.pad(zero_padding(x, frames), 0.0))
        return F.conv2d(x, as_row(self.weight), self.bias).squeeze(2), self.window.shrink(frames)


class MaxPool1d(nn.Module):
    """Maximum over windows of valid frames; padding is the lowest number, so that it never wins over a negative value.

    Args: see `Window`.

    Shape:
        x (B, C, L), frames (B,) or None → x (B, C, L'), frames.

    >>> x = torch.tensor([[[-3.0, -1.0, -2.0]]])
    >>> MaxPool1d(2, 2, "same")(x, None)[0].tolist()
    [[[-1.0, -2.0]]]
    """

    def __init__(self, size: int, stride: int, padding: str = "valid", num_frames: int | None = None):
        super().__init__()
        self.window = Window(size, stride, padding, num_frames)

    def forward(self, x: Tensor, frames: Tensor | None) -> tuple[Tensor, Tensor | None]:
        lowest = torch.finfo(x.dtype).min
        x = self.window.pad(self._lowered(x, frames, lowest), lowest)
        # (B, C, L) → (B, C, 1, L) → (B, C, L'): torch.export fixes the length of a max_pool1d, not of a max_pool2d
        x = F.max_pool2d(as_row(x), (1, self.window.size), (1, self.window.stride)).squeeze(2)
        frames = self.window.shrink(frames)
        return zero_padding(x, frames), frames  # windows over padding alone hold the lowest number until here

    def _lowered(self, x: Tensor, frames: Tensor | None, lowest: float) -> Tensor:
        """`x` with the lowest number in its padding: added, since it holds zeros here."""
        if frames is None or nothing_padded(frames, x.shape[-1]):
            return x
        return zero_padding(x, frames) + padding_mask(x, frames).to(x.dtype) * lowest


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (B, C), (B, C, L) or (B, C, F, L).

    One value a channel (an epoch's last batch of one pooled vector) has no variance, and torch would raise: the
    running statistics are used instead.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        if x.dim() == 3 and x.stride(1) == 1:  # from `as_row`: a sequence in this order would be copied
            return self(as_row(x)).squeeze(2)
        if x.is_cuda and self.training and x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
            return self.as_vectors(x)
        return super().forward(x)

    def as_vectors(self, x: Tensor) -> Tensor:
        """The same of an image in channels_last memory, as a batch of vectors.

        A GPU computes it in torch's own kernels then. Those of cuDNN for this order in memory take the whole GPU and
        wait for one another (PyTorch's issue 80259), and break off where several networks are trained on one.

        Shape:
            x (B, C, F, L) → the same.
        """
        rows = x.permute(0, 2, 3, 1)  # as it lies in memory
        return super().forward(rows.reshape(-1, x.shape[1])).view(rows.shape).permute(0, 3, 1, 2)

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of axes behind C: the computation is the same."""


def initialise(model: nn.Module, init: str) -> None:
    """Draws the weights anew as another framework would.

    Args:
        init: 'torch' leaves torch's own (Kaiming-uniform with a=√5: ±1/√fan_in, biases too), 'keras' is
            Glorot-uniform with zero biases: ±√(6 / (fan_in + fan_out)).
    """
    if choose(init, ["torch", "keras"], "model.init") == "torch":
        return
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
