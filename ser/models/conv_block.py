"""One block of a 1D CNN, described by a plain dict in YAML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from ser.errors import UserError
from ser.models.layers import ACTIVATIONS, BatchNorm, Conv1d, MaxPool1d, Window, make_activation
from ser.models.settings import choose
from ser.system.ranges import Range, Rate, Share, Size

STEPS = ("conv", "norm", "activation", "pool", "dropout")
PADDINGS = ("same", "valid")


@dataclass(frozen=True)
class BlockSettings:
    """Keys of a block, with their defaults. Lengths count frames (features where model.axis=features).

    Args:
        channels: Filters of the convolution.
        kernel_size: Length of a filter.
        padding: 'same' keeps the length, 'valid' shortens it by kernel_size - 1.
        pool: Length of the max-pooling window; 1 is no pooling.
        pool_stride: From one window to the next; None is `pool`.
        pool_padding: 'valid' drops an incomplete window, 'same' gives ceil(length / pool_stride), as in Keras.
        norm: 'batch' or 'none'.
        norm_eps: Added to the variance; Keras: 1e-3.
        norm_momentum: Weight of the newest batch in the running statistics; Keras' momentum 0.99 is 0.01 here.
        activation: A name in `layers.ACTIVATIONS`.
        dropout: Rate; None is model.dropout.
        order: The steps in order. A step left out is not built.
    """

    channels: Size
    kernel_size: Size = 5
    padding: str = "same"
    pool: Size = 1
    pool_stride: Size | None = None
    pool_padding: str = "valid"
    norm: str = "batch"
    norm_eps: Annotated[float, Range(0, 1, "low")] = 1e-5
    norm_momentum: Share = 0.1
    activation: str = "relu"
    dropout: Rate | None = None
    order: Sequence[str] = STEPS

    def check(self, where: str) -> None:
        """Raises a `UserError` where choices are invalid or contradict each other; `where` is the block's name."""
        choose(self.padding, PADDINGS, f"{where}.padding")
        choose(self.pool_padding, PADDINGS, f"{where}.pool_padding")
        choose(self.norm, ["batch", "none"], f"{where}.norm")
        choose(self.activation, ACTIVATIONS, f"{where}.activation")
        order = [choose(step, STEPS, f"{where}.order") for step in self.order]
        if "conv" not in order or len(set(order)) < len(order):
            raise UserError(f"{where}.order must hold 'conv' and no step twice; it is {order}.")
        for step, asked in {"pool": self.pool > 1, "dropout": bool(self.dropout)}.items():
            if asked and step not in order:
                raise UserError(
                    f"{where}.{step} is {getattr(self, step)}, but {where}.order leaves '{step}' out: add it."
                )

    def steps(self) -> list[str]:
        """`order` without what is switched off."""
        off = {"norm": self.norm == "none", "pool": self.pool == 1 and self.pool_stride in (1, None)}
        return [step for step in self.order if not off.get(step, False)]


class ConvBlock(nn.Module):
    """Convolution, normalisation, activation, max-pooling and dropout, in the order asked for.

    Args:
        settings: See `BlockSettings`.
        in_channels: Channels that come in.
        length: Frames that come in, or None when they vary.
        dropout: Rate where the settings name none.
        where: The block's name on the command line, such as 'model.blocks.0'.
        unit: What the length counts, 'frames' or 'features'.

    Shape:
        x (B, in_channels, L), frames (B,) or None → x (B, `channels`, L'), frames. L' is `length` where known.

    Raises:
        UserError: A value is invalid, or no frame is left.
    """

    def __init__(
        self,
        settings: BlockSettings,
        in_channels: int,
        length: int | None,
        dropout: float,
        where: str,
        unit: str = "frames",
    ):
        super().__init__()
        settings.check(where)
        self.channels, self.length = in_channels, length  # after the last step built
        make = {
            "conv": lambda: Conv1d(in_channels, settings.channels, settings.kernel_size, settings.padding),
            "norm": lambda: BatchNorm(self.channels, eps=settings.norm_eps, momentum=settings.norm_momentum),
            "activation": lambda: make_activation(settings.activation),
            "pool": lambda: MaxPool1d(
                settings.pool, settings.pool_stride or settings.pool, settings.pool_padding, self.length
            ),
            "dropout": lambda: nn.Dropout(dropout if settings.dropout is None else settings.dropout),
        }
        self.steps = settings.steps()
        for step in self.steps:
            layer = make[step]()
            self.add_module(step, layer)
            if step == "conv":
                self.channels = settings.channels
            if step in ("conv", "pool") and self.length is not None:
                self.length = count_left(layer.window, self.length, f"{where}.{step}", unit)

    def forward(self, x: Tensor, frames: Tensor | None) -> tuple[Tensor, Tensor | None]:
        for step in self.steps:
            layer = self.get_submodule(step)
            if step in ("conv", "pool"):
                x, frames = layer(x, frames)
            else:
                x = layer(x)
        return x, frames


def count_left(window: Window, length: int, where: str, unit: str) -> int:
    """The length after a layer; none left is an error that names the remedies."""
    left = window.count(length)
    if left < 1:
        more = "a longer audio.duration_s or a smaller hop_length" if unit == "frames" else "more features"
        raise UserError(
            f"{where} takes {window.size} {unit} at a time and {length} reach it: set fewer model.blocks, a smaller "
            f"kernel_size or model.blocks.<i>.pool, padding (or pool_padding) 'same', or {more}."
        )
    return left
