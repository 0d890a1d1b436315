"""The recipe: take the run, make it ready, fit, score test once, write it down."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from rich.console import Console

from ser.runs.directory import RunDirectory
from ser.runs.environment import describe_environment
from ser.runs.weights import epochs_done, load_weights, to_resume_from
from ser.system.memory import keep_freed_memory
from ser.training.callbacks.checkpoints import Checkpoints
from ser.training.callbacks.interruption import Interruption
from ser.training.job import Job, claim, noted
from ser.training.loggers.run_loggers import About, RunLoggers, open_loggers
from ser.training.ranks import Ranks
from ser.training.refit import Chosen, read_chosen
from ser.training.setup import Parts, prepare
from ser.training.summary import PLAIN, show_finished, show_result, summarise
from ser.training.trainer import build_trainer, device_name, mendable


def train(
    job: Job,
    interruption: Interruption,
    console: Console,
    callbacks: Sequence[L.Callback] = (),
    ranks: Ranks | None = None,
    results: Console | None = None,
) -> dict[str, float]:
    """Trains a run to its end, or finds it finished.

    Args:
        job: From `find_job`.
        interruption: Hears Ctrl-C and SIGTERM.
        console: For summary and progress.
        callbacks: Lightning's, beside this project's own; one of a search may raise `Pruned`.
        ranks: This process among those that train the run; None: it alone does.
        results: For the result, or that of a finished run; None: the same console.

    Returns:
        metrics.json; nothing on ranks other than 0, which only compute.

    Raises:
        UserError: Something the user can mend.
        Interrupted: The run was asked to stop; it can be continued.
        Pruned: A callback gave the run up; it is marked so, and test is not scored.
    """
    directory, ranks = job.directory, ranks or Ranks()
    try:
        if ranks.from_rank_0("finished", lambda: claim(directory, job.config["run"]["rerun"])):
            return show_finished(job, results or console)
        with noted(directory) if ranks.first else nullcontext(), ranks.together(), mendable(job.config):
            return _train(job, interruption, console, callbacks, ranks, results or console)
    finally:
        directory.release()


def _train(
    job: Job, interruption: Interruption, console: Console, callbacks: Sequence[L.Callback], ranks: Ranks,
    results: Console,
) -> dict[str, float]:  # fmt: skip
    """All ranks follow these lines; what rank 0 alone does says so."""
    torch.set_num_threads(job.config["run"]["threads"] or torch.get_num_threads())
    chosen = None
    if job.config["checkpoint"] == "refit":
        chosen = _choose_epochs(job, interruption, console, callbacks, ranks)
        callbacks = ()  # a search has judged the first training
    with fitted(job, interruption, console, callbacks, ranks, chosen) as (trainer, parts, checkpoints, loggers):
        scored = score(trainer, parts)
        if not ranks.first:
            return {}
        from ser.training.results import write_results  # what it takes to judge a run is not needed to begin one

        outcome = write_results(job, parts, scored, checkpoints, loggers)
    show_result(job, parts, outcome, results)
    return outcome.metrics


def _choose_epochs(
    job: Job, interruption: Interruption, console: Console, callbacks: Sequence[L.Callback], ranks: Ranks
) -> Chosen:
    """The first training of `checkpoint=refit`, unless it was done before this run was interrupted."""
    place = job.directory.path
    if not ranks.from_rank_0("choice", lambda: read_chosen(place) is not None):
        with fitted(job, interruption, console, callbacks, ranks) as (_, _, checkpoints, _):
            ranks.wait_for_all("weights of the first training")  # all have read what is removed now
            if ranks.first:
                Chosen.of(checkpoints).write(place)
                for file in (checkpoints.best, checkpoints.last):  # they served to choose, and to be resumed
                    file.unlink(missing_ok=True)
    return ranks.rank_0_first("chosen", lambda: read_chosen(place))


@contextmanager
def fitted(
    job: Job, interruption: Interruption, console: Console, callbacks: Sequence[L.Callback], ranks: Ranks,
    chosen: Chosen | None = None,
) -> Iterator[tuple[L.Trainer, Parts, Checkpoints, RunLoggers | None]]:  # fmt: skip
    """One training to its end, with the weights that count, and with its loggers open.

    Args:
        job, interruption, console, callbacks, ranks: As of `train`.
        chosen: What `checkpoint=refit` chose, in its second training.
    """
    config, directory = job.config if chosen is None else chosen.settings(job.config), job.directory
    stage = "refit" if chosen else "fit"  # ranks say each thing once
    interruption.checkpoints = checkpoints = _checkpoints(config, directory)
    parts = ranks.rank_0_first(
        f"{stage}: prepared", lambda: prepare(config, job.recordings, console, chosen, job.cache)
    )
    if ranks.first:
        environment = describe_environment(device_name(config["trainer"]), torch.get_num_threads())
        directory.begin(job.config, environment, parts.split.protocol)
        summarise(config, job, parts, console)
    resumed, remark = ranks.from_rank_0(f"{stage}: resumed", lambda: to_resume_from(checkpoints.last, checkpoints.best))
    _go_on_from(resumed, remark, parts, console)
    before = epochs_done(resumed) if chosen is None else job.config["trainer"]["max_epochs"]
    with _loggers(job, parts, before, console) if ranks.first else nullcontext() as loggers:
        ranks.wait_for_all(f"{stage}: ready")
        # the curves of a refit would cross those of the training that chose, which say more
        curves = loggers if chosen is None else None
        trainer = build_trainer(config, checkpoints, interruption, curves, console, callbacks)
        keep_freed_memory()
        trainer.fit(parts.classifier, parts.data, ckpt_path=resumed, weights_only=True)
        interruption.raise_if_asked()
        # first where they were written, and where the background writer has ended with the training
        ranks.rank_0_first(f"{stage}: weights", lambda: load_weights(parts.classifier, checkpoints.best))
        yield trainer, parts, checkpoints, loggers


def score(trainer: L.Trainer, parts: Parts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the weights that count say of validation, on which the temperature is fitted, and once of test."""
    scored = {}
    if parts.split.val:
        trainer.validate(parts.classifier, parts.scoring, verbose=False)
        scored["val"] = parts.classifier.scored
    trainer.test(parts.classifier, parts.scoring, verbose=False)
    scored["test"] = parts.classifier.scored
    return scored


def _checkpoints(config: dict[str, Any], directory: RunDirectory) -> Checkpoints:
    """The best epoch and the last one are kept; those of a training that only chooses go by another name."""
    best, last = directory.best, directory.last
    if config["checkpoint"] == "refit":
        best, last = (file.with_name(f"choosing_{file.name}") for file in (best, last))
    monitor = None if config["checkpoint"] == "last" else config["monitor"]
    return Checkpoints(best, last, monitor, lower_is_better=config.get("lower_is_better", ()))


def _go_on_from(checkpoint: Path | None, remark: str, parts: Parts, console: Console) -> None:
    """Says where an interrupted run goes on, and that its weights are of this model: Lightning would not."""
    if remark:
        console.print(f"Note: {remark}", **PLAIN)
    if checkpoint is not None:
        load_weights(parts.classifier, checkpoint)
        console.print(f"Continuing from {checkpoint}", **PLAIN)


def _loggers(job: Job, parts: Parts, epochs_before: int, console: Console) -> AbstractContextManager[Any]:
    directory = job.directory
    about = About(str(directory.path), directory.path.name, directory.identity, parts.split.protocol, epochs_before)
    return open_loggers(job.loggers, job.config["run"]["trust"], about, job.config, console)
