"""Run directories with everything that a comparison reads, as `ser train` writes them, around made-up answers."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from ser.evaluation.predictions import TRAITS, Predictions, write_predictions
from ser.runs.directory import RunDirectory
from ser.runs.identity import identity

CLASSES = ("angry", "happy", "neutral", "sad")
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"_target_": "ser.models.mlp.MLP", "hidden": [64], "dropout": 0.3},
    "cnn1d": {"_target_": "ser.models.cnn1d.CNN1d", "channels": [32, 64], "dropout": 0.2},
    "cnn2d": {"_target_": "ser.models.cnn2d.CNN2d", "channels": [16, 32], "dropout": 0.2},
}
FRONTENDS: dict[str, dict[str, Any]] = {
    "log_mel": {"_target_": "ser.frontends.log_mel.LogMel", "sample_rate": 16000, "n_mels": 64},
    "mfcc": {"_target_": "ser.frontends.mfcc.Mfcc", "sample_rate": 16000, "n_mfcc": 40},
}
CONFIG: dict[str, Any] = {
    "choices": {
        "experiment": None, "trainer": "cpu", "scheduler": "cosine", "optimizer": "adamw", "model": "mlp",
        "augmentation": "none", "frontend": "log_mel", "split": "speaker_kfold", "audio": "clip", "dataset": "ravdess",
    },
    "seed": 0, "batch_size": 32,
    "dataset": {
        "_target_": "ser.data.corpora.ravdess.Ravdess", "emotions": None, "target": "emotion", "root": "/data/ravdess",
    },
    "monitor": "val/uar", "init_from": None, "run": {"name": None, "dir": "runs"},
    "audio": {"_target_": "ser.data.audio.prepare.AudioSettings", "sample_rate": 16000},
    "split": {"_target_": "ser.data.splits.SpeakerKFold", "k": 4, "fold": 0, "val": 0.15, "seed": 0},
    "frontend": FRONTENDS["log_mel"], "model": MODELS["mlp"],
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.001},
    "trainer": {"accelerator": "cpu", "devices": 1, "precision": "32-true", "max_epochs": 3},
}  # fmt: skip


def config_with(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The config with other settings: `model="cnn1d"` as a choice, `{"optimizer.lr": 0.1}` by its key.

    A seed is the split's too, unless `split.seed` is given.
    """
    config = copy.deepcopy(CONFIG)
    for key, value in settings.items():
        if key in config["choices"]:
            config["choices"][key] = value
            for nodes in (MODELS, FRONTENDS):
                if value in nodes:
                    config[key] = copy.deepcopy(nodes[value])
            continue
        *path, last = key.split(".")
        node = config
        for name in path:
            node = node[name]
        node[last] = value
    if "split.seed" not in settings:
        config["split"]["seed"] = config["seed"]
    return config


def part_of_fold(fold: int, folds: int = 4, speakers: int = 12, each: int = 2) -> list[tuple[str, str, int]]:
    """(key, speaker, label) of the utterances of a fold: speaker s is tested in fold s mod `folds`."""
    return [
        (f"Actor_{speaker:02}/{label}-{take}.wav", f"ravdess_{speaker:02}", label)
        for speaker in range(speakers)
        if speaker % folds == fold
        for label in range(len(CLASSES))
        for take in range(each)
    ]


def answers(part: Sequence[tuple[str, str, int]], skill: float, seed: int) -> np.ndarray:
    """Predicted labels (N,): right with the probability `skill`."""
    rng = np.random.default_rng(seed)
    true = np.array([label for *_, label in part])
    wrong = (true + rng.integers(1, len(CLASSES), len(true))) % len(CLASSES)
    return np.where(rng.random(len(true)) < skill, true, wrong)


@patch("os.fsync", lambda file: None)  # tests write hundreds of runs, and no power cut matters
def write_run(
    runs: Path, settings: Mapping[str, Any], part: Sequence[tuple[str, str, int]], predicted: np.ndarray,
    protocol: str = "", finished: bool = True, seconds: float = 2.0,
) -> Path:  # fmt: skip
    """A finished run with these predictions, its figures computed by scikit-learn.

    Args:
        runs: The folder of runs.
        settings: For `config_with`.
        part: What is tested.
        predicted: Labels (N,).
        protocol: By default speaker-independent, with the fold.
        finished: Else it was interrupted.
        seconds: It took.
    """
    config = config_with(settings)
    name = identity(config, {"dataset": "content"}, 1)
    fold = config["split"]["fold"]
    chosen = config["choices"]
    readable = f"{chosen['dataset']}-{chosen['frontend']}-{chosen['model']}-{chosen['split']}-s{config['seed']}"
    directory = RunDirectory(runs / f"{readable}-{name}", name)
    directory.path.mkdir(parents=True)
    directory.begin(config, {}, protocol or f"speaker-independent, fold {fold + 1} of 4; test statements shared")
    true = np.array([label for *_, label in part])
    shares = np.where(np.arange(len(CLASSES)) == predicted[:, None], 0.7, 0.1)
    keys, speakers = (tuple(row[column] for row in part) for column in (0, 1))
    traits = dict.fromkeys(TRAITS, (None,) * len(part)) | {"corpus": ("ravdess",) * len(part), "speaker": speakers}
    write_predictions(
        directory.path / "predictions.csv", Predictions(tuple(CLASSES), keys, true, predicted, shares, traits)
    )
    metrics = {
        "val/uar": float(balanced_accuracy_score(true, predicted)) - 0.01,
        "test/uar": float(balanced_accuracy_score(true, predicted)),
        "test/wa": float(accuracy_score(true, predicted)),
        "test/f1_macro": float(f1_score(true, predicted, average="macro", zero_division=0)),
        "test/loss": 1.0, "num_test": len(part), "num_parameters": 1000 * len(chosen["model"]), "epochs": 3,
        "best_epoch": 1, "seconds": seconds,
    }  # fmt: skip
    (directory.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    if finished:
        directory.finish()
    return directory.path


def write_folds(runs: Path, settings: Mapping[str, Any], skill: float, noise: int = 0, seeds: Sequence[int] = (0,)):
    """Four folds for each seed, all speakers tested once a seed; the directories."""
    paths = []
    for seed in seeds:
        for fold in range(4):
            part = part_of_fold(fold)
            labels = answers(part, skill, seed=[noise, seed, fold])
            paths.append(write_run(runs, {**settings, "seed": seed, "split.seed": 0, "split.fold": fold}, part, labels))
    return paths
