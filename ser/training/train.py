"""The recipe: take the run, make it ready, fit, score test once, write it down."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from rich.console import Console

from ser.runs.environment import describe_environment
from ser.runs.weights import epochs_done, load_weights, to_resume_from
from ser.system.memory import keep_freed_memory
from ser.training.callbacks.checkpoints import Checkpoints
from ser.training.callbacks.interruption import Interruption
from ser.training.job import Job, claim, noted
from ser.training.loggers.run_loggers import About, open_loggers
from ser.training.ranks import Ranks
from ser.training.setup import Parts, prepare
from ser.training.summary import PLAIN, show_finished, show_result, summarise
from ser.training.trainer import build_trainer, device_name, mendable


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
    directory, ranks = job.directory, ranks or Ranks()
    try:
        if ranks.from_rank_0("finished", lambda: claim(directory, job.config["rerun"])):
            return show_finished(job, console)
        with noted(directory) if ranks.first else nullcontext(), ranks.together(), mendable(job.config):
            return _train(job, interruption, console, callbacks, ranks)
    finally:
        directory.release()


def _train(
    job: Job, interruption: Interruption, console: Console, callbacks: Sequence[L.Callback], ranks: Ranks
) -> dict[str, float]:
    """All ranks follow these lines; what rank 0 alone does says so."""
    config, directory = job.config, job.directory
    torch.set_num_threads(config["threads"] or torch.get_num_threads())
    interruption.checkpoints = checkpoints = _checkpoints(job)
    parts = ranks.rank_0_first("prepared", lambda: prepare(config, job.recordings, console))
    if ranks.first:
        environment = describe_environment(device_name(config["trainer"]), torch.get_num_threads())
        directory.begin(config, environment, parts.split.protocol)
        summarise(job, parts, console)
    resumed, remark = ranks.from_rank_0("resumed", lambda: to_resume_from(directory.last, directory.best))
    _go_on_from(resumed, remark, parts, console)
    with _loggers(job, parts, resumed, console) if ranks.first else nullcontext() as loggers:
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
        from ser.training.results import write_results  # what it takes to judge a run is not needed to begin one

        outcome = write_results(job, parts, scored, checkpoints, loggers)
    show_result(job, parts, outcome, console)
    return outcome.metrics


def _score(trainer: L.Trainer, parts: Parts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the weights that count say of validation, on which the temperature is fitted, and once of test."""
    scored = {}
    if parts.split.val:
        trainer.validate(parts.classifier, parts.scoring, verbose=False)
        scored["val"] = parts.classifier.scored
    trainer.test(parts.classifier, parts.scoring, verbose=False)
    scored["test"] = parts.classifier.scored
    return scored


def _checkpoints(job: Job) -> Checkpoints:
    """The best epoch and the last one are kept."""
    config = job.config
    monitor = config["monitor"] if config["checkpoint"] == "best" else None
    lower = config.get("lower_is_better", ())
    return Checkpoints(job.directory.best, job.directory.last, monitor, lower_is_better=lower)


def _go_on_from(checkpoint: Path | None, remark: str, parts: Parts, console: Console) -> None:
    """Says where an interrupted run goes on, and that its weights are of this model: Lightning would not."""
    if remark:
        console.print(f"Note: {remark}", **PLAIN)
    if checkpoint is not None:
        load_weights(parts.classifier, checkpoint)
        console.print(f"Continuing from {checkpoint}", **PLAIN)


def _loggers(job: Job, parts: Parts, resumed: Path | None, console: Console) -> AbstractContextManager[Any]:
    directory = job.directory
    about = About(
        str(directory.path), directory.path.name, directory.identity, parts.split.protocol, epochs_done(resumed)
    )
    return open_loggers(job.loggers, job.config["trust"], about, job.config, console)
