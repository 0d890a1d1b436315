"""A search in the terminal: a line a trial, and a bar with the best so far."""

from collections.abc import Iterator

from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.trials import DONE, RUNS, WHY


def announce(plan: SearchPlan, console: Console) -> None:
    """Prints the plan of the search."""
    settings = plan.settings
    of = f", mean over {plan.repeated()}" if plan.repeated() else ""
    end = "lowest" if settings.direction == "minimize" else "highest"
    console.print(f"Search for the {end} {settings.metric}{of} ({plan.protocol})")
    width = max(len(parameter.name) for parameter in plan.space.parameters)
    for parameter in plan.space.parameters:
        console.print(f"  {parameter.name:<{width}}  {parameter.words()}")
    workers = f", {settings.workers} workers" if settings.workers > 1 else ""
    console.print(f"{settings.trials} trials: sampler {settings.sampler}, pruner {settings.pruner}{workers}")
    combinations = plan.space.count()
    if combinations is not None and combinations < settings.trials:
        console.print(
            f"Note: the space has only {combinations} combinations, so trials will repeat (a finished run is not "
            "trained again). A grid trains each once: ser train -m …"
        )
    console.print(f"Folder: {plan.folder}")


class Progress:
    """Reports each trial once.

    Args:
        plan: Of the search.
        console: The terminal.
    """

    def __init__(self, plan: SearchPlan, console: Console):
        self._plan, self._console = plan, console
        self._reported: set[int] | None = None
        columns = (TextColumn("trials"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
        self._bar = Bar(
            *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=plan.settings.trials)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Removes the bar."""
        self._bar.stop()

    def look(self, study: Study) -> None:
        """Reports trials that ended since the last call; those of earlier commands in one line."""
        trials = study.get_trials(deepcopy=False)
        ended = [trial for trial in trials if trial.state.is_finished()]
        if self._reported is None:
            self._begin(ended)
        best = best_of(self._plan, trials)
        for trial in ended:
            if trial.number not in self._reported:
                self._reported.add(trial.number)
                for line in _lines(self._plan, trial, best):
                    self._console.print(line)
        done = sum(trial.state in DONE for trial in trials)
        shown = "" if best is None else f"best {self._plan.settings.metric} {best.value:.4f} (trial {best.number})"
        self._bar.update(self._task, completed=done, description=shown)

    def _begin(self, ended: list[FrozenTrial]) -> None:
        self._reported = {trial.number for trial in ended}
        done = [trial for trial in ended if trial.state in DONE]
        if done:
            self._console.print(f"Continuing: {len(done)} of {self._plan.settings.trials} trials are done.")
        self._bar.start()


def best_of(plan: SearchPlan, trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The best complete trial, the first of equals."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    sign = 1 if plan.settings.direction == "minimize" else -1
    return min(complete, key=lambda trial: sign * trial.value, default=None)


def _lines(plan: SearchPlan, trial: FrozenTrial, best: FrozenTrial | None) -> Iterator[str]:
    settings = " ".join(plan.space.overrides(trial.params)) if _is_whole(plan, trial) else ""
    head, seconds = f"trial {trial.number:>3}", f"{trial.duration.total_seconds():.0f} s"
    if trial.state == TrialState.COMPLETE:
        best_so_far = f"  best so far: {best.value:.4f}, trial {best.number}" if best is not None else ""
        yield f"{head}  {plan.settings.metric} {trial.value:.4f}  {seconds}  {settings}{best_so_far}"
    elif trial.state == TrialState.PRUNED:
        value = "" if trial.value is None else f" at {trial.value:.4f}"
        yield f"{head}  pruned{value} after epoch {trial.last_step}  {seconds}  {settings}"
    elif WHY in trial.user_attrs:
        yield f"{head}  failed: {trial.user_attrs[WHY]}  {settings}  {' '.join(trial.user_attrs.get(RUNS, []))}"
    elif settings:
        yield f"{head}  was stopped, or its worker died; it will be continued"


def _is_whole(plan: SearchPlan, trial: FrozenTrial) -> bool:
    return all(parameter.name in trial.params for parameter in plan.space.parameters)
