"""The contract of a model: features over frames in, one logit a class out.

Letters: B batch, F features, L frames, K classes, C channels.
"""

from torch import Tensor, nn


class Model(nn.Module):
    """Turns features into logits.

    Every model is built as `Model(num_features, num_frames, num_classes, **settings)`: the first three come from the
    frontend and the dataset at composition and are never in YAML; the settings are the constructor's keyword
    arguments, with types and defaults, and are the schema of its YAML. One of them is a scalar `dropout`.

    Rules that every model keeps (tests/models check each config found by glob):
        - `num_frames` is None when lengths vary; a model that flattens then raises a `UserError` that asks for
          `audio.duration_s`, and one whose pooling leaves no frame names the setting to change.
        - `fixed_length` is True where every clip must have all its `num_frames`, as a flattening layer needs; for
          the others a batch is cut to its longest utterance, which costs less and changes nothing.
        - in eval mode neither the content nor the number of padded frames changes the logits (1e-5).
    """

    fixed_length: bool = False

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        """Logits of a batch.

        Args:
            features: Normalised features; frames behind `frames` are padding.
            frames: Valid frames of each utterance, at least 1.

        Shape:
            features (B, F, L) float, frames (B,) int64 → (B, K).
        """
        raise NotImplementedError


def count_parameters(module: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
