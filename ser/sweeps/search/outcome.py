"""The results of a search: trials.csv, the best settings as a command and an experiment, importance, two figures."""

import csv
import io
import math
import shlex
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from optuna import Study
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from ser.sweeps.search.best_experiment import experiment_of
from ser.sweeps.search.links import link_runs
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.progress import best_of
from ser.sweeps.search.trials import DONE, RUNS, VALUES, WHY, Counts, count, failures
from ser.system.files import write_text

OVER_FOLDS = (
    "Chosen over several folds: who is validated in one is tested in another, so that figures of test, pooled over the "
    "folds, are not independent of the choice."
)


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """The results of a search.

    Args:
        plan: Of the search.
        counts: Of its trials.
        best: None where no trial is complete.
        importance: By key, shares of 1; empty where too few trials are complete.
        failed: Each with its reason.
        experiment: The best settings as a file of the group `experiment`.
    """

    plan: SearchPlan
    counts: Counts
    best: FrozenTrial | None
    importance: Mapping[str, float]
    failed: tuple[str, ...]
    experiment: Path

    def command(self, repeat: int = 0) -> str:
        """The `ser train` command of the best trial's run.

        Args:
            repeat: Which of its runs.
        """
        return best_command(self.plan, self.best, repeat)

    def print(self, console: Console) -> None:
        """Prints all of it in the terminal."""
        counts, metric = self.counts, self.plan.settings.metric
        kinds = f"{counts.complete} complete, {counts.pruned} pruned; {counts.failed} failed"
        console.print(f"{counts.done} trials: {kinds}")
        for line in self.failed:
            console.print(f"  failed: {line}")
        if self.best is None:
            console.print("No trial was trained to its end: tune.pruner=none prunes nothing.")
            return
        if self.importance:
            table = Table("setting", "best", "importance")
            texts = dict(word.lstrip("+").split("=", 1) for word in self.plan.space.overrides(self.best.params))
            for name, share in self.importance.items():
                table.add_row(name, texts[name], f"{100 * share:.0f} %")
            console.print(table)
        else:
            console.print("The importance of settings needs three complete trials with different values.")
        console.print(f"Best {metric}: {value_in_words(self.plan, self.best)}, trial {self.best.number}")
        console.print("The best of many on validation is an optimistic figure. The run itself scored test once.")
        if self.plan.num_folds() > 1:
            console.print(OVER_FOLDS)
        console.print(f"To train it again: {self.command()}")
        folder = shlex.quote(str(self.plan.folder))
        console.print(f"As an experiment: ser train --config-dir {folder} experiment=best   ({self.experiment})")


def write_outcome(plan: SearchPlan, study: Study, figures: bool = True) -> SearchOutcome:
    """Writes the files of a search in its current state.

    Args:
        plan: Of the search.
        study: Of Optuna.
        figures: Whether to draw.
    """
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        link_runs(plan, trial)
    write_text(plan.folder / "trials.csv", _csv(plan, trials))
    best, experiment = best_of(plan, trials), plan.folder / "experiment" / "best.yaml"
    evaluator = FanovaImportanceEvaluator(seed=plan.settings.seed)
    varied = _varied(trials) if figures else []
    importance = get_param_importances(study, evaluator=evaluator, params=varied) if varied else {}
    if not all(map(math.isfinite, importance.values())):
        importance, varied = {}, []
    failed = tuple(_failure(plan, trial) for trial in failures(trials))
    outcome = SearchOutcome(plan, count(trials), best, importance, failed, experiment)
    if best is not None:
        experiment.parent.mkdir(exist_ok=True)
        write_text(experiment, experiment_of(plan, best, value_in_words(plan, best)))
        write_text(plan.folder / "best.txt", outcome.command() + "\n")
    if figures and best is not None:
        from ser.sweeps.search.figures import draw

        stamp = plan.protocol + (f"; mean over {plan.repeated()}" if plan.repeated() else "")
        draw(study, plan.folder / "figures", plan.settings.metric, stamp, evaluator, varied)
    return outcome


def best_command(plan: SearchPlan, best: FrozenTrial, repeat: int = 0) -> str:
    """A command for the shell; fixed overrides first, as typed."""
    words = [*plan.fixed, *plan.space.overrides(best.params), *plan.repeats[repeat]]
    return shlex.join(["ser", "train", *words])


def value_in_words(plan: SearchPlan, best: FrozenTrial) -> str:
    """`0.6312 ± 0.0150 (mean ± standard deviation over 3 seeds)`."""
    values = best.user_attrs.get(VALUES, [])
    if len(values) < 2:
        return f"{best.value:.4f} (one run; tune.seeds=[0,1,2] would show the spread)"
    return f"{best.value:.4f} ± {statistics.stdev(values):.4f} (mean ± standard deviation over {plan.repeated()})"


def _failure(plan: SearchPlan, trial: FrozenTrial) -> str:
    return f"trial {trial.number}, {' '.join(f'{k}={v}' for k, v in trial.params.items())}: {trial.user_attrs.get(WHY)}"


def _csv(plan: SearchPlan, trials: list[FrozenTrial]) -> str:
    """A row for each trial that is done or has finally failed."""
    names = [parameter.name for parameter in plan.space.parameters]
    failed = {trial.number for trial in failures(trials)}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["trial", "state", plan.settings.metric, "std", "epochs", "seconds", *names, "runs", "reason"])
    for trial in trials:
        if trial.state not in DONE and trial.number not in failed:
            continue
        values = trial.user_attrs.get(VALUES, [])
        texts = dict(word.lstrip("+").split("=", 1) for word in plan.space.overrides(trial.params))
        writer.writerow([
            trial.number,
            {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}.get(trial.state, "failed"),
            "" if trial.value is None else repr(trial.value),
            repr(statistics.stdev(values)) if len(values) > 1 else "",
            len(trial.intermediate_values),
            round(trial.duration.total_seconds(), 3),
            *(texts[name] for name in names),
            " ".join(trial.user_attrs.get(RUNS, [])),
            trial.user_attrs.get(WHY, "") if trial.number in failed else "",
        ])  # fmt: skip
    return buffer.getvalue()


def _varied(trials: list[FrozenTrial]) -> list[str]:
    """Settings with a share of the metric's variance (fANOVA, Hutter et al. 2014); empty with too few trials."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(complete) < 3 or len({trial.value for trial in complete}) < 2:
        return []
    return [name for name in complete[0].params if len({trial.params[name] for trial in complete}) > 1]
