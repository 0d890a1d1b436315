"""Everything of a run made ready to train: decoded, dealt, composed, features computed, normaliser fitted."""

import copy
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from rich.console import Console

from ser.data.build import build_audio, build_split
from ser.data.datamodule import BatchSource, EmotionData, EpochOrder
from ser.data.features.sources import StoredWaveforms, compute_features
from ser.data.features.views import Views
from ser.data.leakage import check_leakage
from ser.data.near_duplicates import near_copies
from ser.data.recordings import Decoded, Recordings, decode_recordings
from ser.data.splits import Split
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.runs.seen_recordings import SeenRecordings
from ser.runs.weights import start_from
from ser.system.cache import cache_folder
from ser.system.seeding import derive_seed
from ser.training.augmented_views import render_views
from ser.training.auxiliary import Auxiliary, find_auxiliary
from ser.training.build import build_classifier, build_learning, count_frames
from ser.training.captured_steps import plan_capture
from ser.training.feature_cache import FeatureInputs, bar, kept_features
from ser.training.first_weights import dealt, file_hashes, seen_before
from ser.training.module import EmotionClassifier
from ser.training.refit import Chosen
from ser.training.shared_features import shared_sources
from ser.training.task import Task, task_of
from ser.training.trainer import num_devices, training_device, unused_gpu

log = logging.getLogger("ser")
SLOW_S = 3.0  # of a step, which is then not repeated to be timed


@dataclass(frozen=True, slots=True)
class Parts:
    """A run ready to train.

    Args:
        decoded: Utterances, labels, waveforms.
        split: Which utterance is for what.
        classifier: With its normaliser fitted.
        data: Batches.
        scoring: Batches for test and for the last look at validation: `data`, or whole recordings where several views
            of each are averaged.
        num_frames: Of every clip, or None where they differ.
        notes: Remarks for the summary.
        before: What the weights that training begins with have seen.
        chosen: Of a refit: what validation chose before.
    """

    decoded: Decoded
    split: Split
    classifier: EmotionClassifier
    data: EmotionData
    scoring: EmotionData
    num_frames: int | None
    notes: tuple[str, ...]
    before: SeenRecordings
    chosen: Chosen | None = None


def prepare(
    config: dict[str, Any], recordings: Recordings, console: Console, chosen: Chosen | None = None,
    cache: Path | None = None,
) -> Parts:  # fmt: skip
    """Makes a run ready; whatever can be refused without decoding is refused before it.

    Args:
        config: Resolved.
        recordings: From `build_recordings`.
        console: Shows a bar while files are decoded.
        chosen: Of a refit, whose training part has the validation part too.
        cache: In place of the user's cache folder.

    Raises:
        UserError: From any of the parts.
    """
    audio, cache = build_audio(config), cache or cache_folder()
    task = task_of(config, recordings.classes)
    before, hashes = seen_before(config), file_hashes(recordings)
    planned = build_split(config)(recordings.utterances)
    planned = planned if chosen is None else chosen.split(planned)
    auxiliary, _ = _auxiliary(config, recordings.utterances, planned)
    _build_seeded(config, task, np.asarray(recordings.labels), auxiliary)
    check_steps(config, planned)
    decoded = decode_recordings(recordings, audio, cache, bar(console, "decoding", len(recordings.paths)))
    split = dealt(config, decoded.utterances, hashes, before)
    split = split if chosen is None else chosen.split(split)
    split, remarks = guarded(split, decoded, audio.sample_rate, console)
    auxiliary, of_targets = _auxiliary(config, decoded.utterances, split)
    notes = [*unused_gpu(config["trainer"]), *of_targets, *remarks]
    learned = decoded.labels[split.train]
    task.check_train(learned)

    classifier = _build_seeded(config, task, learned, auxiliary)
    if classifier.scale is not None:
        classifier.scale.fit(learned)
    if auxiliary:
        known = [target.labels(decoded.utterances) for target in auxiliary]
        classifier.auxiliary_labels = torch.stack(known, dim=1)
    classifier = classifier.to(training_device(config["trainer"]))
    if config["init_from"]:
        notes.append(start_from(classifier, Path(config["init_from"]), recordings.classes))
    source = StoredWaveforms(decoded.waveforms, decoded.rows, audio.num_samples, audio.padding_is_signal)
    num_frames = count_frames(classifier.frontend, audio)
    inputs = FeatureInputs(config, source, classifier, recordings.corpus, split.train, console, cache)
    served, views, remarks = shared_sources(inputs, _sources)
    notes += remarks
    names = [utterance.key for utterance in decoded.utterances]
    data = EmotionData(served, decoded.labels, split, config["batch_size"], config["seed"], views, names)
    plan_capture(config, classifier, data, console)
    scoring = data
    if classifier.views is not None:
        notes.append(f"scored: the mean over {len(classifier.views)} views of each recording ({classifier.views})")
        whole = StoredWaveforms(decoded.waveforms, decoded.rows, None)
        scoring = EmotionData(whole, decoded.labels, split, config["batch_size"], config["seed"], names=names)
    return Parts(decoded, split, classifier, data, scoring, num_frames, tuple(notes), before, chosen)


def _auxiliary(
    config: dict[str, Any], utterances: Sequence[Utterance], split: Split
) -> tuple[tuple[Auxiliary, ...], list[str]]:
    """The auxiliary targets of the training part, and remarks: what test has besides is nothing to learn."""
    return find_auxiliary(config["loss"].get("auxiliary"), [utterances[i] for i in split.train])


def _sources(inputs: FeatureInputs) -> tuple[BatchSource, Views | None, list[str]]:
    """Where batches come from, the views that training draws from instead, and remarks; the normaliser is fitted."""
    config, source, classifier = inputs.config, inputs.source, inputs.classifier
    learns = any(parameter.requires_grad for parameter in classifier.frontend.parameters())
    rendered = config["augmentation"].get("views") is not None
    if rendered and learns:
        raise UserError(
            "augmentation.views keeps features, and those of this frontend change as it learns: leave it out."
        )
    augments = bool(classifier.learning.waveform_augmentations) and not rendered
    if augments or learns or config["run"]["keep_features"] == "never":
        # features change from step to step, or are wanted anew in each
        classifier.normaliser.fit(compute_features(source, classifier.frontend, inputs.train, classifier.device))
        return source, None, []
    if not rendered:
        served, remarks = kept_features(inputs)
        return served, None, remarks
    made = render_views(inputs)
    fitted_to = made.blocks() if config["augmentation"].get("normalise_by_views") else None
    served, remarks = kept_features(inputs, fitted_to)
    views, more = made.views()
    return served, views, [*remarks, *more]


def guarded(split: Split, decoded: Decoded, sample_rate: int, console: Console) -> tuple[Split, list[str]]:
    """The split, stamped with the near-copies that its parts share, and remarks that name them.

    Identical samples are never parted, and shared speakers or texts stand in the stamp already. What is left are
    recordings that are one another's copy at another level, sample rate or length.
    """
    copies = near_copies(decoded.waveforms, sample_rate, bar(console, "looking for copies", len(decoded.waveforms)))
    decoded.waveforms.release()  # all of them were read
    found = check_leakage(decoded.utterances, split.parts(), copies)
    if not found.copies:
        return split, []
    return replace(split, protocol=f"{split.protocol}; {found.stamp}"), replace(found, shared=()).notes()


def _build_seeded(
    config: dict[str, Any], task: Task, labels: np.ndarray, auxiliary: Sequence[Auxiliary]
) -> EmotionClassifier:
    """The classifier with initial weights that depend on the run's seed alone."""
    L.seed_everything(derive_seed(config["seed"]) % 2**32, verbose=False)
    return build_classifier(config, task.names, build_learning(config, task, labels, auxiliary))


def check_steps(config: dict[str, Any], split: Split) -> None:
    """Refuses an optimizer step over more batches than an epoch has.

    Raises:
        UserError: Says how many it has.
    """
    asked = config["trainer"].get("accumulate_grad_batches", 1)
    batches = math.ceil(len(split.train) // num_devices(config["trainer"]) / config["batch_size"])
    if asked > max(1, batches):
        raise UserError(
            f"trainer.accumulate_grad_batches={asked} is more than the {max(1, batches)} of an epoch: lower it."
        )


def steps_per_epoch(parts: Parts) -> int:
    """Training batches of an epoch."""
    return len(EpochOrder(parts.split.train, parts.data.batch_size, seed=0))


def seconds_per_step(parts: Parts, repeats: int = 3) -> float:
    """Median time of a step on one batch, with a copy of the model; one step warms up.

    That is forward and backward, and what is computed anew in each step: augmentation of waveforms, and features of
    them.
    """
    classifier = copy.deepcopy(parts.classifier)
    batch = parts.data.source.batch(parts.split.train[: parts.data.batch_size])
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        features, frames = _training_features(classifier, batch)
        classifier.model(features, frames).logsumexp(dim=1).mean().backward()
        if classifier.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        if times[-1] > SLOW_S:  # warming up is little of it
            return times[-1]
    return sorted(times[1:])[repeats // 2]


def _training_features(classifier: EmotionClassifier, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    if "features" in batch:
        return batch["features"], batch["frames"]
    waveforms, lengths = (batch[key].to(classifier.device) for key in ("waveforms", "lengths"))
    for augment in classifier.learning.waveform_augmentations:
        waveforms, lengths = augment(waveforms, lengths, None)
    return classifier.extract(waveforms, lengths)
