"""The results of a trained run: predictions, figures with their confidence, metrics, and last the marker."""

import json
import logging
from dataclasses import dataclass

import numpy as np
import torch

from ser.evaluation.baselines import decision_tree, tree_inputs
from ser.evaluation.evaluate import Evaluation, Fold, evaluate
from ser.evaluation.predictions import AnyPredictions, Predictions, write_predictions
from ser.models.base import count_parameters
from ser.reports.figures import as_image, as_png
from ser.reports.result_figure import result_figure
from ser.runs.seen_recordings import TESTED, Seen, write_seen
from ser.system.files import write_text
from ser.training.callbacks.checkpoints import Checkpoints
from ser.training.first_weights import file_hashes, seen_by
from ser.training.job import Job
from ser.training.loggers.run_loggers import RunLoggers
from ser.training.setup import Parts

log = logging.getLogger("ser")


@dataclass(frozen=True, slots=True)
class RunResults:
    """A finished run's metrics.json, all its figures with their confidence, and its predictions of test."""

    metrics: dict[str, float]
    evaluation: Evaluation
    test: AnyPredictions


def write_results(
    job: Job,
    parts: Parts,
    scored: dict[str, tuple[np.ndarray, np.ndarray]],
    checkpoints: Checkpoints,
    loggers: RunLoggers,
) -> RunResults:
    """Writes all results, then the marker of a finished run.

    For a run outside of a sweep a decision tree is trained too; in a sweep it comes on demand.

    Args:
        job, parts: The run.
        scored: Of `test` and, where there is one, `val`: indices (N,) into the utterances and logits (N, K), or
            numbers.
        checkpoints: Know the best epoch, its scores and the time.
        loggers: Receive the result.
    """
    config, directory, recordings, scores = job.config, job.directory, job.recordings, parts.classifier.scores
    task, decoded = parts.classifier.learning.task, parts.decoded
    predictions: dict[str, AnyPredictions] = {}
    for part, file in (("val", "predictions_val.csv"), ("test", "predictions.csv")):
        if part in scored:
            rows, outputs = scored[part]
            utterances = [decoded.utterances[i] for i in rows]
            predictions[part] = task.predictions(utterances, decoded.labels[rows], outputs)
            write_predictions(directory.path / file, predictions[part])
    true = [recordings.in_words(label) for label in decoded.labels.tolist()]
    rows, _ = scored["test"]
    hashes = file_hashes(recordings)
    tested = [Seen(hashes[decoded.utterances[i].path], TESTED, decoded.utterances[i], true[i]) for i in rows]
    write_seen(directory.path, seen_by(parts.split, decoded.utterances, true, hashes, parts.before), tested)
    others = baselines_of(parts, rows, predictions["test"], config["seed"]) if job.alone else {}
    evaluation = evaluate([Fold(predictions["test"], predictions.get("val"), others)])
    metrics = {
        **{name: value for name, value in checkpoints.best_scores.items() if name.startswith("val/")},
        **(parts.chosen.scores if parts.chosen else {}),  # of the training that selected the number of epochs
        **{name: value for name, value in scores.items() if name.startswith("test/")},
        **evaluation.as_metrics(),
        **{f"num_{part}": len(rows) for part, rows in parts.split.parts().items()},
        "num_parameters": count_parameters(parts.classifier.model),
        "epochs": parts.classifier.trainer.current_epoch,
        "best_epoch": checkpoints.best_epoch,
        **({} if parts.classifier.views is None else {"num_views": len(parts.classifier.views)}),
        "seconds": round(checkpoints.seconds() + (parts.chosen.seconds if parts.chosen else 0), 3),
    }
    metrics = {name: value for name, value in metrics.items() if np.isfinite(value)}  # NaN: not defined
    name, figure = result_figure(predictions["test"], metrics, recordings.corpus, parts.split.protocol)
    pixels = as_image(figure)  # drawn once, for the file and for TensorBoard
    (directory.path / "figures" / f"{name}.png").write_bytes(as_png(pixels))
    write_text(directory.path / "evaluation.json", json.dumps(evaluation.as_dict(), allow_nan=False) + "\n")
    write_text(directory.path / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    loggers.result(config, metrics, pixels, parts.split.protocol)  # a row for finished runs only
    loggers.flush()
    directory.finish()
    log.info("finished: %s", metrics)
    return RunResults(metrics, evaluation, predictions["test"])


def baselines_of(parts: Parts, test_rows: np.ndarray, test: AnyPredictions, seed: int) -> dict[str, AnyPredictions]:
    """The majority class and, where the features are in memory, a decision tree on them; of numbers the training mean.

    Args:
        parts: The run.
        test_rows: Indices of the test part (N,), in the order of `test`.
        test: The part to predict.
        seed: Of the run.
    """
    labels, train = parts.decoded.labels, np.asarray(parts.split.train)
    found = parts.classifier.learning.task.constant(labels[train], test)
    features = getattr(parts.data.source, "features", None)
    if isinstance(features, torch.Tensor) and isinstance(test, Predictions):
        inputs = tree_inputs(features.cpu().numpy(), parts.data.source.frames.cpu().numpy())
        found["decision tree"] = decision_tree(inputs[train], labels[train], inputs[test_rows], test, seed)
    return found
