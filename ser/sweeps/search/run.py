"""A whole search: its folder, its study, its workers, and what came out."""

import json
from collections.abc import Callable

from filelock import FileLock
from optuna import Study

from ser.sweeps.search.outcome import SearchOutcome, write_outcome
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.study import check_folder, open_study
from ser.sweeps.search.worker import work
from ser.sweeps.search.workers import work_together
from ser.system.files import write_text


def search(plan: SearchPlan, progress: Callable[[Study], None]) -> SearchOutcome:
    """Does what is missing of a search and writes down what came out, also where it is stopped.

    Args:
        plan: Of the search.
        progress: Called now and then with the study, to show how far it is.

    Raises:
        UserError: The folder or the storage belongs to another search; trial after trial failed.
        Interrupted: Asked to stop.
    """
    check_folder(plan)
    study = open_study(plan)
    _write_study(plan)
    progress(study)
    try:
        if plan.settings.workers > 1:
            work_together(plan, study, progress)
        else:
            work(plan, study, progress)
    except BaseException:
        with _writing(plan):
            write_outcome(plan, study, figures=False)
        raise
    with _writing(plan):
        return write_outcome(plan, study)


def _writing(plan: SearchPlan) -> FileLock:
    """Two commands on one search write its files one after the other."""
    return FileLock(plan.folder / ".writing.lock")


def _write_study(plan: SearchPlan) -> None:
    """What the search is; the identity is what its folder is known by."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    settings = plan.settings
    about = {
        "identity": plan.identity,
        "study_name": plan.study_name,
        "command": plan.command,
        "metric": settings.metric,
        "direction": settings.direction,
        "space": plan.space.as_dict(),
        "repeats": [list(repeat) for repeat in plan.repeats],
        "protocol": plan.protocol,
        "sampler": settings.sampler,
        "pruner": settings.pruner,
        "seed": settings.seed,
        "trials": settings.trials,
        "storage": str(plan.storage),
    }
    write_text(plan.folder / "study.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
