"""What a run learns: one of several classes, or numbers. Whatever differs between the two is asked here.

`Classification` and `Regression` answer the same questions, of labels that are class indices (N,) or numbers (N, D).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric

from ser.data.selection import meant_class
from ser.data.targets import predicts_numbers
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.baselines import majority, training_mean
from ser.evaluation.calibration import logits_of
from ser.evaluation.epoch_scores import build_metrics, compute, score
from ser.evaluation.number_predictions import NumberPredictions, numbers_predicted
from ser.evaluation.predictions import Predictions, predictions_of

EPSILON = 1e-8  # keeps the CCC of a batch of equal numbers finite


class TargetScale(nn.Module):
    """Mean and standard deviation of each number over the training part: the model's outputs are standardised.

    Args:
        num_targets: D.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_targets: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_targets))
        self.register_buffer("deviation", torch.ones(num_targets))

    def fit(self, numbers: np.ndarray) -> None:
        """Takes both from the training part (N, D)."""
        self.mean.copy_(torch.as_tensor(numbers.mean(axis=0)))
        self.deviation.copy_(torch.as_tensor(numbers.std(axis=0)))

    def forward(self, outputs: Tensor) -> Tensor:
        """Outputs of the model in the units of the corpus: (B, D) → (B, D)."""
        return outputs * self.deviation + self.mean

    def standardised(self, numbers: Tensor) -> Tensor:
        """Numbers of the corpus as the model is to give them: (B, D) → (B, D)."""
        return (numbers - self.mean) / self.deviation


@dataclass(frozen=True, slots=True)
class Classification:
    """One of several classes, learned by cross-entropy.

    Args:
        names: Of the classes, in label order.
    """

    names: tuple[str, ...]

    def check_train(self, labels: np.ndarray) -> None:
        """Refuses a training part that lacks a class.

        Args:
            labels: Of the training part (N,).

        Raises:
            UserError: Names what is missing.
        """
        counts = dict(zip(self.names, self._counts(labels), strict=True))
        if missing := [name for name, count in counts.items() if not count]:
            meant = {name: meant_class(name, counts) for name in missing}
            slips = [
                f" Is {name} a slip for {other}? dataset.merge counts it so." for name, other in meant.items() if other
            ]
            raise UserError(
                f"The training part has no recording of: {', '.join(missing)}. Take another split.seed or smaller "
                f"split.test, or leave the class out with dataset.emotions.{''.join(slips)}"
            )

    def class_weights(self, kind: str | None, labels: np.ndarray) -> Tensor | None:
        """`balanced` as in scikit-learn: utterances / (classes × utterances of the class)."""
        if kind in (None, "none"):
            return None
        counts = torch.tensor(self._counts(labels), dtype=torch.float32)
        return counts.sum() / (len(counts) * counts)

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
        """Cross-entropy: (B, K) and (B,) or (B, K) → ()."""
        weights = None if weights is None else weights.to(outputs.dtype)  # of 64-true they are double
        return F.cross_entropy(outputs, targets, weights, label_smoothing=smoothing)

    def metrics(self, nodes: Mapping[str, Any] | None, trust: Sequence[str]) -> dict[str, Metric]:
        """What is computed of each part (`ser.evaluation.epoch_scores`)."""
        return build_metrics(nodes, len(self.names), trust)

    def score(
        self, true: np.ndarray, outputs: np.ndarray, metrics: Mapping[str, Metric], scale: TargetScale | None
    ) -> dict[str, float]:
        """The scores of one part, the loss among them."""
        return score(true, outputs, metrics)

    def judge(self, part: Predictions, metrics: Mapping[str, Metric]) -> dict[str, float]:
        """The scores of predictions that are written down, or averaged over models."""
        return score(part.true, logits_of(part), metrics)

    def predictions(self, utterances: Sequence[Utterance], true: np.ndarray, outputs: np.ndarray) -> Predictions:
        """A part as it is judged and written down."""
        return predictions_of(utterances, true, outputs, self.names)

    def constant(self, train_labels: np.ndarray, test: Predictions) -> dict[str, Predictions]:
        """What a model must beat that always gives one answer."""
        return {"majority class": majority(train_labels, test)}

    @property
    def what(self) -> str:
        """What is predicted, in a few words."""
        return f"{len(self.names)} classes"

    def columns(self) -> list[str]:
        """What a table says of each part."""
        return list(self.names)

    def cells(self, labels: np.ndarray) -> list[str]:
        """The same of one part."""
        return list(map(str, self._counts(labels)))

    def alike(self, labels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Groups of which a rehearsal needs one recording each: the group's name, and rows in the order to try."""
        for label, name in enumerate(self.names):
            rows = np.flatnonzero(labels == label)
            yield name, np.roll(rows, -(label * len(rows) // len(self.names)))  # of each class other speakers

    def _counts(self, labels: np.ndarray) -> list[int]:
        counted = Counter(np.asarray(labels).tolist())
        return [counted[label] for label in range(len(self.names))]


@dataclass(frozen=True, slots=True)
class Regression:
    """Numbers, standardised by the training part and learned by their CCC or their squared error.

    Args:
        names: Of the numbers.
        criterion: `ccc`: 1 − CCC over the batch (`ser.evaluation.numbers`), mean over the numbers; or `mse`.
    """

    names: tuple[str, ...]
    criterion: str = "ccc"

    def check_train(self, labels: np.ndarray) -> None:
        """Refuses a training part in which a number is always the same.

        Raises:
            UserError: Names it.
        """
        for name, numbers in zip(self.names, np.asarray(labels).T, strict=True):
            if len(numbers) and numbers.min() == numbers.max():
                raise UserError(
                    f"The {name} of all {len(numbers)} training recordings is {numbers[0]:g}: there is nothing to "
                    "learn from it. Name another column with dataset.target."
                )

    def class_weights(self, kind: str | None, labels: np.ndarray) -> None:
        """None: there are no classes."""

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
        """`ccc` or `mse` of standardised numbers: (B, D), (B, D) → ()."""
        targets = targets.to(outputs.dtype)
        return ccc_loss(outputs, targets) if self.criterion == "ccc" else F.mse_loss(outputs, targets)

    def metrics(self, nodes: Mapping[str, Any] | None, trust: Sequence[str]) -> dict[str, Metric]:
        """As of classes."""
        return build_metrics(nodes, len(self.names), trust, numbers=True)

    def score(
        self, true: np.ndarray, outputs: np.ndarray, metrics: Mapping[str, Metric], scale: TargetScale
    ) -> dict[str, float]:
        """As of classes; the loss is that of the whole part at once."""
        outputs = np.asarray(outputs, dtype=np.float64)
        parts = (torch.as_tensor(it, device=scale.mean.device) for it in (outputs, true))
        loss = self.loss(*map(scale.standardised, parts), None, 0.0)
        return {**compute(metrics, true, outputs), "loss": float(loss)}

    def judge(self, part: NumberPredictions, metrics: Mapping[str, Metric]) -> dict[str, float]:
        """As of classes; without a loss, which takes the standard deviations of a training part."""
        return compute(metrics, part.true, part.predicted)

    def predictions(self, utterances: Sequence[Utterance], true: np.ndarray, outputs: np.ndarray) -> NumberPredictions:
        """As of classes."""
        return numbers_predicted(utterances, true, outputs, self.names)

    def constant(self, train_labels: np.ndarray, test: NumberPredictions) -> dict[str, NumberPredictions]:
        """As of classes."""
        return {"training mean": training_mean(train_labels, test)}

    @property
    def what(self) -> str:
        """As of classes."""
        return f"predicted: {', '.join(self.names)}"

    def columns(self) -> list[str]:
        """As of classes: mean and standard deviation of each number."""
        return [f"{name} (mean ± std)" for name in self.names]

    def cells(self, labels: np.ndarray) -> list[str]:
        """As of classes."""
        return [f"{numbers.mean():.3g} ± {numbers.std():.2g}" if len(numbers) else "-" for numbers in labels.T]

    def alike(self, labels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """As of classes: small and large ones of each number, so that none is constant."""
        for name, numbers in zip(self.names, labels.T, strict=True):
            rows = np.argsort(numbers, kind="stable")
            yield from ((f"small {name}", rows), (f"large {name}", rows[::-1]))


Task = Classification | Regression


def task_of(config: Mapping[str, Any], names: Sequence[str]) -> Task:
    """The task of a run.

    Args:
        config: Resolved.
        names: Of its classes, or of its numbers.
    """
    if predicts_numbers(config):
        return Regression(tuple(names), config["loss"].get("numbers") or "ccc")
    return Classification(tuple(names))


def ccc_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 − Lin's concordance correlation coefficient over the batch, mean over the numbers: (B, D), (B, D) → ()."""
    shift = outputs.mean(dim=0) - targets.mean(dim=0)
    x, y = outputs - outputs.mean(dim=0), targets - targets.mean(dim=0)
    together = (x * y).mean(dim=0)
    spread = x.square().mean(dim=0) + y.square().mean(dim=0)
    return (1 - 2 * together / (spread + shift.square() + EPSILON)).mean()
