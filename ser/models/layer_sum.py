"""A learned weighted sum over the layers of a pretrained model, in front of any model."""

import torch
from torch import Tensor, nn

from ser.models.base import Model


class LayerSum(Model):
    """x = Σ_n softmax(w)_n x_n over layers n, into the model (as in SUPERB; Yang et al., 2021, arXiv:2105.01051).

    Each layer comes normalised by itself, so that none of them counts for more by being larger. w begins with zeros:
    with the mean.

    Args:
        num_layers: N, in the features one above the other.
        of: The model behind, for F / N features.

    Shape:
        features (B, F, L), frames (B,) → (B, K).
    """

    def __init__(self, num_layers: int, of: Model):
        super().__init__()
        self.layer_weights = nn.Parameter(torch.zeros(num_layers))
        self.of, self.fixed_length = of, of.fixed_length

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        # (B, F, L) → (B, N, F / N, L)
        layers = features.unflatten(1, (len(self.layer_weights), -1))
        return self.of((layers * self.layer_weights.softmax(dim=0)[:, None, None]).sum(1), frames)
