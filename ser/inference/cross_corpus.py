"""A finished run scored on other recordings than its own, their emotions mapped by name or by the user."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from ser.data.audio.prepare import AudioSettings
from ser.data.build import build_audio
from ser.data.features.sources import StoredWaveforms
from ser.data.recordings import Decoded, Recordings, decode_recordings
from ser.data.store.hashes import content_hash
from ser.evaluation.averaging import average
from ser.evaluation.evaluate import Evaluation, Fold, evaluate
from ser.evaluation.predictions import AnyPredictions, write_predictions
from ser.inference.finished_run import FinishedRun
from ser.inference.limits import MOST_BINS, bins_per_sample
from ser.inference.other_recordings import find_others, without
from ser.inference.seen_in_training import seen_in_training, transfer_stamp
from ser.reports.mistakes import Sounds
from ser.reports.report import ReportInputs, write_report
from ser.reports.run_report import stamps_of
from ser.runs.directory import WRITTEN
from ser.runs.seen_recordings import together
from ser.system.cache import cache_folder
from ser.system.files import check_unlinked, write_text
from ser.system.names import safe_name
from ser.training.feature_cache import bar
from ser.training.module import EmotionClassifier
from ser.training.task import task_of
from ser.training.trainer import training_device


@dataclass(frozen=True, slots=True)
class Transfer:
    """The result.

    Args:
        evaluation: All figures.
        stamp: In what training and these recordings are disjoint.
        notes: What was left out, or mapped to another class.
        report: The page.
    """

    evaluation: Evaluation
    stamp: str
    notes: tuple[str, ...]
    report: Path


def score_elsewhere(
    run: FinishedRun,
    name: str,
    dataset: dict[str, Any],
    chosen: Mapping[str, str | None] | None,
    batch_size: int,
    console: Console,
) -> Transfer:
    """Scores other recordings and writes `<run>/evaluations/<name>-<hash>/`; the run's own figures stay as they are.

    The temperature is that of the run's validation part: nothing is fitted to the tested recordings.

    Args:
        run: The run.
        name: Of the other dataset.
        dataset: Its config node.
        chosen: The user's map: emotion → emotion of the run, or None to leave it out.
        batch_size: Recordings at once.
        console: For the bars.

    Raises:
        UserError: No classes in common; training recordings that cannot be identified; from any of the parts.
    """
    check_unlinked(run.path, WRITTEN)
    test, val = run.predictions()
    classifiers = run.classifiers(training_device(run.config["trainer"]))  # before anything is decoded
    recordings, notes = find_others(dataset, chosen, run.config, test.classes, cache_folder())
    seen = together([seen_in_training(model) for model in run.models])
    recordings, left_out = without(recordings, seen.hashes())
    audio = build_audio(run.models[0].config)
    decoded = decode_recordings(recordings, audio, cache_folder(), bar(console, "decoding", len(recordings.paths)))
    recordings, copies = without(recordings, seen.hashes(), decoded)
    left_out += copies
    notes += left_out
    scored = [
        _score(model, classifier, recordings, batch_size, console)
        for model, classifier in zip(run.models, classifiers, strict=True)
    ]
    predictions, decoded = average([part for part, _ in scored]), scored[0][1]
    known = seen.labels(test.classes, recordings.are_numbers)
    if not recordings.are_numbers:  # of classes those that occur here: any other would always be wrong
        known = known[np.isin(known, predictions.true)]
    baselines = task_of(run.config, test.classes).constant(known, predictions)
    evaluation = evaluate([Fold(predictions, val, baselines)])
    stamp, notes = transfer_stamp(seen, decoded.utterances), (*notes, *decoded.notes)

    mapping = json.dumps(dict(chosen or {}), sort_keys=True)
    key = content_hash(f"{recordings.fingerprint()} {mapping}".encode())[:10]
    folder = run.path / "evaluations" / f"{safe_name(name)}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder / "predictions.csv", predictions)
    write_text(folder / "evaluation.json", json.dumps(evaluation.as_dict(), allow_nan=False) + "\n")
    facts = {"protocol": stamp, "run": run.directory.recorded_identity(), "dataset": dataset, "map": dict(chosen or {})}
    write_text(folder / "about.json", json.dumps(facts | {"notes": notes}, indent=2) + "\n")
    inputs = ReportInputs(
        title=f"{run.path.name} on {name}",
        stamp=stamp,
        test=predictions,
        evaluation=evaluation,
        sounds=Sounds(decoded, build_audio(run.config)),
        about={"scored on": f"{name}: {len(predictions)} utterances"} | stamps_of(run.directory),
        config=run.config,
        notes=notes,
    )
    return Transfer(evaluation, stamp, notes, write_report(folder, inputs))


def _score(
    model: FinishedRun, classifier: EmotionClassifier, recordings: Recordings, batch_size: int, console: Console
) -> tuple[AnyPredictions, Decoded]:
    """One model's predictions of recordings, prepared as its own were, and the recordings."""
    audio, classes = build_audio(model.config), classifier.description["classes"]
    decoded = decode_recordings(recordings, audio, cache_folder(), bar(console, "decoding", len(recordings.paths)))
    labels = decoded.labels
    if not recordings.are_numbers:
        labels = np.array([classes.index(recordings.classes[label]) for label in labels], dtype=np.int64)
    outputs = _outputs(classifier, audio, decoded, batch_size, console)
    return task_of(model.config, classes).predictions(decoded.utterances, labels, outputs), decoded


def _outputs(
    classifier: EmotionClassifier, audio: AudioSettings, decoded: Decoded, batch_size: int, console: Console
) -> np.ndarray:
    """Logits (N, K) or numbers of all utterances, in order."""
    num_samples = audio.num_samples if classifier.views is None else None  # views need whole recordings
    source = StoredWaveforms(decoded.waveforms, decoded.rows, num_samples, audio.padding_is_signal)
    most = MOST_BINS / bins_per_sample(classifier.frontend) / (num_samples or 1)
    everyone, logits = range(len(decoded.rows)), []
    batch_size = max(1, min(batch_size, int(most)))  # smaller batches of long clips
    starts = range(0, len(everyone), batch_size)
    with torch.inference_mode():
        for start in bar(console, "scoring", len(starts))(starts):
            batch = source.batch(everyone[start : start + batch_size])
            waveforms, lengths = (batch[name].to(classifier.device) for name in ("waveforms", "lengths"))
            logits.append(classifier.answer(waveforms, lengths).float().cpu().numpy())
    return np.concatenate(logits)
