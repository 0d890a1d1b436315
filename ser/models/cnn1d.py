"""1D CNNs written as a list of blocks in YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ser.errors import UserError
from ser.models.base import Model
from ser.models.conv_block import BlockSettings, ConvBlock
from ser.models.layers import fill_padding, initialise, make_activation
from ser.models.pooling import POOLINGS, TimePool
from ser.models.settings import choose, read_settings
from ser.system.ranges import Rate, Size


@dataclass(frozen=True)
class DenseSettings:
    """Keys of a hidden layer behind the pooling: linear → activation → dropout.

    Args:
        units: Outputs.
        activation: A name in `layers.ACTIVATIONS`, 'none' among them.
        dropout: Rate; None is model.dropout.
    """

    units: Size
    activation: str = "relu"
    dropout: Rate | None = None


class CNN1D(Model):
    """Convolution blocks along one axis, pooling, hidden layers, logits.

    With axis=time the features are the input channels and filters move over frames. With axis=features a pooled vector
    (frontend=time_stats) is one channel, and filters move over its F numbers, as many published systems do; their
    order then matters.

    Dropout: `dropout` applies to every block and dense layer without a `dropout` of its own (0 is none). So
    `model.dropout=0.1,0.3` sweeps all the others.

    Args:
        num_features: F.
        num_frames: L, or None when lengths vary.
        num_classes: K.
        axis: 'time' or 'features'.
        blocks: Plain dicts with the keys of `conv_block.BlockSettings`. A key is set from the command line as
            `model.blocks.0.channels=32`, one that the YAML does not write as `+model.blocks.0.pool=4`.
        pooling: 'flatten' (one length only), or 'mean', 'mean_std', 'attention', 'attention_std' (see `TimePool`).
        dense: Hidden layers: units, or plain dicts with the keys of `DenseSettings`.
        dropout: See above.
        init: 'torch' or 'keras' (see `layers.initialise`).

    Shape:
        features (B, F, L), frames (B,) → (B, K).

    Raises:
        UserError: An invalid setting, an axis that does not fit the features, or too few frames.

    >>> import torch
    >>> model = CNN1D(num_features=40, num_frames=None, num_classes=8, blocks=[{"channels": 16, "pool": 2}])
    >>> model(torch.randn(2, 40, 30), torch.tensor([30, 12])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        num_features: int,
        num_frames: int | None,
        num_classes: int,
        axis: str = "time",
        blocks: Sequence[BlockSettings | Mapping[str, Any]] = (),
        pooling: str = "attention_std",
        dense: Sequence[Size | DenseSettings | Mapping[str, Any]] = (),
        dropout: Rate = 0.2,
        init: str = "torch",
    ):
        super().__init__()
        self.over_time = choose(axis, ["time", "features"], "model.axis") == "time"
        check_axis(self.over_time, num_frames)
        channels, length = (num_features, num_frames) if self.over_time else (1, num_features)
        self.blocks = make_blocks(blocks, channels, length, dropout, "frames" if self.over_time else "features")
        channels, length = self.blocks[-1].channels, self.blocks[-1].length
        flatten = choose(pooling, ["flatten", *POOLINGS], "model.pooling") == "flatten"
        if flatten and length is None:
            raise UserError(
                "model.pooling=flatten needs recordings of one length: set audio.duration_s (in seconds), or "
                "model.pooling=attention_std, which takes any length."
            )
        self.num_frames = num_frames
        self.fixed_length = flatten
        self.pool = None if flatten else TimePool(pooling, channels)
        self.dense = make_dense(dense, channels * length if flatten else self.pool.num_outputs, num_classes, dropout)
        initialise(self, init)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        if self.pool is None and features.shape[-1] != self.num_frames:
            raise UserError(
                f"This model flattens {self.num_frames} frames and was given {features.shape[-1]}: crop or pad to the "
                "audio.duration_s it was trained with, or train one with model.pooling=attention_std."
            )
        # (B, F, 1) → (B, 1, F): no position of a pooled vector is padding
        x, frames = (fill_padding(features, frames), frames) if self.over_time else (features.transpose(1, 2), None)
        for block in self.blocks:
            x, frames = block(x, frames)
        # (B, C, L) → (B, C·L), or pooled over L
        vector = fill_padding(x, frames).flatten(1) if self.pool is None else self.pool(x, frames)
        return self.dense(vector)


def check_axis(over_time: bool, num_frames: int | None) -> None:
    """Filters over time need frames; filters over features need one vector."""
    if over_time and num_frames == 1:
        raise UserError(
            "model.axis=time moves filters over frames, and this frontend (time_stats) gives one frame: set "
            "model.axis=features, or choose a frontend with frames over time such as log_mel."
        )
    if not over_time and num_frames != 1:
        raise UserError(
            "model.axis=features moves filters over one vector a recording, and this frontend gives frames over time: "
            "set frontend=time_stats, or model.axis=time."
        )


def make_blocks(
    blocks: Sequence[Mapping[str, Any]], channels: int, length: int | None, dropout: float, unit: str
) -> nn.ModuleList:
    """The blocks one behind the other, from the channels and the length of the first one's input."""
    built = nn.ModuleList()
    for i, given in enumerate(blocks):
        where = f"model.blocks.{i}"
        built.append(ConvBlock(read_settings(BlockSettings, given, where), channels, length, dropout, where, unit))
        channels, length = built[-1].channels, built[-1].length
    if not built:
        raise UserError("model.blocks is empty: give at least one block, such as [{channels: 64, pool: 2}].")
    return built


def make_dense(
    dense: Sequence[int | Mapping[str, Any]], num_inputs: int, num_classes: int, dropout: float
) -> nn.Sequential:
    """Hidden layers and the linear layer to the logits."""
    layers: list[nn.Module] = []
    for i, given in enumerate(dense):
        where = f"model.dense.{i}"
        settings = DenseSettings(given) if isinstance(given, int) else read_settings(DenseSettings, given, where)
        own = dropout if settings.dropout is None else settings.dropout
        layers += [nn.Linear(num_inputs, settings.units)]
        layers += [make_activation(settings.activation, f"{where}.activation"), nn.Dropout(own)]
        num_inputs = settings.units
    return nn.Sequential(*layers, nn.Linear(num_inputs, num_classes))
