"""Statistics over time into a multilayer perceptron: the model to beat."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ser.models.base import Model
from ser.models.layers import BatchNorm, initialise, make_activation
from ser.models.pooling import TimePool
from ser.models.settings import choose
from ser.system.ranges import Rate, Size

NORMS = {"batch": BatchNorm, "layer": nn.LayerNorm, "none": nn.Identity}


class MLP(Model):
    """Mean (and standard deviation) of each feature over the valid frames, hidden layers, logits.

    Each hidden layer is linear → norm → activation → dropout. Features that are already one vector (`num_frames` == 1,
    frontend=time_stats) are used directly: their standard deviation over time would be a column of zeros.

    Args:
        num_features: F.
        num_frames: L, or None when lengths vary.
        num_classes: K.
        hidden: Units of each hidden layer; an empty list is multinomial logistic regression.
        pooling: 'mean', 'mean_std', 'attention' or 'attention_std' (see `TimePool`).
        dropout: Rate behind every hidden layer.
        activation: A name in `layers.ACTIVATIONS`.
        norm: 'batch', 'layer' or 'none'.
        init: 'torch' or 'keras' (see `layers.initialise`).

    Shape:
        features (B, F, L), frames (B,) → (B, K).

    Raises:
        UserError: An invalid setting.

    >>> import torch
    >>> model = MLP(num_features=40, num_frames=None, num_classes=8, hidden=[16])
    >>> model(torch.randn(2, 40, 30), torch.tensor([30, 12])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        num_features: int,
        num_frames: int | None,
        num_classes: int,
        hidden: Sequence[Size] = (256, 128),
        pooling: str = "mean_std",
        dropout: Rate = 0.3,
        activation: str = "relu",
        norm: str = "batch",
        init: str = "torch",
    ):
        super().__init__()
        pool = TimePool(pooling, num_features)
        self.pool = None if num_frames == 1 else pool
        widths = [num_features if num_frames == 1 else pool.num_outputs]
        widths += list(hidden)
        make_norm = NORMS[choose(norm, NORMS, "model.norm")]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), make_norm(after), make_activation(activation), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))
        initialise(self, init)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        # (B, F, 1) → (B, F) where there is nothing to pool
        vector = features[:, :, 0] if self.pool is None else self.pool(features, frames)
        return self.layers(vector)
