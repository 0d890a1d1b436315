"""Everything of a run made ready to train: decoded, dealt, composed, features computed, normaliser fitted."""

import copy
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from rich.console import Console
from rich.progress import track

from ser.assembly import build_audio, build_classifier, build_learning, build_split, count_frames
from ser.classifier import EmotionClassifier
from ser.data.cache import cache_folder
from ser.data.datamodule import EmotionData, EpochOrder
from ser.data.features import ResidentFeatures, StoredWaveforms, compute_features, keep_features
from ser.data.recordings import Decoded, Recordings, decode_recordings
from ser.data.splits import Split
from ser.errors import UserError
from ser.randomness import derive_seed
from ser.runs.weights import start_from
from ser.trainers import training_device

log = logging.getLogger("ser")


@dataclass(frozen=True, slots=True)
class Parts:
    """A run ready to train.

    Args:
        decoded: Utterances, labels, waveforms.
        split: Which utterance is for what.
        classifier: With its normaliser fitted.
        data: Batches.
        num_frames: Of every clip, or None where they differ.
        notes: Remarks for the summary.
    """

    decoded: Decoded
    split: Split
    classifier: EmotionClassifier
    data: EmotionData
    num_frames: int | None
    notes: tuple[str, ...]


def prepare(config: dict[str, Any], recordings: Recordings, console: Console) -> Parts:
    """Makes a run ready; whatever can be refused without decoding is refused before it.

    Args:
        config: Resolved.
        recordings: From `build_recordings`.
        console: Shows a bar while files are decoded.

    Raises:
        UserError: From any of the parts.
    """
    audio, splitter = build_audio(config), build_split(config)
    _build_seeded(config, recordings.classes, [1] * len(recordings.classes))
    splitter(recordings.utterances)
    decoded = decode_recordings(recordings, audio, cache_folder(), decoding_bar(console, len(recordings.paths)))
    split = splitter(decoded.utterances)
    counts = np.bincount(decoded.labels[split.train], minlength=len(recordings.classes))
    _check_train(counts, recordings.classes)

    classifier = _build_seeded(config, recordings.classes, counts.tolist()).to(training_device(config["trainer"]))
    notes = []
    if config["init_from"]:
        notes.append(start_from(classifier, Path(config["init_from"]), recordings.classes))
    source = StoredWaveforms(decoded.waveforms, decoded.rows, audio.num_samples, audio.padding_is_signal)
    num_frames = count_frames(classifier.frontend, audio)
    learns = any(parameter.requires_grad for parameter in classifier.frontend.parameters())
    if classifier.learning.waveform_augmentations or learns:  # features change from step to step
        classifier.normaliser.fit(compute_features(source, classifier.frontend, split.train, classifier.device))
    else:
        source = _kept_features(source, classifier, len(decoded.utterances), split.train)
    data = EmotionData(source, decoded.labels, split, config["batch_size"], config["seed"])
    return Parts(decoded, split, classifier, data, num_frames, tuple(notes))


def _build_seeded(config: dict[str, Any], classes: Sequence[str], class_counts: list[int]) -> EmotionClassifier:
    """The classifier with initial weights that depend on the run's seed alone."""
    L.seed_everything(derive_seed(config["seed"]) % 2**32, verbose=False)
    return build_classifier(config, classes, build_learning(config, class_counts))


def _kept_features(
    source: StoredWaveforms, classifier: EmotionClassifier, total: int, train: list[int]
) -> ResidentFeatures:
    """Features of all utterances, computed once, normalised by what the training part looks like."""
    batches = compute_features(source, classifier.frontend, range(total), classifier.device)
    kept = keep_features(batches, total, trim=not classifier.model.fixed_length)
    blocks = [train[start : start + 256] for start in range(0, len(train), 256)]
    classifier.normaliser.fit((kept.features[rows], kept.frames[rows]) for rows in blocks)
    with torch.no_grad():
        for start in range(0, total, 256):
            rows = slice(start, start + 256)
            kept.features[rows] = classifier.normaliser(kept.features[rows], kept.frames[rows])
    return kept


def _check_train(counts: np.ndarray, classes: Sequence[str]) -> None:
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if missing:
        raise UserError(
            f"The training part has no recording of: {', '.join(missing)}. "
            "Take another split.seed or smaller split.test, or leave the class out with dataset.emotions."
        )


def decoding_bar(console: Console, total: int) -> Callable[[Iterable], Iterable]:
    """Wraps an iterator over decoded files in a bar that vanishes when done."""
    return lambda decoded: track(
        decoded, "decoding", total=total, console=console, transient=True, disable=not console.is_terminal
    )


def steps_per_epoch(parts: Parts) -> int:
    """Training batches of an epoch."""
    return len(EpochOrder(parts.split.train, parts.data.batch_size, seed=0))


def seconds_per_step(parts: Parts, repeats: int = 3) -> float:
    """Median time of forward and backward on one batch, with a copy of the model; one step warms up."""
    classifier = copy.deepcopy(parts.classifier)
    batch = parts.data.source.batch(parts.split.train[: parts.data.batch_size])
    if "features" not in batch:
        features, frames = classifier.extract(*(batch[key].to(classifier.device) for key in ("waveforms", "lengths")))
    else:
        features, frames = batch["features"], batch["frames"]
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        classifier.model(features, frames).logsumexp(dim=1).mean().backward()
        if classifier.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[repeats // 2]
