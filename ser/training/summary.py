"""A run in the terminal: before it begins, when it ended, and when it is found finished."""

from typing import TYPE_CHECKING, Any

from rich.console import Console

from ser.data.build import build_audio
from ser.errors import UserError
from ser.models.base import count_parameters
from ser.reports.tables import print_result, print_summary
from ser.runs.environment import made_by_another
from ser.system.clock import duration
from ser.system.names import escaped, near
from ser.training.job import Job
from ser.training.setup import Parts, prepare, seconds_per_step, steps_per_epoch
from ser.training.trainer import device_name, mendable

if TYPE_CHECKING:
    from ser.training.results import RunResults

PLAIN = {"highlight": False, "markup": False, "soft_wrap": True}  # paths are printed as they are


def summarise(config: dict[str, Any], job: Job, parts: Parts, console: Console) -> None:
    """The composed run in a few lines; `config` is the job's, or that of its refit."""
    chosen, classifier = config["choices"], parts.classifier
    if parts.chosen:
        console.print(f"{parts.chosen.epochs} epochs selected on validation; training anew on all but test.", **PLAIN)
    trainer = config["trainer"]
    shape = f"{classifier.frontend.num_features} features × {parts.num_frames or 'varying'} frames"
    lines = {
        "frontend": f"{chosen['frontend']}: {shape}",
        "model": f"{chosen['model']}: {count_parameters(classifier.model):,} parameters",
        "training": f"{trainer['max_epochs']} epochs × {steps_per_epoch(parts)} steps, batch {config['batch_size']}, "
        f"{chosen['optimizer']}, {chosen['scheduler']}, augmentation {chosen['augmentation']}",
        "device": f"{device_name(trainer)}, {trainer['precision']}",
    }
    decoded, task = parts.decoded, classifier.learning.task
    print_summary(
        console, job.recordings.corpus, lines, parts.split, decoded.utterances, task.columns(),
        lambda rows: task.cells(decoded.labels[rows]), task.what, [*decoded.notes, *parts.notes],
    )  # fmt: skip


def dry_run(job: Job, console: Console) -> None:
    """Prints the composed run with its sizes and an estimate of the time; trains nothing, writes no run directory."""
    with mendable(job.config):
        parts = prepare(job.config, job.recordings, console)
    summarise(job.config, job, parts, console)
    epochs = job.config["trainer"]["max_epochs"]
    steps = steps_per_epoch(parts) * epochs
    seconds = seconds_per_step(parts)
    console.print(
        f"[bold]{'estimate':>12}[/]  about {duration(seconds * steps)} for {epochs} epochs on this machine "
        f"({1000 * seconds:.0f} ms a step)",
        highlight=False,
    )
    console.print(f"[bold]{'directory':>12}[/]  {escaped(near(job.directory.path))}", highlight=False, soft_wrap=True)


def show_finished(job: Job, console: Console) -> dict[str, float]:
    """Shows the figures of a finished run again."""
    directory = job.directory
    metrics = directory.metrics()
    console.print(f"Already trained: {directory.path} (run.rerun=true trains it again)", **PLAIN)
    if note := made_by_another(directory.path):
        console.print(f"Note: {note}", **PLAIN)
    print_result(console, metrics, directory.protocol, job.config)
    return metrics


def show_result(job: Job, parts: Parts, outcome: "RunResults", console: Console) -> None:
    """The figures of a run that ended, its page, and its directory."""
    config = job.config
    print_result(console, outcome.metrics, parts.split.protocol, config)
    if job.alone:
        from ser.reports.evaluation_tables import evaluation_table

        console.print(evaluation_table(outcome.evaluation))
    if config["run"]["report"] is True or job.alone and config["run"]["report"]:
        _write_page(job, parts, outcome, console)
    console.print(f"Run directory: {job.directory.path}", **PLAIN)


def _write_page(job: Job, parts: Parts, outcome: "RunResults", console: Console) -> None:
    """`report.html` and figures of a run that ended: two seconds of drawing, which grids skip.

    The run stays finished if the page cannot be written.
    """
    from ser.reports.mistakes import Sounds  # not needed to begin a run
    from ser.reports.run_report import write_run_report

    sounds = Sounds(parts.decoded, build_audio(job.config))
    try:
        page = write_run_report(job.directory, outcome.test, outcome.evaluation, sounds)
        console.print(f"Report: {page}", **PLAIN)
    except (UserError, OSError) as error:
        again = f"ser evaluate run={job.directory.path} writes it."
        console.print(f"Note: the run is finished, without its page: {error} {again}", **PLAIN)
