"""A whole search: its folder, its study, its workers, and its results."""

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
    """Runs the missing trials of a search and writes the results, even if it is stopped.

    Args:
        plan: Of the search.
        progress: Called repeatedly with the study, to show the progress.

    Raises:
        UserError: The folder or the storage belongs to another search; too many trials failed.
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
    """Describes the search in its folder, with its identity."""
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
