"""A finished run, read back from its directory: plain data and weights only, nothing in its files is executed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ser.data.corpora.demo import Demo
from ser.errors import UserError
from ser.evaluation.predictions import AnyPredictions, read_predictions
from ser.inference.source import Source, build_model, trusting
from ser.instantiate import resolve
from ser.runs.directory import RunDirectory, finished_directory, load_config
from ser.runs.members import check_weights, is_ensemble, members_of
from ser.training.module import EmotionClassifier
from ser.training.trainer import check_trainer

ALONE = {"devices": 1, "num_nodes": 1, "strategy": "auto"}  # of the trainer: evaluation runs on one device


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished run.

    Args:
        directory: Its directory.
        config: Its own, with the caller's trust and device. Of an ensemble that of its first member.
        members: The runs that an ensemble averages.
    """

    directory: RunDirectory
    config: dict[str, Any]
    members: tuple["FinishedRun", ...] = ()

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.directory.path

    @property
    def models(self) -> tuple["FinishedRun", ...]:
        """The runs that have weights: itself, or the members of an ensemble."""
        return self.members or (self,)

    def moved_to(self, root: str) -> "FinishedRun":
        """The run with its recordings in another folder of the same layout.

        Args:
            root: The new `dataset.root`; for a corpus of several roots the folder that holds them.
        """
        members = tuple(member.moved_to(root) for member in self.members)
        config = {**self.config, "dataset": _moved(self.config["dataset"], root)}
        return replace(self, config=config, members=members)

    def predictions(self) -> tuple[AnyPredictions, AnyPredictions | None]:
        """Predictions of test, and of validation where it has one.

        Raises:
            UserError: A file is missing or damaged.
        """
        counts = self.directory.metrics()
        test = read_predictions(self.path / "predictions.csv", counts.get("num_test"))
        if not counts.get("num_val"):
            return test, None
        return test, read_predictions(self.path / "predictions_val.csv", counts["num_val"])

    def classifiers(self, device: torch.device) -> list[EmotionClassifier]:
        """The classifier of each of `models`, from waveform to logits, with the selected weights in evaluation mode.

        Raises:
            UserError: A checkpoint is damaged, or does not belong to the config.
        """
        if self.members:
            check_weights(self.path, load_config(self.path))
        sources = [Source(model.directory.best, model.config, None) for model in self.models]
        return [build_model(source)[0].to(device) for source in sources]


def open_run(path: Path, trust: Sequence[str] = (), device: str = "auto") -> FinishedRun:
    """Opens the directory of a finished run.

    Args:
        path: The directory.
        trust: Packages whose classes its config may name; trust in the config itself is ignored.
        device: `auto`, `cpu` or `gpu`.

    Raises:
        UserError: No such directory, no run, one that did not finish, or no GPU.
    """
    directory, config = finished_directory(path)
    if not is_ensemble(directory.path):
        return _single(directory, config, trust, device)
    members = tuple(
        _single(*finished_directory(member), trust, device) for member in members_of(directory.path, config)
    )
    return FinishedRun(directory, members[0].config, members)


def _single(directory: RunDirectory, config: dict[str, Any], trust: Sequence[str], device: str) -> FinishedRun:
    trainer = {"max_epochs": 1, "precision": "32-true", **ALONE, "accelerator": device}
    check_trainer(trainer)
    # how it was initialised, trained and compiled no longer matters
    config = {**trusting(config, trust), "trainer": trainer, "init_from": None}
    return FinishedRun(directory, {**config, "dataset": never_written(config["dataset"])})


def never_written(node: dict[str, Any]) -> dict[str, Any]:
    """The dataset of a run's config, which is not trusted: it is read, and nothing is written to its folder.

    A demo corpus that is not in its folder is taken from the cache, where it is the same to the last bit.

    Args:
        node: Plain data.
    """
    node = {key: _each(value, never_written) for key, value in node.items()}  # of joined ones
    try:
        target = resolve(node, "dataset")
        if not (isinstance(target, type) and issubclass(target, Demo) and isinstance(node.get("root"), str)):
            return node
        exists = any(Path(node["root"]).expanduser().iterdir())
    except UserError:  # reported when it is built
        return node
    except (OSError, RuntimeError, ValueError):  # no such folder, or an invalid path
        exists = False
    return node if exists else {**node, "root": None}


def _moved(node: dict[str, Any], root: str) -> dict[str, Any]:
    """A dataset in another folder, which holds each of joined ones by its name."""
    elsewhere = {key: None for key in node if key.endswith("_root")}
    of = node.get("of")
    if isinstance(of, dict):
        inner = {name: str(Path(root) / str(name)) for name, own in of.items() if isinstance(own, dict)}
        elsewhere["of"] = {name: _moved(own, inner[name]) if name in inner else own for name, own in of.items()}
    return {**node, **elsewhere, "root": root}


def _each(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A setting with a change made to each node in it."""
    if isinstance(value, dict):
        return change(value) if "_target_" in value else {key: _each(item, change) for key, item in value.items()}
    return [_each(item, change) for item in value] if isinstance(value, list) else value
