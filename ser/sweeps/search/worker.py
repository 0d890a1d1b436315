"""A worker: Optuna's loop, one trial after the other, until the requested number is done."""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

from optuna import Study, Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError

from ser.errors import Pruned, UserError
from ser.sweeps.search.links import link_runs
from ser.sweeps.search.objective import value_of
from ser.sweeps.search.owners import Owner, Watch
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.trials import LAST_TRY, WHY, Counts, count, failures, has_place, try_again

POLL_S = 0.5
HOPELESS = 5  # failed trials, and no more successful ones, at which a search stops


class Surplus(Exception):
    """Another worker has taken the last place."""


class TakenOver(BaseException):
    """Another worker has taken over this one's trial; not an `Exception`, or Optuna would report a result."""


def work(plan: SearchPlan, study: Study, progress: Callable[[Study], None] = lambda study: None) -> Counts:
    """Works until `tune.trials` are complete or pruned, by any worker.

    Args:
        plan: Of the search.
        study: Of Optuna, with its sampler and pruner.
        progress: Called after each trial, and while waiting.

    Raises:
        Interrupted: This worker was asked to stop; its trial can be continued.
        UserError: Too many trials failed.
    """
    wanted, watch = plan.settings.trials, Watch(plan.settings.dead_after_s)
    owner = Owner(plan.folder, plan.storage)
    callbacks = [try_again, lambda study, trial: link_runs(plan, trial)]
    try:
        with owner.living():
            while (now := count(study.get_trials(deepcopy=False))).done < wanted:
                with plan.storage.turn() as turn, suppress(TakenOver):
                    watch.requeue_dead(study)
                    now = count(study.get_trials(deepcopy=False))
                    if now.done + now.running < wanted:
                        objective = partial(_objective, plan, owner, turn)
                        study.optimize(objective, n_trials=1, catch=Exception, callbacks=callbacks)
                    else:  # other workers have the last ones, and one of them may die
                        turn.close()
                        time.sleep(POLL_S)
                progress(study)
                _raise_if_hopeless(plan, study)
            return now
    except BaseException:
        with suppress(Exception), plan.storage.turn():
            watch.requeue_dead(study)  # also finds this worker's own trial, whose lock is free
        raise


def _objective(plan: SearchPlan, owner: Owner, turn: ExitStack, trial: Trial) -> float:
    try:
        with owner.working_on(trial):
            turn.close()
            if not has_place(trial.study, trial, plan.settings.trials):
                raise Surplus
            return _value(plan, trial)
    except UpdateFinishedTrialError:
        raise TakenOver from None


def _value(plan: SearchPlan, trial: Trial) -> float:
    """The metric, with Optuna's exceptions."""
    try:
        return value_of(plan, trial)
    except Pruned as pruned:
        raise TrialPruned from pruned
    except UserError as error:  # a second try would fail the same way
        trial.set_user_attr(LAST_TRY, True)
        trial.set_user_attr(WHY, _sentence(error))
        raise
    except Exception as error:
        trial.set_user_attr(WHY, f"{type(error).__name__}: {_sentence(error)}")
        raise


def _raise_if_hopeless(plan: SearchPlan, study: Study) -> None:
    trials = study.get_trials(deepcopy=False)
    failed, now = failures(trials), count(trials)
    if len(failed) >= max(HOPELESS, now.done):
        raise UserError(
            f"{len(failed)} trials failed and {now.done} succeeded, so the search stops. The last failure: "
            f"{failed[-1].user_attrs[WHY]}"
        )


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
