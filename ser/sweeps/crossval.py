"""Cross-validation: folds that are runs like any other, and their predictions pooled into one result."""

import hashlib
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ser.data.build import build_split
from ser.data.splits import Splitter
from ser.data.splits.protocol import merged
from ser.data.targets import predicts_numbers
from ser.errors import UserError
from ser.evaluation.epoch_scores import added_metrics
from ser.evaluation.evaluate import Evaluation, Fold, evaluate
from ser.evaluation.predictions import AnyPredictions, pool, write_predictions
from ser.evaluation.scores import figures_of
from ser.inference.ensemble import Ensemble, readable
from ser.inference.finished_run import FinishedRun
from ser.reports.report import ReportInputs, write_report
from ser.sweeps.scans import Scans
from ser.system.files import write_text
from ser.system.names import safe_name
from ser.training.augment import without_augmentation
from ser.training.job import Job, find_job, readable_name
from ser.training.results import baselines_of
from ser.training.setup import prepare
from ser.training.task import task_of


@dataclass(frozen=True, slots=True)
class Pooled:
    """The result of a cross-validation.

    Args:
        folder: Its folder.
        config: Of its folds; `split.fold` is `all`.
        evaluation: All figures of the pooled predictions.
        stamp: The folds' merged stamp.
        untested: Recordings that no fold tests.
        report: The page.
    """

    folder: Path
    config: dict[str, Any]
    evaluation: Evaluation
    stamp: str
    untested: int
    report: Path


def folds_of(config: dict[str, Any]) -> list[Job]:
    """The runs of a cross-validation, in the order of the folds, not yet started.

    Args:
        config: Resolved, of any fold.

    Raises:
        UserError: The split has no folds, or a single one.
    """
    splitter: Splitter = build_split(config)
    scans = Scans()
    first = find_job(config, alone=False, scan=scans)
    count = splitter.num_folds(first.recordings.utterances)
    if count is None or count < 2:
        raise UserError(
            f"split={config['choices']['split']} has {'a single fold' if count else 'no folds'} to go through, and a "
            "cross-validation needs two. Choose split=kfold, speaker_kfold, leave_one_speaker_out, "
            "leave_one_corpus_out, statement, emobox or five_actors, or train it with several seeds: "
            "ser train -m seed=0,1,2."
        )
    return [find_job(_of_fold(config, fold), alone=False, scan=scans) for fold in range(count)]


def _of_fold(config: dict[str, Any], fold: int) -> dict[str, Any]:
    return {**config, "split": {**config["split"], "fold": fold}}


def pool_folds(jobs: list[Job], console: Console) -> Pooled:
    """Pools the predictions of finished folds, each with the baselines of its own training part.

    Args:
        jobs: All folds, finished.
        console: For the bars.

    Raises:
        UserError: A fold's files are missing or damaged, or the directory cannot be written.
    """
    folds = [judged(job, console) for job in jobs]
    runs = [FinishedRun(job.directory, job.config) for job in jobs]
    used = build_split(jobs[0].config).in_folds(jobs[0].recordings.utterances)
    return write_pooled(runs, folds, pooled_folder(jobs), len(used))


def write_pooled(runs: Sequence[FinishedRun], folds: Sequence[Fold], folder: Path, used: int | None = None) -> Pooled:
    """Writes the pooled result of folds into a directory of its own.

    It holds crossval.json (the folds), metrics.json, predictions.csv, evaluation.json, figures/ and report.html.

    Args:
        runs: All folds, finished, in their order.
        folds: The predictions of each.
        folder: The directory, beside those of the folds.
        used: Recordings that the folds divide, where that is known.

    Raises:
        UserError: The folds do not match, or the directory cannot be written.
    """
    test = pool([fold.test for fold in folds])
    evaluation = evaluate(folds)
    stamp = merged([run.directory.protocol for run in runs], "folds", f"{len(runs)} folds pooled")
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").unlink(missing_ok=True)  # of folds that are trained anew
    write_predictions(folder / "predictions.csv", test)
    write_text(folder / "evaluation.json", json.dumps(evaluation.as_dict(), allow_nan=False) + "\n")
    config = {**runs[0].config, "split": {**runs[0].config["split"], "fold": "all"}}
    of_folds = {
        "identity": folder.name.rpartition("-")[2],
        "folds": [run.path.name for run in runs],
        "temperatures": list(evaluation.temperatures),
    }
    about = {**of_folds, "folds": ", ".join(of_folds["folds"]), "temperatures": str(of_folds["temperatures"])}
    report = write_report(folder, ReportInputs(folder.name, stamp, test, evaluation, about=about, config=config))
    write_text(folder / "crossval.json", json.dumps({**of_folds, "protocol": stamp, "config": config}, indent=2) + "\n")
    write_text(
        folder / "metrics.json", json.dumps(_metrics(runs, test, evaluation), indent=2) + "\n"
    )  # last: marks it as complete
    return Pooled(folder, config, evaluation, stamp, 0 if used is None else used - len(test), report)


def pool_ensembles(made: Sequence[Ensemble]) -> Pooled:
    """Pools ensembles of the folds of a cross-validation, one a fold, beside the first of them.

    Args:
        made: In the order of the folds.

    Raises:
        UserError: The directory cannot be written.
    """
    runs = [ensemble.run for ensemble in made]
    folder = runs[0].path.parent / pooled_name(readable(runs[0].config), [run.directory.identity for run in runs])
    return write_pooled(runs, [ensemble.fold for ensemble in made], folder)


def judged(job: Job, console: Console) -> Fold:
    """The predictions of a finished run, and those of the baselines of its training part for its test part.

    Raises:
        UserError: Its files are missing or damaged.
    """
    run = FinishedRun(job.directory, job.config)
    test, val = run.predictions()
    parts = prepare(without_augmentation(job.config), job.recordings, console)
    rows = _rows_of(test, parts.decoded.utterances, job)
    return Fold(test, val, baselines_of(parts, rows, test, job.config["seed"]))


def _rows_of(test: AnyPredictions, utterances, job: Job) -> np.ndarray:
    """The indices of the tested recordings among the run's."""
    place = {(utterance.corpus, utterance.key): i for i, utterance in enumerate(utterances)}
    try:
        return np.array([place[key] for key in zip(test.traits["corpus"], test.keys, strict=True)])
    except KeyError as error:
        raise UserError(
            f"{job.directory.path}/predictions.csv names {error.args[0][1]}, which the corpus does not have."
        ) from error


def _metrics(runs: Sequence[FinishedRun], test: AnyPredictions, evaluation: Evaluation) -> dict[str, float]:
    """The pooled figures, the mean and spread over folds of each fold's own figures, and the cost."""
    of_folds = [run.directory.metrics() for run in runs]
    config = runs[0].config
    added = added_metrics(config.get("metrics"), len(test.classes), config["run"]["trust"], predicts_numbers(config))
    judged = task_of(config, test.classes).judge(test, added)
    more = {f"test/{name}": judged[name] for name in added if math.isfinite(judged[name])}
    metrics = evaluation.as_metrics() | more
    for name in (*(f"test/{name}" for name in figures_of(test)), *more):
        values = [figures[name] for figures in of_folds if name in figures]
        if len(values) == len(runs):
            metrics |= {f"{name}/fold_mean": statistics.mean(values), f"{name}/fold_std": statistics.stdev(values)}
    return {
        **metrics,
        "num_folds": len(runs),
        "num_test": evaluation.num_utterances,
        "num_parameters": of_folds[0]["num_parameters"],
        "seconds": round(sum(figures["seconds"] for figures in of_folds), 3),
    }


def pooled_folder(jobs: list[Job]) -> Path:
    """The directory of the pooled result of these folds: beside them, named after them."""
    config = jobs[0].config
    runs_dir = Path(config["run"]["dir"]).expanduser().absolute()
    readable = readable_name(config, jobs[0].recordings)
    return runs_dir / pooled_name(readable, [job.directory.identity for job in jobs])


def pooled_name(readable: str, identities: Sequence[str]) -> str:
    """The name of the pooled result of some folds.

    Args:
        readable: Readable description.
        identities: Of the folds, in their order.
    """
    identity = hashlib.blake2b("".join(identities).encode(), digest_size=5).hexdigest()
    return f"{safe_name(readable)}-crossval-{identity}"
