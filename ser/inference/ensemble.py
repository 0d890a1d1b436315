"""An ensemble of finished runs: the mean of their logits, scored as a run on recordings that none was trained on."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ser.data.splits.protocol import merged
from ser.errors import UserError
from ser.evaluation.averaging import average, recordings_of
from ser.evaluation.evaluate import Evaluation, Fold, evaluate
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.predictions import AnyPredictions, write_predictions
from ser.inference.ensemble_members import NOTHING_LEFT, Member, check_names, ensemble_config
from ser.inference.finished_run import FinishedRun
from ser.inference.source import trusting
from ser.reports.result_figure import result_figure
from ser.reports.run_report import write_run_report
from ser.runs.directory import RunDirectory
from ser.runs.environment import describe_environment
from ser.runs.members import copy_member
from ser.system.files import write_text
from ser.system.names import safe_name
from ser.training.job import claim
from ser.training.task import task_of


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Averaged runs.

    Args:
        run: The ensemble as a run.
        fold: Its predictions of test, and of the validation recordings that all members share.
        evaluation: All figures.
        notes: Further remarks.
        is_new: Whether it was made now, not found.
    """

    run: FinishedRun
    fold: Fold
    evaluation: Evaluation
    notes: tuple[str, ...]
    is_new: bool


def make_ensemble(
    members: Sequence[Member], folder: Path, name: str | None = None, trust: Sequence[str] = (), report: bool = True
) -> Ensemble:
    """Writes the directory of an ensemble, or finds it: the same runs with the same weights are the same ensemble.

    It is scored on the recordings that all members have in their test part: splitters keep identical recordings
    together, so none was used to train or select a member. Members' predictions are read from their files.

    Args:
        members: At least two, of equal classes.
        folder: The parent of the directory.
        name: Prefix of the directory's name; by default the experiment or dataset.
        trust: Packages allowed for metrics in the members' configs.
        report: Whether a page is written.

    Raises:
        UserError: No recording is in all test parts, or the directory cannot be written.
    """
    test = average([member.test for member in members])
    if test is None:
        raise UserError(NOTHING_LEFT)
    check_names(members)
    vals = [member.val for member in members if member.val is not None]
    val = average(vals) if len(vals) == len(members) else None
    fold, notes = Fold(test, val), _notes(members, test, val)
    evaluation = evaluate([fold])
    config = {**ensemble_config(members, name), "members": []}
    figures = _figures(members, fold, evaluation, config, trust)
    directory = RunDirectory.find(folder, readable(config), _identity(members))
    run = FinishedRun(directory, trusting(config, trust))
    try:
        if claim(directory, rerun=False):
            return Ensemble(run, fold, evaluation, notes, is_new=False)
        config["members"] = [_entry(k, member, directory.path) for k, member in enumerate(members)]
        environment = describe_environment("none: predictions averaged", torch.get_num_threads())
        directory.begin(config, environment, merged_protocol(members))
        for member, entry in zip(members, config["members"], strict=True):
            copy_member(member.run.path, directory.path, entry["folder"])
        _write(directory, fold, evaluation, figures)
        if report:
            write_run_report(directory, test, evaluation, None, notes)
        directory.finish()
    finally:
        directory.release()
    return Ensemble(run, fold, evaluation, notes, is_new=True)


def readable(config: dict[str, Any]) -> str:
    """The readable part of the directory's name."""
    chosen = config["choices"]
    first = config["run"]["name"] or chosen.get("experiment") or chosen.get("dataset")
    return "-".join(str(word) for word in (first, *map(chosen.get, ("frontend", "model", "split")), "ensemble"))


def merged_protocol(members: Sequence[Member]) -> str:
    """The stamp of the members' splits."""
    stamps = list(dict.fromkeys(member.run.protocol for member in members))
    return stamps[0] if len(stamps) == 1 else merged([member.run.protocol for member in members], "members")


def _figures(
    members: Sequence[Member], fold: Fold, evaluation: Evaluation, config: dict[str, Any], trust: Sequence[str]
) -> dict[str, float]:
    """metrics.json; of validation only where all members share that part, else it would be ranked by others."""
    task = task_of(config, fold.test.classes)
    metrics = task.metrics(config.get("metrics"), trust)
    figures = {f"test/{name}": value for name, value in task.judge(fold.test, metrics).items()}
    figures |= evaluation.as_metrics()
    if fold.val is not None:
        scores = task.judge(fold.val, metrics) if _shares_validation(members, fold.val) else {}
        figures |= {f"val/{name}": value for name, value in scores.items()} | {"num_val": len(fold.val)}
    costs = {name: sum(it.run.metrics.get(name, 0) for it in members) for name in ("num_parameters", "seconds")}
    if any("num_views" in member.run.metrics for member in members):
        costs["num_views"] = sum(member.run.metrics.get("num_views", 1) for member in members)
    return {
        name: value for name, value in {**figures, "num_test": len(fold.test), **costs}.items() if np.isfinite(value)
    }


def _write(directory: RunDirectory, fold: Fold, evaluation: Evaluation, figures: dict[str, float]) -> None:
    """Writes the files of a run, except its page and the marker."""
    path, protocol = directory.path, directory.protocol
    write_predictions(path / "predictions.csv", fold.test)
    if fold.val is not None:
        write_predictions(path / "predictions_val.csv", fold.val)
    name, figure = result_figure(fold.test, figures, "average of several runs", protocol)
    figure.savefig(path / "figures" / f"{name}.png")
    write_text(path / "evaluation.json", json.dumps(evaluation.as_dict(), allow_nan=False) + "\n")
    write_text(path / "metrics.json", json.dumps(figures, indent=2) + "\n")


def _notes(members: Sequence[Member], test: AnyPredictions, val: AnyPredictions | None) -> tuple[str, ...]:
    notes = []
    tested = set().union(*(recordings_of(member.test) for member in members))
    if left_out := len(tested) - len(test):
        notes.append(f"{left_out} recordings left out, which not all of the runs have in their test part")
    if isinstance(test, NumberPredictions):
        return tuple(notes)
    if val is None:
        notes.append("no temperature: the runs have no validation recordings in common to fit it on")
    elif not _shares_validation(members, val):
        notes.append(f"temperature fitted on {len(val)} recordings, which all runs have in their validation part")
    return tuple(notes)


def _shares_validation(members: Sequence[Member], val: AnyPredictions) -> bool:
    """Whether all members have the same validation part."""
    return len(val) == max(len(member.val) for member in members)


def _entry(place: int, member: Member, ensemble: Path) -> dict[str, str]:
    """A member in the ensemble's config: its copy, its origin, and its identity."""
    path = member.run.path
    return {
        "folder": f"{place:02}-{safe_name(path.name)}",
        "run": os.path.relpath(path, ensemble),
        "identity": member.run.identity,
        "weights": member.weights,
    }


def _identity(members: Sequence[Member]) -> str:
    contents = json.dumps(sorted([member.run.identity, member.weights] for member in members))
    return hashlib.blake2b(contents.encode(), digest_size=5).hexdigest()
