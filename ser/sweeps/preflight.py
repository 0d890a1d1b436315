"""Each configuration of a sweep rehearsed before the first of them is trained: the recipe itself, on a few batches.

On the CPU wherever the sweep will run, with a recording of each class (of numbers small and large ones) in place of the
corpus, and in a folder that is gone afterwards.
"""

import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytorch_lightning as L
from rich.console import Console

from ser.data.audio.decode import BadRecording
from ser.data.audio.prepare import AudioSettings, load
from ser.data.build import build_audio
from ser.data.datamodule import EpochOrder
from ser.data.recordings import Recordings
from ser.data.splits import Split
from ser.errors import UserError
from ser.runs.directory import RunDirectory
from ser.runs.identity import flatten
from ser.training.callbacks.interruption import Interruption
from ser.training.job import Job
from ser.training.ranks import Ranks
from ser.training.task import Task, task_of
from ser.training.train import fitted, score
from ser.training.trainer import mendable

TRIES = 40  # recordings of a class looked at, where some are damaged
A_RUN_S = 1.5  # what a run takes beside its steps: putting it together, scoring and writing it down
STEPS = 3  # the first warms up, the others are timed
OVER_AND_OVER = "ser.data.splits.over_and_over.OverAndOver"
SEEDS = ("seed", "split.seed", "split.fold")  # configurations that differ in nothing else are rehearsed once
ON_CPU = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "precision": "32-true"}


def rehearsal_key(config: dict[str, Any]) -> str:
    """Equal for configurations that differ in their seeds only."""
    differing = (
        "choices", "logger", "run.dir", "run.name", "run.progress", "run.threads", "sweep", "trainer.accelerator",
    )  # fmt: skip
    facts = {key: value for key, value in flatten(config) if key not in SEEDS and not key.startswith(differing)}
    return json.dumps(facts, sort_keys=True, default=str)


class Rehearsals:
    """Trains each configuration for some steps.

    Args:
        folder: For the few recordings that are decoded, their features, and checkpoints.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._is_usable = cache(_is_usable)

    def __call__(self, config: dict[str, Any], recordings: Recordings, split: Split) -> float:
        """Rehearses a run; gives the seconds that its training will take, about.

        Args:
            config: Of the run.
            recordings: What it works on.
            split: Its parts.

        Raises:
            Exception: Whatever the configuration does wrong.
        """
        few = self._one_of_each(task_of(config, recordings.classes), recordings, split, build_audio(config))
        batch = min(config["batch_size"], len(split.train))  # as large as in the run, of few recordings over and over
        size = max(len(few.labels), STEPS * batch)
        settings = config["trainer"]
        few_steps = {
            "limit_train_batches": STEPS,
            "accumulate_grad_batches": min(settings.get("accumulate_grad_batches", 1), STEPS),
        }
        on_few = {
            **config,
            "split": {"_target_": OVER_AND_OVER, "size": size, "val": 0.1 if split.val else 0.0},
            "batch_size": batch,
            "trainer": {**settings, **ON_CPU, **few_steps},
            "run": {**config["run"], "cuda_graphs": "off"},
        }
        clock, interruption, console = Clock(), Interruption(), Console(quiet=True)
        with TemporaryDirectory(dir=self.folder) as folder, interruption.listening(), mendable(config):
            job = Job(on_few, few, RunDirectory(Path(folder), ""), alone=False, cache=self.folder)
            with fitted(job, interruption, console, [clock], Ranks()) as (trainer, parts, *_):
                score(trainer, parts)
        steps = len(EpochOrder(split.train, batch, seed=0)) * settings["max_epochs"]
        return A_RUN_S + min(clock.steps[1:]) * steps

    def _one_of_each(self, task: Task, recordings: Recordings, split: Split, audio: AudioSettings) -> Recordings:
        """Of each class, or of small and large numbers, a recording of the training part that can be used."""
        train = np.asarray(split.train)
        groups = task.alike(np.asarray(recordings.labels)[train])
        found = [self._first_usable(recordings, train[rows].tolist(), name, audio) for name, rows in groups]
        found = list(dict.fromkeys(found))
        places = [recordings.chosen[i] for i in found]
        return replace(
            recordings,
            paths=tuple(recordings.paths[place] for place in places),
            hashes=tuple(recordings.hashes[place] for place in places),
            chosen=tuple(range(len(found))),
            utterances=tuple(recordings.utterances[i] for i in found),
            labels=tuple(recordings.labels[i] for i in found),
            notes=(),
            unreadable={},
        )

    def _first_usable(self, recordings: Recordings, rows: list[int], name: str, audio: AudioSettings) -> int:
        for i in (tried := rows[:TRIES]):
            if self._is_usable(recordings.paths[recordings.chosen[i]], audio):
                return i
        example = recordings.paths[recordings.chosen[tried[0]]]
        raise UserError(f"None of {len(tried)} recordings of {name} can be used, {example} …")


def _is_usable(path: Path, audio: AudioSettings) -> bool:
    try:
        load(path, audio)
        return True
    except BadRecording:  # named, with all the others, when the corpus is decoded
        return False


class Clock(L.Callback):
    """Times each step, and ends training after one epoch."""

    def __init__(self):
        self.steps: list[float] = []

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int):
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, *args) -> None:
        self.steps.append(time.perf_counter() - self._start)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = True
