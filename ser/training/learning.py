"""How a classifier is trained: task, optimizer, loss, augmentation, metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from ser.errors import UserError, did_you_mean
from ser.models.layer_sum import LayerSum
from ser.training.auxiliary import Auxiliary, auxiliary_loss
from ser.training.task import Task


@dataclass(frozen=True, slots=True)
class Learning:
    """How a classifier is trained; building a bare classifier for inference needs none of it.

    Args:
        task: What is learned.
        optimizer: Parameters → optimizer.
        scheduler: (optimizer, total steps) → scheduler.
        class_weights: (K,) for the loss, or None.
        label_smoothing: In [0, 1).
        l2: Part of the model (`dense`, `blocks.1.conv`) → λ of a term λ·Σw² over its weights and biases, as Keras'
            regularizers add it; not the same as an optimizer's `weight_decay`.
        accumulate: Batches whose gradients make one optimizer step.
        clip: Largest norm, or value, of the gradients; None: as they are.
        clip_by: `norm` or `value`.
        metrics: What is computed of validation each epoch and of test once, beside the loss.
        seed: Of the run.
        num_utterances: Of the training part.
        stop_by: Metric of validation that ends training early; None: nothing does.
        waveform_augmentations, feature_augmentations, mixings: Applied in this order, in training steps only.
        auxiliary: What is learned beside the class (`ser.training.auxiliary`).
    """

    task: Task
    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., Any]
    class_weights: Tensor | None = None
    label_smoothing: float = 0.0
    l2: dict[str, float] = field(default_factory=dict)
    accumulate: int = 1
    clip: float | None = None
    clip_by: str = "norm"
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    seed: int = 0
    num_utterances: int = 0
    stop_by: str | None = None
    waveform_augmentations: Sequence[Callable] = ()
    feature_augmentations: Sequence[Callable] = ()
    mixings: Sequence[Callable] = ()
    auxiliary: Sequence[Auxiliary] = ()

    @property
    def draws(self) -> bool:
        """Whether a training step draws random numbers beside dropout."""
        return bool(self.waveform_augmentations or self.feature_augmentations or self.mixings)

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Mean over the batch, of the task and of what is learned beside it.

        Args:
            outputs: Of the task, then of the auxiliary targets.
            targets: Classes, or rows as of `joined_targets`.
            weights: Of the classes; on the device.

        Shape:
            outputs (B, K + A'), targets (B,) or (B, K + A'), weights (K,) → ().
        """
        count = len(self.task.names)
        own = targets[:, :count] if targets.dim() > 1 else targets
        loss = self.task.loss(outputs[:, :count], own, weights, self.label_smoothing)
        if self.auxiliary:
            loss = loss + auxiliary_loss(outputs[:, count:], targets[:, count:], self.auxiliary)
        return loss


def parameter_groups(module: nn.Module, frontend: nn.Module) -> list[dict[str, Any]]:
    """What learns, as an optimizer takes it: parts of the frontend with a learning rate of their own are groups.

    Args:
        module: All of it.
        frontend: Its frontend, whose parts may have an `lr`.
    """
    rates = {}  # an inner part's own rate counts: outer parts come first
    for part in frontend.modules():
        if getattr(part, "lr", None) is not None:
            rates |= {id(weights): part.lr for weights in part.parameters()}
    groups: dict[float | None, list[nn.Parameter]] = {None: []}
    for weights in module.parameters():
        if weights.requires_grad:
            groups.setdefault(rates.get(id(weights)), []).append(weights)
    return [{"params": of, **({} if lr is None else {"lr": lr})} for lr, of in groups.items() if of]


def parameters_of(model: nn.Module, part: str) -> list[Tensor]:
    """Parameters of a model whose names begin with `part`; of what stands behind a `LayerSum`.

    Raises:
        UserError: There are none.
    """
    named = dict((model.of if isinstance(model, LayerSum) else model).named_parameters())
    found = [weights for key, weights in named.items() if f"{key}.".startswith(f"{part}.")]
    if not found:
        known = list(dict.fromkeys(key.partition(".")[0] for key in named))
        raise UserError(f"loss.l2 names '{part}', and the model has no such part. {did_you_mean(part, known)}")
    return found
