"""A worker: claims trials, trains them and tells what came out, until all are done."""

import time
from collections.abc import Callable
from contextlib import suppress

from optuna import Study, Trial
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from ser.errors import Pruned, UserError
from ser.sweeps.search.links import link_runs
from ser.sweeps.search.objective import value_of
from ser.sweeps.search.owners import Owner, Watch
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.trials import CONTINUES, Counts, claim, count, end, failures, give_back, try_again

POLL_S = 0.5
HOPELESS = 5  # so many failed trials, and no more that came out: the next one would fail as well


def work(plan: SearchPlan, study: Study, told: Callable[[Study], None] = lambda study: None) -> Counts:
    """Works until `tune.trials` are complete or pruned, whoever did them.

    Args:
        plan: Of the search.
        study: Of Optuna, with its sampler and pruner.
        told: Called after each trial, and while there is nothing to claim.

    Raises:
        Interrupted: This worker was asked to stop; its trial waits to be continued.
        UserError: Trial after trial failed.
    """
    watch, owner = Watch(plan.settings.dead_after_s), Owner(plan.folder)
    with owner.living():
        while (now := count(study.get_trials(deepcopy=False))).done < plan.settings.trials:
            watch.give_back_dead(study)
            trial = claim(study, plan.space, plan.settings.trials, owner.name)
            if trial is None:  # others have the last ones in work; one of them may die
                time.sleep(POLL_S)
            else:
                with owner.working_on(study, trial.number):
                    _do(plan, study, trial)
            told(study)
            _raise_if_hopeless(plan, study)
    return now


def _do(plan: SearchPlan, study: Study, trial: Trial) -> None:
    try:
        _know_what_others_saw(study, trial)
        value = value_of(plan, trial)
    except Pruned:
        _tell(study, trial, TrialState.PRUNED)
    except UserError as error:  # the same would be said again
        end(study, trial.number, "error", _sentence(error))
    except Exception as error:
        try_again(study, trial, f"{type(error).__name__}: {_sentence(error)}")
    except BaseException as error:  # Ctrl-C
        with suppress(UpdateFinishedTrialError):
            give_back(study, trial, f"stopped ({type(error).__name__})")
        raise
    else:
        _tell(study, trial, TrialState.COMPLETE, value)
    finally:
        link_runs(plan, study.get_trials(deepcopy=False)[trial.number])


def _know_what_others_saw(study: Study, trial: Trial) -> None:
    """A trial that continues another's run begins with the epochs that were reported there."""
    before = trial.user_attrs.get(CONTINUES)
    if before is not None:
        known = study.get_trials(deepcopy=False)
        reported = known[trial.number].intermediate_values
        for step, value in known[before].intermediate_values.items():
            if step not in reported:
                trial.report(value, step)


def _tell(study: Study, trial: Trial, state: TrialState, value: float | None = None) -> None:
    """What came out; nothing where others took this worker for dead: the trial is theirs then, the run is kept."""
    with suppress(UpdateFinishedTrialError, ValueError):
        study.tell(trial, value, state)


def _raise_if_hopeless(plan: SearchPlan, study: Study) -> None:
    trials = study.get_trials(deepcopy=False)
    failed, now = failures(trials), count(trials)
    if len(failed) >= max(HOPELESS, now.done):
        raise UserError(
            f"{len(failed)} trials failed and {now.done} came out, so the search stops. The last failure: "
            f"{failed[-1].user_attrs.get('why', 'not known')}"
        )


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
