"""A search's folder links to its runs, so that TensorBoard and comparison read it as one."""

from optuna.trial import FrozenTrial

from ser.sweeps.folder import link
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.trials import RUNS


def link_runs(plan: SearchPlan, trial: FrozenTrial) -> None:
    """Links to the runs of a trial that are on this machine."""
    for name in trial.user_attrs.get(RUNS, []):
        if (plan.runs_dir / name).is_dir():
            plan.folder.mkdir(parents=True, exist_ok=True)
            link(plan.folder, plan.runs_dir / name)
