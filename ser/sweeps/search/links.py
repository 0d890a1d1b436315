"""A search's folder links to its runs, so that TensorBoard and comparison read it as one."""

import os
from contextlib import suppress

from optuna.trial import FrozenTrial

from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.trials import RUNS


def link_runs(plan: SearchPlan, trial: FrozenTrial) -> None:
    """Links to the runs of a trial that are on this machine."""
    for name in trial.user_attrs.get(RUNS, []):
        if (plan.runs_dir / name).is_dir():
            plan.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                (plan.folder / name).symlink_to(os.path.relpath(plan.runs_dir / name, plan.folder))
