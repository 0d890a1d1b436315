"""The recipe: know the run, prepare it, fit, score test once, write it down."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as L
import torch
from rich.console import Console
from rich.markup import escape

from ser.data.build import build_audio, build_recordings, build_split
from ser.data.recordings import Recordings
from ser.errors import Pruned, UserError
from ser.models.base import count_parameters
from ser.reports.tables import print_result, print_summary
from ser.runs.directory import RunDirectory
from ser.runs.environment import describe_environment, made_by_another
from ser.runs.identity import identity
from ser.runs.log import logging_to
from ser.runs.weights import content_of_run, epochs_done, load_weights, to_resume_from
from ser.system.cache import cache_folder
from ser.system.memory import keep_freed_memory
from ser.training.augment import folder_fingerprints
from ser.training.build import check_config, with_directions
from ser.training.callbacks.checkpoints import Checkpoints
from ser.training.callbacks.interruption import Interruption
from ser.training.loggers.run_loggers import About, check_loggers, open_loggers
from ser.training.ranks import Ranks
from ser.training.setup import Parts, prepare, seconds_per_step, steps_per_epoch
from ser.training.trainer import build_trainer, check_trainer, device_name, mendable, num_devices

if TYPE_CHECKING:
    from ser.training.results import Outcome

log = logging.getLogger("ser")
PLAIN = {"highlight": False, "markup": False, "soft_wrap": True}  # paths are printed as they are


@dataclass(frozen=True, slots=True)
class Job:
    """A run that is known but not begun.

    Args:
        config: Resolved, as plain data.
        recordings: What it works on.
        directory: Where it belongs.
        alone: Whether it is a run by itself; in a sweep what takes longer to judge comes later, on demand.
        loggers: Of this training; no part of the run, and not in its config: addresses of servers stay out of it.
    """

    config: dict[str, Any]
    recordings: Recordings
    directory: RunDirectory
    alone: bool = True
    loggers: dict[str, Any] = field(default_factory=dict)


def find_job(
    config: dict[str, Any], run_dir: Path | None = None, alone: bool = True, scan: Callable = build_recordings
) -> Job:
    """Scans the corpus and finds the run's directory, by identity or where the user put it.

    Args:
        config: Resolved.
        run_dir: Where the user put it, if anywhere.
        alone: Whether it is a run by itself.
        scan: Finds the recordings; one that remembers them (`ser.sweeps.scans`) serves many runs.

    Raises:
        UserError: From the corpus; settings that contradict each other; a directory that holds another run.
    """
    check_config(config)
    check_trainer(config["trainer"])
    loggers = check_loggers(config.get("logger"), config["trust"])
    config = {key: value for key, value in config.items() if key != "logger"}
    recordings = scan(config, cache_folder())
    config = with_directions(config, len(recordings.classes))
    fingerprints = {"dataset": recordings.fingerprint(), **folder_fingerprints(config)}
    if (listed := build_split(config).fingerprint()) is not None:  # a split that a file names
        fingerprints["split"] = listed
    if config["init_from"]:
        fingerprints["init_from"] = content_of_run(Path(config["init_from"]))
    name = identity(config, fingerprints, num_devices(config["trainer"]))
    if run_dir is not None:
        return Job(config, recordings, RunDirectory.at(run_dir.expanduser().absolute(), name), alone, loggers)
    chosen = config["choices"]
    first = config["name"] or chosen.get("experiment") or chosen["dataset"]
    readable = "-".join([str(first), chosen["frontend"], chosen["model"], chosen["split"], f"s{config['seed']}"])
    runs_dir = Path(config["runs_dir"]).expanduser().absolute()
    return Job(config, recordings, RunDirectory.find(runs_dir, readable, name), alone, loggers)


def train(
    job: Job,
    interruption: Interruption,
    console: Console,
    callbacks: Sequence[L.Callback] = (),
    ranks: Ranks | None = None,
) -> dict[str, float]:
    """Trains a run to its end, or finds it finished.

    Args:
        job: From `find_job`.
        interruption: Hears Ctrl-C and SIGTERM.
        console: For summary, progress and result.
        callbacks: Lightning's, beside this project's own; one of a search may raise `Pruned`.
        ranks: This process among those that train the run; None: it alone does.

    Returns:
        metrics.json; nothing on ranks other than 0, which only compute.

    Raises:
        UserError: Something the user can mend.
        Interrupted: The run was asked to stop; it can be continued.
        Pruned: A callback gave the run up; it is marked so, and test is not scored.
    """
    config, directory, ranks = job.config, job.directory, ranks or Ranks()
    try:
        if ranks.from_rank_0("finished", lambda: _claim(directory, config["rerun"])):
            return _reuse(directory, console, config)
        with _noted(directory) if ranks.first else nullcontext(), ranks.together():
            return _fit_and_score(job, interruption, console, ranks, callbacks)
    finally:
        directory.release()


def _claim(directory: RunDirectory, rerun: bool) -> bool:
    """Takes the run for this process, unless it is finished: then True."""
    if directory.finished and not rerun:
        return True
    directory.lock()
    if directory.finished and not rerun:  # another process finished it a moment ago
        return True
    if rerun:
        directory.clear()
    return False


def _reuse(directory: RunDirectory, console: Console, config: dict[str, Any]) -> dict[str, float]:
    """The figures of a run that is finished, shown once more."""
    metrics = directory.metrics()
    console.print(f"Already trained: {directory.path} (rerun=true trains it again)", **PLAIN)
    if note := made_by_another(directory.path):
        console.print(f"Note: {note}", **PLAIN)
    print_result(console, metrics, directory.protocol, config)
    return metrics


@contextmanager
def _noted(directory: RunDirectory) -> Iterator[None]:
    """Keeps the log; leaves failed.json and a line in it where the run ends by an error, once it has begun."""
    with logging_to(directory.path / "train.log"):
        try:
            yield
        except Pruned as pruned:  # no failure
            log.info("%s", pruned)
            directory.prune(str(pruned))
            raise
        except Exception as error:
            mendable_by_user = isinstance(error, UserError)
            reason = " ".join(str(error).split()) or type(error).__name__
            log.error("failed: %s", reason, exc_info=None if mendable_by_user else error)
            if directory.recorded_identity() is not None and not directory.finished:
                with suppress(UserError):  # on a full disk the note has no place either
                    directory.fail(reason if mendable_by_user else f"{type(error).__name__}: {reason}")
            raise


def dry_run(job: Job, console: Console) -> None:
    """Prints the composed run with its sizes and an estimate of the time; trains nothing, writes no run directory."""
    with mendable(job.config):
        parts = prepare(job.config, job.recordings, console)
    _summarise(job, parts, console)
    epochs = job.config["trainer"]["max_epochs"]
    steps = steps_per_epoch(parts) * epochs
    seconds = seconds_per_step(parts)
    console.print(
        f"[bold]{'estimate':>12}[/]  about {_duration(seconds * steps)} for {epochs} epochs on this machine "
        f"({1000 * seconds:.0f} ms a step)",
        highlight=False,
    )
    console.print(f"[bold]{'directory':>12}[/]  {escape(str(job.directory.path))}", highlight=False, soft_wrap=True)


def _fit_and_score(
    job: Job, interruption: Interruption, console: Console, ranks: Ranks, callbacks: Sequence[L.Callback]
) -> dict[str, float]:
    """Trains, then scores test once with the weights that count."""
    config, directory = job.config, job.directory
    if config["threads"]:
        torch.set_num_threads(config["threads"])
    monitor = config["monitor"] if config["checkpoint"] == "best" else None
    lower = config.get("lower_is_better", ())
    checkpoints = Checkpoints(directory.best, directory.last, monitor, lower_is_better=lower)
    interruption.checkpoints = checkpoints
    with mendable(config):
        parts = ranks.rank_0_first("prepared", lambda: prepare(config, job.recordings, console))
    if ranks.first:
        environment = describe_environment(device_name(config["trainer"]), torch.get_num_threads())
        directory.begin(config, environment, parts.split.protocol)
        _summarise(job, parts, console)
    resumed, remark = ranks.from_rank_0("resumed", lambda: to_resume_from(directory.last, directory.best))
    if remark:
        console.print(f"Note: {remark}", **PLAIN)
    if resumed is not None:
        load_weights(parts.classifier, resumed)  # where they are of another model, Lightning would end in a traceback
        console.print(f"Continuing from {resumed}", **PLAIN)

    opened = nullcontext()
    if ranks.first:
        path = directory.path
        about = About(str(path), path.name, directory.identity, parts.split.protocol, epochs_done(resumed))
        opened = open_loggers(job.loggers, config["trust"], about, config, console)
    with mendable(config), opened as loggers:
        ranks.wait_for_all("ready")
        trainer = build_trainer(config, checkpoints, interruption, loggers, console, callbacks)
        keep_freed_memory()
        trainer.fit(parts.classifier, parts.data, ckpt_path=resumed, weights_only=True)
        interruption.raise_if_asked()
        # first where they were written, and where the background writer has ended with the training
        ranks.rank_0_first("weights", lambda: load_weights(parts.classifier, directory.best))
        scored = _score(trainer, parts)
        if not ranks.first:
            return {}
        from ser.training.results import write_down  # what it takes to judge a run is not needed to begin one

        outcome = write_down(
            directory, config, job.recordings, parts, scored, parts.classifier.scores, checkpoints, loggers, job.alone
        )
    print_result(console, outcome.metrics, parts.split.protocol, config)
    if job.alone:
        from ser.reports.evaluation_tables import evaluation_table

        console.print(evaluation_table(outcome.evaluation))
    if config["report"] is True or job.alone and config["report"]:
        write_page(job, parts, outcome, console)
    console.print(f"Run directory: {directory.path}", **PLAIN)
    return outcome.metrics


def write_page(job: Job, parts: Parts, outcome: "Outcome", console: Console) -> None:
    """`report.html` and figures of a run that ended: two seconds of drawing, which grids leave for later.

    The run is finished before, and stays so where the page cannot be written.
    """
    from ser.reports.mistakes import Sounds
    from ser.reports.run_report import write_run_report

    sounds = Sounds(parts.decoded, build_audio(job.config))
    try:
        page = write_run_report(job.directory, outcome.test, outcome.evaluation, sounds)
        console.print(f"Report: {page}", **PLAIN)
    except (UserError, OSError) as error:
        again = f"ser evaluate run={job.directory.path} writes it."
        console.print(f"Note: the run is finished, without its page: {error} {again}", **PLAIN)


def _score(trainer: L.Trainer, parts: Parts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the weights that count say of validation, on which the temperature is fitted, and once of test."""
    scored = {}
    if parts.split.val:
        trainer.validate(parts.classifier, parts.data, verbose=False)
        scored["val"] = parts.classifier.scored
    trainer.test(parts.classifier, parts.data, verbose=False)
    scored["test"] = parts.classifier.scored
    return scored


def _summarise(job: Job, parts: Parts, console: Console) -> None:
    """The composed run in a few lines."""
    config, chosen, classifier = job.config, job.config["choices"], parts.classifier
    trainer = config["trainer"]
    shape = f"{classifier.frontend.num_features} features × {parts.num_frames or 'varying'} frames"
    lines = {
        "frontend": f"{chosen['frontend']}: {shape}",
        "model": f"{chosen['model']}: {count_parameters(classifier.model):,} parameters",
        "training": f"{trainer['max_epochs']} epochs × {steps_per_epoch(parts)} steps, batch {config['batch_size']}, "
        f"{chosen['optimizer']}, {chosen['scheduler']}, augmentation {chosen['augmentation']}",
        "device": f"{device_name(trainer)}, {trainer['precision']}",
    }
    decoded = parts.decoded
    print_summary(
        console, job.recordings.corpus, lines, parts.split, decoded.utterances, decoded.labels,
        job.recordings.classes, [*decoded.notes, *parts.notes],
    )  # fmt: skip


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
