"""Auxiliary targets: what else the corpus knows of a recording, learned beside the class and never used at test.

Each has outputs of its own in the model's last layer, behind those of the classes, so that any model has them. Their
cross-entropy is added to the loss with a weight; what comes out of a classifier are the classes' logits alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean

TRAITS = ("emotion", "gender", "intensity", "statement", "word", "speaker", "corpus")  # of `Utterance`


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """One auxiliary target.

    Args:
        trait: Field of `Utterance`.
        values: Those that occur, in order: its classes.
        weight: Of its loss.
    """

    trait: str
    values: tuple[str, ...]
    weight: float

    def labels(self, utterances: Sequence[Utterance]) -> Tensor:
        """Class of each utterance (N,) int64, -1 where it is not known."""
        place = {value: i for i, value in enumerate(self.values)}
        return torch.tensor([place.get(getattr(utterance, self.trait), -1) for utterance in utterances])


def find_auxiliary(
    weights: Mapping[str, float] | None, utterances: Sequence[Utterance]
) -> tuple[tuple[Auxiliary, ...], list[str]]:
    """The auxiliary targets of a run, and remarks on those that the corpus does not know.

    Args:
        weights: `loss.auxiliary`: trait → weight; 0 leaves it out.
        utterances: Of the training part.

    Raises:
        UserError: An unknown trait.
    """
    found, notes = [], []
    for trait, weight in (weights or {}).items():
        if trait not in TRAITS:
            raise UserError(
                f"loss.auxiliary names '{trait}', which no corpus knows. {did_you_mean(trait, list(TRAITS))}"
            )
        values = sorted({value for u in utterances if (value := getattr(u, trait)) is not None})
        if weight and len(values) > 1:
            found.append(Auxiliary(trait, tuple(values), weight))
        elif weight:
            what = f"only {values[0]}" if values else "none"
            notes.append(f"loss.auxiliary.{trait} is left out: this corpus knows {what}")
    return tuple(found), notes


def joined_targets(
    labels: Tensor, num_classes: int, targets: Sequence[Auxiliary] = (), known: Tensor | None = None
) -> Tensor:
    """Rows of ones where the classes are, side by side; of what is not known all zeros. Numbers stay as they are.

    As `one_hot`, which on a GPU waits to look whether each label is a class.

    Args:
        labels: Class of each utterance, or its K numbers.
        num_classes: K.
        targets: A of them, with A' values in all.
        known: Their labels, -1 where not known.

    Shape:
        labels (B,) or (B, K), known (B, A) → (B, K + A') float32.
    """
    rows = [labels.float() if labels.dim() > 1 else _rows(labels[:, None], num_classes)]
    columns = () if known is None else known.split(1, dim=1)
    rows += [_rows(column, len(target.values)) for column, target in zip(columns, targets, strict=True)]
    return torch.cat(rows, dim=1)


def _rows(column: Tensor, size: int) -> Tensor:
    """(B, 1) → (B, size)."""
    return (column == torch.arange(size, device=column.device)).float()


def auxiliary_loss(logits: Tensor, soft: Tensor, targets: Sequence[Auxiliary]) -> Tensor:
    """Weighted sum of the mean cross-entropies, each over the utterances of which the trait is known.

    Shape:
        logits (B, A'), soft (B, A') → ().
    """
    sizes, total = [len(target.values) for target in targets], logits.new_zeros(())
    for target, some, aims in zip(targets, logits.split(sizes, 1), soft.split(sizes, 1), strict=True):
        losses = F.cross_entropy(some, aims, reduction="none")  # of rows of zeros: 0
        total = total + target.weight * losses.sum() / aims.sum().clamp(min=1)
    return total
