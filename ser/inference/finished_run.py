"""A finished run, read back from its directory: plain data and weights only, nothing in its files is executed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ser.errors import UserError
from ser.evaluation.predictions import Predictions, read_predictions
from ser.runs.directory import RunDirectory, load_config
from ser.runs.weights import load_weights, read_checkpoint
from ser.training.build import build_classifier
from ser.training.module import EmotionClassifier
from ser.training.trainer import check_trainer

NEEDED = ("audio", "dataset", "frontend", "model", "normaliser", "seed", "split", "trainer")  # to build what it was
ALONE = {"devices": 1, "num_nodes": 1, "strategy": "auto"}  # of the trainer: what is evaluated runs on one device


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended.

    Args:
        directory: Where it lies.
        config: Its own, with what the caller decides: whom to trust, and where to compute.
    """

    directory: RunDirectory
    config: dict[str, Any]

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.directory.path

    def moved_to(self, root: str) -> "FinishedRun":
        """The run with its recordings in another folder, laid out there as they were.

        Args:
            root: What `dataset.root` would be today; for a corpus of several roots the folder that holds them.
        """
        elsewhere = {key: None for key in self.config["dataset"] if key.endswith("_root")}
        return replace(self, config={**self.config, "dataset": {**self.config["dataset"], **elsewhere, "root": root}})

    def predictions(self) -> tuple[Predictions, Predictions | None]:
        """Of test, and of validation where it has one.

        Raises:
            UserError: A file is missing or damaged.
        """
        counts = self.directory.metrics()
        test = read_predictions(self.path / "predictions.csv", counts.get("num_test"))
        if not counts.get("num_val"):
            return test, None
        return test, read_predictions(self.path / "predictions_val.csv", counts["num_val"])

    def classifier(self, device: torch.device) -> EmotionClassifier:
        """The whole path from waveform to logits with the weights that count, ready to judge.

        Raises:
            UserError: The checkpoint is damaged, or does not belong to the config.
        """
        described = read_checkpoint(self.directory.best).get("ser")
        classes = described.get("classes") if isinstance(described, dict) else None
        if not isinstance(classes, list) or not classes:
            raise UserError(f"The checkpoint {self.directory.best} does not say its classes: it is none of ser's.")
        classifier = build_classifier(self.config, classes)
        load_weights(classifier, self.directory.best)
        return classifier.to(device).eval()


def open_run(path: Path, trust: Sequence[str] = (), device: str = "auto") -> FinishedRun:
    """Opens the directory of a finished run.

    Args:
        path: The directory.
        trust: Packages whose classes its config may name; what the config itself says of trust does not count.
        device: `auto`, `cpu` or `gpu`.

    Raises:
        UserError: No such directory, no run, one that did not finish, or a GPU that is not there.
    """
    directory, config = finished_directory(path)
    trainer = {**config["trainer"], **ALONE, "accelerator": device}
    check_trainer(trainer)
    # how it began and how its code was compiled is of no more account
    return FinishedRun(
        directory, {**config, "trust": list(trust), "trainer": trainer, "init_from": None, "compile": "none"}
    )


def finished_directory(path: Path) -> tuple[RunDirectory, dict[str, Any]]:
    """The directory of a finished run and its config as it stands there, as plain data.

    Raises:
        UserError: No such directory, no run, or one that did not finish.
    """
    path = path.expanduser().resolve()  # a sweep holds links
    if not path.is_dir():
        raise UserError(f"There is no folder {path}: name the directory of a finished run, as under runs/.")
    config = load_config(path)
    if missing := [key for key in NEEDED if key not in config]:
        raise UserError(f"{path / 'config.yaml'} is not the config of a run: it says nothing of {', '.join(missing)}.")
    directory = RunDirectory(path, "")
    directory = RunDirectory(path, directory.recorded_identity() or "")
    if not directory.finished:
        raise UserError(f"The run {path} did not finish: continue it with `ser train resume={path}`, then evaluate it.")
    return directory, config
