"""Each configuration of a sweep built and stepped on one real batch, before the first of them is trained.

On the CPU wherever the sweep will run, with a handful of recordings decoded and not the corpus. What Lightning does
around a step is Lightning's own here too: optimizer, schedule, clipping, averaging, validation and early stopping all
have their turn.
"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from pytorch_lightning.plugins.environments import LightningEnvironment

from ser.data.audio.decode import BadRecording
from ser.data.audio.prepare import AudioSettings, load
from ser.data.build import build_audio
from ser.data.datamodule import EpochOrder
from ser.data.features.sources import StoredWaveforms, compute_features
from ser.data.recordings import Recordings
from ser.data.splits import Split
from ser.data.store.waveforms import Waveforms
from ser.errors import UserError
from ser.runs.identity import flatten
from ser.runs.weights import start_from
from ser.training.build import build_classifier, build_learning
from ser.training.module import EmotionClassifier
from ser.training.trainer import OURS, early_stopping

HANDFUL = 4  # recordings that are decoded
TRIES = 40  # recordings looked at, where some are damaged
A_RUN_S = 1.5  # what a run takes beside its steps: putting it together, scoring and writing it down
STEPS = 3  # the first warms up, the others are timed
SEEDS = ("seed", "split.seed", "split.fold")  # configurations that differ in nothing else are stepped once
ON_CPU = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "precision": "32-true"}


def rehearsal_key(config: dict[str, Any]) -> str:
    """Equal for configurations that differ in their seeds only."""
    differing = (
        "choices", "logger", "run.dir", "run.name", "run.progress", "run.threads", "sweep", "trainer.accelerator",
    )  # fmt: skip
    facts = {key: value for key, value in flatten(config) if key not in SEEDS and not key.startswith(differing)}
    return json.dumps(facts, sort_keys=True, default=str)


class Rehearsals:
    """Steps configurations, and remembers the recordings that were decoded for it."""

    def __init__(self):
        self._decoded: dict[tuple, np.ndarray | None] = {}

    def __call__(self, config: dict[str, Any], recordings: Recordings, split: Split) -> float:
        """Builds a run's parts and steps them; gives the seconds that its training will take, about.

        Args:
            config: Of the run.
            recordings: What it works on.
            split: Its parts.

        Raises:
            Exception: Whatever the configuration does wrong.
        """
        config = {**config, "trainer": {**config["trainer"], **ON_CPU}}
        labels = np.asarray(recordings.labels)
        counts = np.bincount(labels[split.train], minlength=len(recordings.classes))
        classifier = build_classifier(config, recordings.classes, build_learning(config, counts.tolist()))
        if config["init_from"]:
            start_from(classifier, Path(config["init_from"]), recordings.classes)
        batch = self._batch(config, classifier, recordings, split)
        seconds = _step(config, classifier, batch, bool(split.val))
        epochs = config["trainer"]["max_epochs"]
        return A_RUN_S + seconds * epochs * len(EpochOrder(split.train, config["batch_size"], seed=0))

    def _batch(
        self, config: dict[str, Any], classifier: EmotionClassifier, recordings: Recordings, split: Split
    ) -> dict[str, torch.Tensor]:
        """As many utterances as a training batch has, a few real ones over and over."""
        audio = build_audio(config)
        chosen = self._handful(recordings, split.train, audio)
        few = InMemory([self._load(recordings.paths[recordings.chosen[i]], audio) for i in chosen])
        size = min(config["batch_size"], len(split.train))
        rows = np.resize(np.arange(len(few)), size)
        source = StoredWaveforms(few, rows, audio.num_samples, audio.padding_is_signal)
        each = list(range(min(size, len(few))))
        classifier.normaliser.fit(compute_features(source, classifier.frontend, each))
        batch = source.batch(range(size))
        learns = any(parameter.requires_grad for parameter in classifier.frontend.parameters())
        if not (classifier.learning.waveform_augmentations or learns or config["run"]["keep_features"] == "never"):
            with torch.no_grad():
                features, frames = classifier.extract(batch["waveforms"], batch["lengths"])
            batch = {"features": features, "frames": frames}
        of_rows = torch.as_tensor([recordings.labels[chosen[row]] for row in rows])
        return {**batch, "labels": of_rows, "indices": torch.arange(size)}

    def _handful(self, recordings: Recordings, train: Sequence[int], audio: AudioSettings) -> list[int]:
        """Utterances of the training part that can be used, of as many classes as may be."""
        first = {recordings.labels[i]: i for i in reversed(train)}
        order = list(dict.fromkeys([*first.values(), *train]))[:TRIES]
        found = []
        for i in order:
            if self._load(recordings.paths[recordings.chosen[i]], audio) is not None:
                found.append(i)
            if len(found) == HANDFUL:
                break
        if not found:
            raise UserError(f"None of {len(order)} recordings can be used, {recordings.paths[recordings.chosen[0]]} …")
        return found

    def _load(self, path: Path, audio: AudioSettings) -> np.ndarray | None:
        key = (path, audio)
        if key not in self._decoded:
            try:
                self._decoded[key] = load(path, audio)
            except BadRecording:  # told, with all the others, when the corpus is decoded
                self._decoded[key] = None
        return self._decoded[key]


class InMemory(Waveforms):
    """A few waveforms that lie in no store."""

    def __init__(self, waveforms: Sequence[np.ndarray]):
        self._waveforms = list(waveforms)
        self.lengths = np.array([len(waveform) for waveform in waveforms])

    def __getitem__(self, i: int) -> np.ndarray:
        return self._waveforms[i]

    def release(self) -> None:
        """Nothing was read."""


class Repeated:
    """One batch several times, as a loader."""

    def __init__(self, batch: dict[str, torch.Tensor], times: int):
        self.batch, self.times = batch, times

    def __len__(self) -> int:
        return self.times

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        return (dict(self.batch) for _ in range(self.times))


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


def _step(config: dict[str, Any], classifier: EmotionClassifier, batch: dict, validate: bool) -> float:
    """An epoch of a few steps, with its validation; gives the seconds of a step."""
    clock = Clock()
    callbacks = [clock]
    if config["ema"] is not None:
        callbacks.append(EMAWeightAveraging(decay=config["ema"]))
    callbacks += early_stopping(config)
    settings = {key: value for key, value in config["trainer"].items() if key != "profiler"}
    trainer = L.Trainer(
        **settings, **OURS, callbacks=callbacks, plugins=[LightningEnvironment()], enable_checkpointing=False
    )
    trainer.fit(classifier, Repeated(batch, STEPS), Repeated(batch, 1) if validate else None)
    return min(clock.steps[1:])
