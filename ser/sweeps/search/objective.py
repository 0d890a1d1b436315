"""One trial: its ordinary runs, and their reports to the search during training."""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

from optuna import Trial
from rich.console import Console

from ser.errors import Held, Pruned, UserError
from ser.reports.events import curves_of
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.trials import RUNS, VALUES
from ser.training.callbacks.epoch_reports import EpochReports
from ser.training.callbacks.interruption import Interruption
from ser.training.job import Job, find_job
from ser.training.train import train

WAIT_S = 1.0  # between two checks of a run that another process trains


def value_of(plan: SearchPlan, trial: Trial) -> float:
    """Trains the runs of a trial, or finds them finished, and returns the mean of the metric over them.

    The pruner judges the first run after each epoch and may prune it; its directory is then marked as pruned. With
    several runs a trial is judged again after each, by the mean so far.

    Args:
        plan: Of the search.
        trial: RUNNING; its settings are drawn here.

    Raises:
        Pruned: The pruner ended it.
        UpdateFinishedTrialError: Another worker has ended the trial meanwhile.
        UserError: Something the user can fix; a metric that is NaN.
        Interrupted: The worker was asked to stop.
    """
    values, runs = [], []
    settings = plan.space.overrides(plan.space.suggest(trial))
    for i, repeat in enumerate(plan.repeats):
        job = find_job(plan.compose([*settings, *repeat]), alone=False)
        runs.append(job.directory.path.name)
        trial.set_user_attr(RUNS, [*runs])
        values.append(_metric(plan, job, trial if i == 0 else None))
        trial.set_user_attr(VALUES, [*values])
        if i > 0:
            _judge_mean(plan, trial, values)
    return statistics.fmean(values)


def _metric(plan: SearchPlan, job: Job, trial: Trial | None) -> float:
    """The validation metric of one run; `trial` for a run that reports its epochs."""
    name = plan.settings.metric
    if trial is not None and job.directory.finished:
        for epoch, seen in dict(curves_of(job.directory.path).get(name, [])).items():
            trial.report(seen, epoch)
    watching = [] if trial is None else [EpochReports(lambda *epoch: _judge_epoch(name, trial, *epoch))]
    metrics = train_when_free(job, watching)
    value = metrics.get(name, math.nan)
    if not math.isfinite(value):
        raise UserError(f"{name} of {job.directory.path} is {value}, which cannot guide a search.")
    return value


def train_when_free(job: Job, callbacks: Sequence[Any] = ()) -> dict[str, float]:
    """Trains a run; where another process is training it, waits for its end first."""
    while True:
        interruption = Interruption()
        try:
            with interruption.listening():
                return train(job, interruption, Console(quiet=True), callbacks)
        except Held:
            time.sleep(WAIT_S)


def _judge_epoch(name: str, trial: Trial, epoch: int, scores: dict[str, float], is_last: bool) -> None:
    value = scores.get(name, math.nan)
    trial.report(value, epoch)  # of a continued run, Optuna keeps the first report
    if not is_last and trial.should_prune():
        raise Pruned(f"pruned by the search after epoch {epoch}: {name} {value:.4f}")


def _judge_mean(plan: SearchPlan, trial: Trial, values: list[float]) -> None:
    """After the second run and each further one: the mean so far counts as one more epoch."""
    mean = statistics.fmean(values)
    trial.report(mean, plan.epochs + len(values) - 2)
    if len(values) < len(plan.repeats) and trial.should_prune():
        raise Pruned(f"pruned by the search after {len(values)} runs: mean {plan.settings.metric} {mean:.4f}")
