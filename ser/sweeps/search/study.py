"""A study of Optuna that belongs to one search: made, found again, or refused."""

import warnings
from pathlib import Path

import optuna
from optuna import Study
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from ser.errors import UserError
from ser.runs.reading import read_json
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.sampling import build_pruner, build_sampler
from ser.sweeps.search.storage import JOURNAL

IDENTITY, SPACE = "ser_identity", "ser_space"


def open_study(plan: SearchPlan) -> Study:
    """The study of a search, made where there is none.

    Raises:
        UserError: The storage cannot be used, or holds a study of another search under this name.
    """
    quiet()
    with plan.storage.explained():
        storage = plan.storage.open()
        study = _create(plan, storage)
    begun = study.get_trials(deepcopy=False)  # first: who has begun a trial on another machine set the identity before
    about = study.user_attrs
    if about.get(IDENTITY) is None and not begun:
        study.set_user_attr(SPACE, plan.space.as_dict())
        study.set_user_attr(IDENTITY, plan.identity)
    elif about.get(IDENTITY) != plan.identity:
        raise UserError(f"{plan.storage} holds another search under the name {plan.study_name}: name another storage.")
    return study


def _create(plan: SearchPlan, storage: BaseStorage) -> Study:
    options = {
        "study_name": plan.study_name,
        "storage": storage,
        "sampler": build_sampler(plan.settings),
        "pruner": build_pruner(plan.settings, plan.epochs, len(plan.repeats)),
    }
    try:
        return optuna.create_study(**options, direction=plan.settings.direction, load_if_exists=True)
    except DuplicatedStudyError:  # another machine has just made it
        return optuna.load_study(**options)


def check_folder(plan: SearchPlan) -> None:
    """Refuses a folder that holds another search, or something else, before anything is written there.

    Raises:
        UserError: It holds something else.
    """
    file = plan.folder / "study.json"
    if file.is_file():
        try:
            found = read_json(file)["identity"]
        except (UserError, KeyError):
            raise UserError(f"{file} is damaged. Move the folder away, or name another tune.dir.") from None
        if found != plan.identity:
            raise UserError(
                f"{plan.folder} holds another search (identity {found}, this one is {plan.identity}): the space, "
                "fixed settings, recordings, the metric, seeds or folds differ. Name another tune.dir, or leave it out."
            )
    elif plan.folder.is_dir() and _visible(plan.folder) - {JOURNAL, file.name}:
        raise UserError(f"{plan.folder} is not empty and holds no search. Name another tune.dir.")


def _visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


def quiet() -> None:
    """Silences Optuna's log of each trial and its warnings on experimental features."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module=r"optuna.*")
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", "The reported value is ignored")  # on a continued run
