"""`checkpoint=refit`: validation chooses the number of epochs, then the model is trained anew on all but test.

Choosing an epoch on a few held-out speakers costs the training those speakers; with 24 actors in all that is more than
what the choice gains. So a run may spend its validation part twice: first to choose, then to train on.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ser.data.splits import Split
from ser.errors import UserError
from ser.runs.reading import read_json
from ser.system.files import write_text
from ser.training.callbacks.checkpoints import Checkpoints

NAME = "chosen.json"  # in the run directory: what validation chose, written when the first training is done


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the first training found.

    Args:
        epochs: How many to train for.
        scores: Of validation in the chosen epoch.
        seconds: That it took.
    """

    epochs: int
    scores: Mapping[str, float]
    seconds: float

    @classmethod
    def of(cls, checkpoints: Checkpoints) -> "Chosen":
        """What the first training ended with."""
        found = checkpoints.best_scores.items()
        scores = {name: value for name, value in found if name.startswith("val/") and math.isfinite(value)}
        return cls(checkpoints.best_epoch + 1, scores, checkpoints.seconds())

    def settings(self, config: dict[str, Any]) -> dict[str, Any]:
        """The config of the second training: so many epochs, and the last one counts."""
        trainer = {**config["trainer"], "max_epochs": self.epochs}
        return {**config, "checkpoint": "last", "trainer": trainer, "early_stopping": {"patience": None}}

    def split(self, first: Split) -> Split:
        """The parts of the second training."""
        protocol = f"{first.protocol}; {self.epochs} epochs chosen on validation, then trained on it too"
        return replace(first, train=sorted([*first.train, *first.val]), val=[], protocol=protocol)

    def write(self, directory: Path) -> None:
        """Notes it, so that a run that is continued does not choose again."""
        facts = {"epochs": self.epochs, "scores": dict(self.scores), "seconds": self.seconds}
        write_text(directory / NAME, json.dumps(facts) + "\n")


def read_chosen(directory: Path) -> Chosen | None:
    """What was chosen; None where the first training is not done.

    Raises:
        UserError: The note is damaged.
    """
    file = directory / NAME
    if not file.is_file():
        return None
    facts = read_json(file)
    try:
        return Chosen(int(facts["epochs"]), dict(facts["scores"]), float(facts["seconds"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} is damaged: remove it, and the number of epochs is chosen again.") from error
