"""An epoch through `ser train`, with all its metrics, logging and checkpoints, against a bare PyTorch loop.

Both train the same model on batches of the same features with the same optimizer and schedule, and both go through the
validation part after each epoch. The bare loop does nothing else. One published network is timed against Keras too.
"""

import importlib.util
import itertools
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch.nn import functional as F

from scripts.benchmarks.data import dataset_arguments
from scripts.benchmarks.measure import Row, alone, compare, quiet, seconds
from ser.commands import train
from ser.data.build import build_recordings
from ser.errors import UserError
from ser.reports.events import epoch_ends
from ser.runs.directory import load_config
from ser.system.cache import cache_folder
from ser.training.setup import Parts, prepare, steps_per_epoch

EPOCHS = {"cnn2d": 2, "cnn1d": 4, "mlp": 25}  # timed in each round; one more warms up
TARGETS = {"cnn2d": "≤ 1.10", "cnn1d": "≤ 1.15", "mlp": "≤ 8 ms + 0.4 ms a step more"}
KERAS = "an epoch of `baseline_ravdess_cnn1d_1m`, batch 64"
KERAS_EPOCHS = 4


def run(rounds: int = 5) -> list[Row]:
    """Times `cnn2d`, `cnn1d` and `mlp` on RAVDESS' log-mel features, and a published 1D CNN."""
    return [*(_against_bare(model, rounds) for model in EPOCHS), _against_keras(rounds)]


def _against_bare(model: str, rounds: int) -> Row:
    epochs = EPOCHS[model]
    arguments = [*dataset_arguments("ravdess"), "frontend=log_mel", f"model={model}", "augmentation=none"]
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        parts, bare, ours, theirs = None, None, [], []
        for _ in range(rounds):
            ours.append(_epoch_through_ser(arguments, epochs, run_dir))
            if parts is None:
                parts = _prepared(run_dir)
                bare = bare_epoch(parts, clip=1.0)
            theirs.append(statistics.median(seconds(bare) for _ in range(epochs)))
    more = 1000 * (statistics.median(ours) - statistics.median(theirs))
    note = f"{steps_per_epoch(parts)} steps, {more:+.0f} ms an epoch"
    what = f"an epoch of `{model}` through `ser train`"
    return compare(what, "bare PyTorch loop", ours, theirs, "s", "times the time", TARGETS[model], note)


def _epoch_through_ser(arguments: list[str], epochs: int, run_dir: Path) -> float:
    """Seconds from the end of one epoch to the end of the next: the median of a run's."""
    more = [f"trainer.max_epochs={epochs + 1}", "trainer=cpu", "run.progress=false", "run.rerun=true"]
    with quiet():
        train.main([*arguments, *more, f"hydra.run.dir={run_dir}"])
    return statistics.median(end - start for start, end in itertools.pairwise(epoch_ends(run_dir)))


def _prepared(run_dir: Path) -> Parts:
    """What a run trained on."""
    config = load_config(run_dir)
    return prepare(config, build_recordings(config, cache_folder()), Console(quiet=True))


def bare_epoch(parts: Parts, clip: float | None) -> Callable[[], None]:
    """One epoch written as a notebook would, without any of the framework's machinery."""
    model, learning = parts.classifier.model, parts.classifier.learning
    features, frames = parts.data.source.features, parts.data.source.frames
    labels = torch.as_tensor(parts.data.labels)
    train_part, val_part = torch.as_tensor(parts.split.train), torch.as_tensor(parts.split.val)
    optimizer = learning.optimizer(model.parameters())
    scheduler = learning.scheduler(optimizer, total_steps=10**6)

    def epoch() -> None:
        model.train()
        for batch in train_part[torch.randperm(len(train_part))].split(parts.data.batch_size):
            optimizer.zero_grad()
            logits = model(features[batch], frames[batch])
            loss = F.cross_entropy(logits, labels[batch], label_smoothing=learning.label_smoothing)
            loss.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            for batch in val_part.split(128):
                model(features[batch], frames[batch])

    return epoch


def _against_keras(rounds: int) -> Row:
    if importlib.util.find_spec("keras") is None:
        return alone(KERAS, [], "s", "≥ 1.0", "Keras is not installed: pip install -e '.[benchmark]'")
    arguments = ["experiment=baseline_ravdess_cnn1d_1m", *dataset_arguments("ravdess"), "batch_size=64"]
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        run_dir, arrays = Path(folder) / "run", Path(folder) / "arrays.npz"
        for _ in range(rounds):
            ours.append(_epoch_through_ser(arguments, KERAS_EPOCHS, run_dir))
            if not arrays.exists():
                _write_arrays(_prepared(run_dir), arrays)
            theirs.append(_epoch_in_keras(arrays))
    note = "features computed before in both; ours with metrics and logging"
    return compare(KERAS, "the same network in Keras", ours, theirs, "s", "times as fast", "≥ 1.0", note)


def _write_arrays(parts: Parts, path: Path) -> None:
    """The training part as Keras takes it: features (N, L, 1) and labels (N,)."""
    rows = parts.split.train
    features = parts.data.source.features[rows].transpose(1, 2)  # (N, 1, L) → (N, L, 1)
    np.savez(path, features=features.numpy(), labels=np.asarray(parts.data.labels)[rows])


def _epoch_in_keras(arrays: Path) -> float:
    command = [sys.executable, "-m", "scripts.benchmarks.keras_network", str(arrays), "64", str(KERAS_EPOCHS)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"The Keras network could not be trained: {done.stderr[-500:]}")
    return statistics.median(float(line) for line in done.stdout.split())
