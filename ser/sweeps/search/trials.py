"""The trials of a study, counted and claimed: exactly as many as asked for, whoever works on them and dies meanwhile.

A trial of Optuna is WAITING, RUNNING, COMPLETE, PRUNED or FAIL, and never leaves FAIL. What counts towards
`tune.trials` is what is COMPLETE or PRUNED. A FAIL is one of these, by the attribute `ended`:

- `error`: its run failed; tried once more, then listed. It does not count.
- `given back`: its worker was stopped or died; the same settings wait to be done again.
- `surplus`: two workers took the last place; nobody trained it.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from optuna import Study, Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ser.sweeps.search.space import Space

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
ENDED, WHY, OWNER, BEAT = "ended", "why", "owner", "beat"
SECOND_TRY, CONTINUES, RUNS, SECONDS, VALUES = "second_try", "continues", "runs", "seconds", "values"


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a study is."""

    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int

    @property
    def done(self) -> int:
        """What counts towards `tune.trials`."""
        return self.complete + self.pruned


def count(trials: list[FrozenTrial]) -> Counts:
    """How many there are of each kind; of failures only errors."""
    states = Counter(trial.state for trial in trials)
    return Counts(
        complete=states[TrialState.COMPLETE],
        pruned=states[TrialState.PRUNED],
        failed=len(failures(trials)),
        running=states[TrialState.RUNNING],
        waiting=states[TrialState.WAITING],
    )


def failures(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that failed for good: the second try where there was one, else the only one."""
    tried_again = {trial.user_attrs.get(SECOND_TRY) for trial in trials}
    errors = [t for t in trials if t.state == TrialState.FAIL and t.user_attrs.get(ENDED) == "error"]
    return [trial for trial in errors if trial.number not in tried_again]


def claim(study: Study, space: Space, wanted: int, owner: dict[str, str]) -> Trial | None:
    """A trial for this worker, or None where all places are taken at the moment.

    Numbers are given out by the storage, each once. A trial keeps its place only if fewer than `wanted` trials with
    lower numbers are alive or done; of two workers that see the last place free, the one with the higher number gives
    way. So no lock over machines is needed, and never more than `wanted` are done.

    Args:
        study: Of Optuna.
        space: What is drawn.
        wanted: `tune.trials`.
        owner: Who works on it (`ser.sweeps.search.owners`).
    """
    while True:
        now = count(study.get_trials(deepcopy=False))
        if now.done + now.running >= wanted:
            return None
        trial = study.ask()
        trial.set_user_attr(OWNER, owner)
        if _places_before(study, trial.number) >= wanted:
            end(study, trial.number, "surplus", "")
            continue
        for name, distribution in space.distributions().items():
            _draw(trial, name, distribution)
        return trial


def _draw(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
        return
    suggest = trial.suggest_int if isinstance(distribution, IntDistribution) else trial.suggest_float
    suggest(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def _places_before(study: Study, number: int) -> int:
    trials = study.get_trials(deepcopy=False)
    return sum(trial.number < number and trial.state != TrialState.FAIL for trial in trials)


def end(study: Study, number: int, ended: str, why: str) -> bool:
    """Marks a trial as FAIL, with the reason; False where somebody else has ended it before.

    Args:
        study: Of Optuna.
        number: The trial's.
        ended: `error`, `given back` or `surplus`.
        why: One sentence.
    """
    trial_id = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    try:
        study._storage.set_trial_user_attr(trial_id, ENDED, ended)
        study._storage.set_trial_user_attr(trial_id, WHY, why)
        return study._storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False


def give_back(study: Study, trial: FrozenTrial | Trial, why: str) -> bool:
    """Lets the same settings wait for the next worker, which continues the run where it stands.

    Args:
        study: Of Optuna.
        trial: RUNNING.
        why: It was stopped, or its worker died.
    """
    if not end(study, trial.number, "given back", why):
        return False
    frozen = study.get_trials(deepcopy=False)[trial.number]
    study.enqueue_trial(settings_of(frozen), user_attrs={**_inherited(frozen), CONTINUES: trial.number})
    return True


def try_again(study: Study, trial: Trial, why: str) -> None:
    """Notes an error and lets the same settings wait for a second try; after the second there is none."""
    frozen = study.get_trials(deepcopy=False)[trial.number]
    if end(study, trial.number, "error", why) and SECOND_TRY not in frozen.user_attrs:
        study.enqueue_trial(settings_of(frozen), user_attrs={SECOND_TRY: trial.number})


def settings_of(trial: FrozenTrial) -> dict[str, Any]:
    """What was drawn; of a trial whose worker died at once, what had been given to it."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _inherited(trial: FrozenTrial) -> dict[str, Any]:
    return {key: trial.user_attrs[key] for key in (SECOND_TRY,) if key in trial.user_attrs}
