"""A worker: Optuna's loop, one trial after the other, until as many are done as were asked for."""

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
HOPELESS = 5  # so many failed trials, and no more that came out: the next one would fail as well


class Surplus(Exception):
    """Another worker was first at the last place."""


class TakenOver(BaseException):
    """Others took this worker for dead and have its trial; no `Exception`, or Optuna would tell what came out."""


def work(plan: SearchPlan, study: Study, progress: Callable[[Study], None] = lambda study: None) -> Counts:
    """Works until `tune.trials` are complete or pruned, whoever did them.

    Args:
        plan: Of the search.
        study: Of Optuna, with its sampler and pruner.
        progress: Called after each trial, and while there is nothing to do.

    Raises:
        Interrupted: This worker was asked to stop; its trial waits to be continued.
        UserError: Trial after trial failed.
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
                    else:  # others have the last ones in work; one of them may die
                        turn.close()
                        time.sleep(POLL_S)
                progress(study)
                _raise_if_hopeless(plan, study)
            return now
    except BaseException:
        with suppress(Exception), plan.storage.turn():
            watch.requeue_dead(study)  # its own trial is found like that of any dead worker: its lock is free
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
    """The metric, with the errors that Optuna knows."""
    try:
        return value_of(plan, trial)
    except Pruned as pruned:
        raise TrialPruned from pruned
    except UserError as error:  # the same would be said again
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
            f"{len(failed)} trials failed and {now.done} came out, so the search stops. The last failure: "
            f"{failed[-1].user_attrs[WHY]}"
        )


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
