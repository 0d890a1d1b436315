"""From logits to an answer: calibrated, among the classes that are asked for, and 'unsure' where it is.

Of a model that predicts numbers they are the answer (`Numbers`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ser.data.targets import predicts_numbers
from ser.errors import UserError, did_you_mean
from ser.evaluation.metrics import softmax

UNSURE = "unsure"
Named = tuple[str, dict[str, float]]  # the answer, and the probability of each class


@dataclass(frozen=True, slots=True)
class Answers:
    """How a model's logits become answers.

    Args:
        known: The model's classes, in the order of its logits.
        temperature: Logits are divided by it; 1 leaves the probabilities unchanged.
        only: The classes among which the answer is, in any order; empty: all. Their probabilities sum to 1.
        unsure_below: Where the highest probability is lower, the answer is 'unsure'; 0: never.

    Raises:
        UserError: Fewer than two classes, one that the model has not, or no probability.
    """

    known: tuple[str, ...]
    temperature: float = 1.0
    only: Sequence[str] = ()
    unsure_below: float = 0.0

    def __post_init__(self):
        for name in self.only:
            if name not in self.known:
                raise UserError(f"only={name}: the run has no such class. {did_you_mean(name, list(self.known))}")
        if len(set(self.only)) == 1:
            raise UserError(f"only={self.only[0]} leaves one answer: name at least two classes.")
        if not 0 <= self.unsure_below <= 1:
            raise UserError(f"unsure_below={self.unsure_below} must be a probability, from 0 to 1.")

    @property
    def classes(self) -> tuple[str, ...]:
        """Those that are asked for, in the model's order."""
        return tuple(name for name in self.known if not self.only or name in self.only)

    def shares(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of the classes that are asked for; NaN where logits are.

        Shape:
            (N, K) → (N, classes).
        """
        chosen = [self.known.index(name) for name in self.classes]
        finite = np.isfinite(logits).all(axis=1)
        shares = softmax(np.where(finite[:, None], logits, 0.0)[:, chosen] / self.temperature)
        return np.where(finite[:, None], shares, np.nan)

    def named(self, shares: np.ndarray) -> Named | None:
        """The answer to one row of probabilities (classes,); None where they are NaN."""
        if np.isnan(shares).any():
            return None
        best = int(shares.argmax())
        answer = UNSURE if shares[best] < self.unsure_below else self.classes[best]
        return answer, dict(zip(self.classes, shares.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Numbers:
    """How the outputs of a model that predicts numbers become answers: they are the numbers.

    Args:
        known: Their names, in the order of the outputs.
    """

    known: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names: the columns of answers."""
        return self.known

    def named(self, outputs: np.ndarray) -> dict[str, float] | None:
        """One row of outputs (D,) by name; None where one is NaN or infinite."""
        return dict(zip(self.known, outputs.tolist(), strict=True)) if np.isfinite(outputs).all() else None


def answers_of(
    config: Mapping[str, Any], known: Sequence[str], temperature: float, only: Sequence[str], unsure_below: float
) -> "Answers | Numbers":
    """How a run's outputs become answers.

    Args:
        config: Of the run.
        known: Its classes, or the names of its numbers.
        temperature, only, unsure_below: As of `Answers`.

    Raises:
        UserError: As of `Answers`; options about classes for a run that predicts numbers.
    """
    if not predicts_numbers(config):
        return Answers(tuple(known), temperature, only, unsure_below)
    if only or unsure_below:
        option = "only" if only else "unsure_below"
        raise UserError(f"{option} is about classes, and this run predicts numbers ({', '.join(known)}): leave it out.")
    return Numbers(tuple(known))


def check_classes(answers: "Answers | Numbers", what: str) -> None:
    """Refuses a run that predicts numbers where emotions are shown.

    Args:
        answers: Of the model.
        what: What shows them: `ser listen`.

    Raises:
        UserError: It predicts numbers.
    """
    if isinstance(answers, Numbers):
        raise UserError(
            f"{what} is about emotions, and this run predicts numbers ({', '.join(answers.known)}): cut the sound into "
            "recordings, and `ser predict` gives them for each."
        )
