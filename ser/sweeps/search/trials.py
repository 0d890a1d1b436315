"""The trials of a study: counting them, and handling those that end early.

A trial of Optuna is WAITING, RUNNING, COMPLETE, PRUNED or FAIL, and never leaves FAIL. COMPLETE and
PRUNED count towards `tune.trials`. A FAIL is one of these:

- its run failed: the attribute `why` has the reason. Tried once more, then listed.
- its worker was stopped or died: Optuna's retry queues the same settings again.
- surplus: two workers took the last place; not trained.

`MaxTrialsCallback` checks only after a trial: of two workers at the last place both would train one. Hence `has_place`.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass

from optuna import Study, Trial
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
OWNER, RUNS, VALUES, WHY, LAST_TRY = "owner", "runs", "values", "why", "last_try"


@dataclass(frozen=True, slots=True)
class Counts:
    """The progress of a study."""

    complete: int
    pruned: int
    failed: int
    running: int

    @property
    def done(self) -> int:
        """Trials that count towards `tune.trials`."""
        return self.complete + self.pruned


def count(trials: list[FrozenTrial]) -> Counts:
    """The number of each kind; of FAIL only those that finally failed."""
    states = Counter(trial.state for trial in trials)
    running = states[TrialState.RUNNING]
    return Counts(states[TrialState.COMPLETE], states[TrialState.PRUNED], len(failures(trials)), running)


def failures(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that finally failed."""
    return [t for t in trials if t.state == TrialState.FAIL and {WHY, LAST_TRY} <= t.user_attrs.keys()]


def has_place(study: Study, trial: Trial, wanted: int) -> bool:
    """Whether a trial that has just begun is one of the requested trials.

    The storage assigns each number once. A trial has a place if fewer than `wanted` trials with lower
    numbers are alive or done: of two workers that see the last place free, the one with the higher number gives way.
    So no lock over machines is needed, and never more than `wanted` are done.

    Args:
        study: Of Optuna.
        trial: RUNNING, this worker's.
        wanted: `tune.trials`.
    """
    trials = study.get_trials(deepcopy=False)
    return sum(other.number < trial.number and other.state != TrialState.FAIL for other in trials) < wanted


def requeue(study: Study, trial: FrozenTrial) -> None:
    """Queues the settings of a FAIL for the next worker, with its reported epochs: its run continues.

    Args:
        study: Of Optuna.
        trial: FAIL.
    """
    again = deepcopy(trial)
    again.user_attrs = {key: value for key, value in trial.user_attrs.items() if key == LAST_TRY}
    RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(study, again)


def give_back(study: Study, trial: FrozenTrial) -> bool:
    """Requeues a trial whose worker was stopped or died; False if another worker has ended it before.

    Args:
        study: Of Optuna.
        trial: RUNNING.
    """
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):
        return False
    requeue(study, trial)
    return True


def try_again(study: Study, trial: FrozenTrial) -> None:
    """Requeues a trial whose run failed, once; a callback of `study.optimize`."""
    if trial.state == TrialState.FAIL and WHY in trial.user_attrs and LAST_TRY not in trial.user_attrs:
        trial.set_user_attr(LAST_TRY, True)
        requeue(study, trial)
