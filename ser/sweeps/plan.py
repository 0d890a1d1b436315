"""What of a grid is trained: combinations left out, bad, found twice, or finished already; and how long it takes."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ser.comparison.conditions import Condition
from ser.data.splits import Split
from ser.errors import UserError
from ser.runs.identity import flatten
from ser.sweeps.preflight import Rehearsals, rehearsal_key
from ser.sweeps.runs import SweepRun
from ser.sweeps.scans import Scans
from ser.system.cache import cache_folder
from ser.training.first_weights import look_ahead
from ser.training.job import find_job
from ser.training.setup import check_steps
from ser.training.task import task_of
from ser.training.trainer import num_devices

Progress = Callable[[str, int], Callable[[Iterable], Iterable]]  # what, how many → wraps an iterator in a bar


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A grid that was looked through.

    Args:
        runs: Every combination, in its order.
    """

    runs: tuple[SweepRun, ...]

    def of(self, *states: str) -> list[SweepRun]:
        """Those in one of the states."""
        return [run for run in self.runs if run.state in states]

    @property
    def wanted(self) -> list[SweepRun]:
        """The runs that the sweep is: each once, trained already or not."""
        return self.of("waiting", "running", "stopped", "failed", "finished")

    @property
    def seconds(self) -> float:
        """Estimated for all that is to be trained, one after the other."""
        return sum(run.seconds for run in self.of("waiting"))


def make_plan(runs: Sequence[SweepRun], skip: str | None, elsewhere: bool, progress: Progress) -> SweepPlan:
    """Looks through all combinations and trains none; each run ends up in the state that its fate is.

    Args:
        runs: Composed; those that could not be are `bad` already.
        skip: A condition; where it holds a combination is left out.
        elsewhere: Whether other machines will train: a device that is not in this one is no fault then.
        progress: Shows how far it is.

    Raises:
        UserError: What is wrong with the sweep as a whole.
    """
    plan = SweepPlan(tuple(runs))
    for run in plan.of("planned"):
        check_job(run.config)
    if skip:
        _leave_out(plan, Condition(skip, "sweep.skip"))
    _find(plan, elsewhere, progress)
    _rehearse(plan, progress)
    return plan


def check_job(config: dict[str, Any]) -> None:
    """Refuses what no job of a sweep does.

    Raises:
        UserError: A run that is continued, or one on several devices.
    """
    if config["run"]["resume"]:
        raise UserError("run.resume= continues one run; leave out -m.")
    trainer = config["trainer"]
    if trainer.get("strategy", "auto") not in ("auto", None) or num_devices(trainer) > 1:
        raise UserError("A sweep (-m) trains each job on one device, in one process: leave out -m, or trainer=ddp.")


def _leave_out(plan: SweepPlan, condition: Condition) -> None:
    values = {id(run): condition_values(run.config) for run in plan.of("planned")}
    condition.check_known({key for each in values.values() for key in each})
    for run in plan.of("planned"):
        if condition.holds(values[id(run)]):
            run.leave_out("skipped", f"sweep.skip: {condition.text}")


def condition_values(config: dict[str, Any]) -> dict[str, Any]:
    """What a condition may ask of a run: every dotted key, and the choice made in each group.

    >>> condition_values({"choices": {"model": "mlp"}, "model": {"dropout": 0.2}, "seed": 1})
    {'model.dropout': 0.2, 'seed': 1, 'model': 'mlp'}
    """
    settings = {key: value for key, value in config.items() if key not in ("choices", "sweep")}
    return {**dict(flatten(settings)), **config["choices"]}


def _find(plan: SweepPlan, elsewhere: bool, progress: Progress) -> None:
    """Identity and directory of each; what is the same run as one before it, and what is finished."""
    scans, first = Scans(), {}
    planned = plan.of("planned")
    for run in progress("looking for runs", len(planned))(planned):
        try:
            run.job = find_job(_as_here(run.config) if elsewhere else run.config, alone=False, scan=scans)
            if run.job.directory.finished and not run.config["run"]["rerun"]:
                run.seen = run.job.directory.metrics()
        except Exception as error:
            run.leave_out("bad", _sentence(error))
            continue
        if (same := first.setdefault(run.identity, run)) is not run:
            run.leave_out("double", f"the same run as {same.label}")
        elif run.seen:
            run.state, run.before = "finished", True
        elif run.config["run"]["rerun"]:
            run.marker = run.end()


def _as_here(config: dict[str, Any]) -> dict[str, Any]:
    """The run as it could be planned on a machine without the devices that will train it; its identity is the same."""
    return {**config, "trainer": {**config["trainer"], "accelerator": "cpu"}}


def _rehearse(plan: SweepPlan, progress: Progress) -> None:
    """Rehearses every configuration; seeds share the outcome, and each has its own split."""
    planned, outcomes = plan.of("planned"), {}
    with TemporaryDirectory() as folder:
        rehearse = Rehearsals(Path(folder))
        for run in progress("trying each combination", len(planned))(planned):
            try:
                split = _split(run)
                key = rehearsal_key(run.config)
                if key not in outcomes:
                    outcomes[key] = _outcome(rehearse, run, split)
                if isinstance(outcomes[key], Exception):
                    raise outcomes[key]
                run.state, run.seconds = "waiting", outcomes[key]
            except Exception as error:
                run.leave_out("bad", _sentence(error))


def _split(run: SweepRun) -> Split:
    recordings = run.job.recordings
    split, labels = look_ahead(run.config, recordings, cache_folder())
    task_of(run.config, recordings.classes).check_train(labels[split.train])
    check_steps(run.config, split)
    return split


def _outcome(rehearse: Rehearsals, run: SweepRun, split: Split) -> float | Exception:
    if os.environ.get("SER_TRACEBACK"):
        return rehearse(run.config, run.job.recordings, split)
    try:
        with torch.random.fork_rng(devices=[]):
            return rehearse(run.config, run.job.recordings, split)
    except Exception as error:
        return error


def _sentence(error: Exception) -> str:
    """What went wrong, in one line; an error that is nobody's sentence is named."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, UserError):
        return lines[0] if lines else "an error"
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
