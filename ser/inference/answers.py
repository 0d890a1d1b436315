"""From logits to an answer: calibrated, among the classes that are asked for, and 'unsure' where it is.

Of a model that predicts numbers they are the answer (`Numbers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ser.errors import UserError, did_you_mean
from ser.evaluation.metrics import softmax

UNSURE = "unsure"
Named = tuple[str, dict[str, float]]  # the answer, and the probability of each class


class Answer:
    """What a model gives for some sound: `emotion`, the most probable class or 'unsure', and `probabilities` of each.

    Where it predicts numbers, `numbers` has them, and there is neither emotion nor probability.
    """

    __slots__ = ()

    @property
    def probability(self) -> float | None:
        """Of the most probable class; None where there is none."""
        return max(self.probabilities.values(), default=None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        if numbers := getattr(self, "numbers", None):
            return {"numbers": numbers}
        return {"emotion": self.emotion, "probability": self.probability, "probabilities": self.probabilities}


@dataclass(frozen=True, slots=True)
class Prediction(Answer):
    """The prediction for one recording.

    Args:
        emotion: The most probable class, or 'unsure'; empty where numbers are predicted.
        probabilities: Of each class, in the run's order; they sum to 1. Empty where numbers are predicted.
        numbers: Name → number, of a run that predicts numbers; else empty.
    """

    emotion: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilePrediction(Answer):
    """The prediction for one file, or why there is none.

    Args:
        path: As it was named, or found in the folder that was named.
        emotion: The most probable class, or 'unsure'; empty where the file could not be used.
        probabilities: Of each class; empty where the file could not be used.
        error: Why it could not be used; else empty.
        numbers: Name → number, of a run that predicts numbers, which has no emotion and no probabilities; else empty.
    """

    path: Path
    emotion: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    error: str = ""
    numbers: dict[str, float] = field(default_factory=dict)


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
    numbers: bool, known: Sequence[str], temperature: float, only: Sequence[str], unsure_below: float
) -> Answers | Numbers:
    """How a run's outputs become answers.

    Args:
        numbers: Whether it predicts them.
        known: Its classes, or the names of its numbers.
        temperature, only, unsure_below: As of `Answers`.

    Raises:
        UserError: As of `Answers`; options about classes for a run that predicts numbers.
    """
    if not numbers:
        return Answers(tuple(known), temperature, only, unsure_below)
    if only or unsure_below:
        option = "only" if only else "unsure_below"
        raise UserError(f"{option} is about classes, and this run predicts numbers ({', '.join(known)}): leave it out.")
    return Numbers(tuple(known))


def found_in(answers: Answers | Numbers, outputs: np.ndarray) -> list[dict[str, Any] | None]:
    """The fields of predictions: the most probable class and the probability of each, or numbers.

    Args:
        answers: Of the model.
        outputs: Logits (N, K), or numbers (N, D); None is given where they are NaN or infinite.
    """
    if isinstance(answers, Numbers):
        return [found and {"numbers": found} for found in map(answers.named, outputs)]
    named = [answers.named(shares) for shares in answers.shares(outputs)]
    return [found and dict(zip(("emotion", "probabilities"), found, strict=True)) for found in named]


def check_classes(answers: Answers | Numbers, what: str) -> None:
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
