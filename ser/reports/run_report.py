"""The report of a run, from the files in its directory."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from ser.errors import UserError
from ser.evaluation.evaluate import Evaluation, Fold, evaluate
from ser.evaluation.predictions import AnyPredictions
from ser.reports.events import curves_of
from ser.reports.figures import Picture
from ser.reports.mistakes import Sounds
from ser.reports.report import ReportInputs, pictures_of, write_report
from ser.runs.directory import RunDirectory, load_config
from ser.runs.reading import read_json


def write_run_report(
    directory: RunDirectory,
    test: AnyPredictions,
    evaluation: Evaluation,
    sounds: Sounds | None,
    notes: Sequence[str] = (),
) -> Path:
    """Writes `report.html` and `figures/` of a finished run into its directory; gives the page's path.

    Args:
        directory: Of the run.
        test: The model's predictions of its test part.
        evaluation: Its figures.
        sounds: Its recordings, where available.
        notes: Further remarks.

    Raises:
        UserError: A file of the run is missing or damaged, or the directory cannot be written.
    """
    metrics, curves = directory.metrics(), curves_of(directory.path)
    if not curves and "epochs" in metrics:  # an ensemble was not trained
        notes = [*notes, "No learning curves: no logger of this run kept them here (logger=tensorboard and csv do)."]
    inputs = ReportInputs(
        title=directory.path.name,
        stamp=directory.protocol,
        test=test,
        evaluation=evaluation,
        sounds=sounds,
        about=stamps_of(directory),
        config=load_config(directory.path),
        notes=notes,
        curves=curves,
        best_epoch=metrics.get("best_epoch"),
    )
    return write_report(directory.path, inputs)


def figures_of_run(
    path: Path, test: AnyPredictions, metrics: Mapping[str, float], stamp: str, val: AnyPredictions | None = None
) -> list[Picture]:
    """The figures of a run, an ensemble or pooled folds, drawn from what is in its directory.

    Args:
        path: The directory.
        test: The predictions of its test part.
        metrics: metrics.json.
        stamp: The split's stamp.
        val: The predictions of validation, for reliability at the temperature fitted on them.
    """
    evaluation = evaluate([Fold(test, val)])
    inputs = ReportInputs(
        path.name, stamp, test, evaluation, curves=curves_of(path), best_epoch=metrics.get("best_epoch")
    )
    return list(chain(*pictures_of(inputs)))


def stamps_of(directory: RunDirectory) -> dict[str, object]:
    """A run's identity and machine."""
    metrics, environment = directory.metrics(), {}
    with suppress(UserError):
        environment = read_json(directory.path / "environment.json")
    versions = environment.get("versions")
    counted = [f"{part} {metrics[f'num_{part}']}" for part in ("train", "val", "test") if f"num_{part}" in metrics]
    stamps = {
        "identity": directory.recorded_identity(),
        "utterances": ", ".join(counted),
        "epochs": metrics.get("epochs"),
        "parameters": f"{metrics['num_parameters']:,}" if "num_parameters" in metrics else None,
        "time": f"{metrics['seconds']:.0f} s" if "seconds" in metrics else None,
        "started": environment.get("started"),
        "device": environment.get("device"),
        "threads": environment.get("threads"),
        "system": environment.get("system"),
        "commit": environment.get("git_commit"),
        "versions": ", ".join(f"{name} {it}" for name, it in versions.items()) if isinstance(versions, dict) else None,
    }
    return {name: value for name, value in stamps.items() if value not in (None, "")}
