"""Running a Hydra app inside `ser`: its errors in the user's words, its config as plain data."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from ser.commands.experiments import without_stale
from ser.commands.mistakes import in_users_words
from ser.commands.nodes import whole_config
from ser.commands.overrides import as_hydra_takes_them, config_folders, flags_and_words
from ser.errors import UserError
from ser.runs.identity import PATH_KEY, flatten
from ser.system.config_folder import config_folder


def run_app(name: str, arguments: list[str], task: Callable[[dict[str, Any]], Any]) -> None:
    """Composes `configs/<name>.yaml` with the arguments and calls `task` with it, as plain data.

    An error of the task is kept back until Hydra is done, which would print over it, and raised then.

    Raises:
        UserError: A mistyped key or choice, with the nearest right one.
        Exception: Whatever the task raised.
    """
    raised: list[Exception] = []

    def kept_back(cfg: DictConfig) -> None:
        try:
            task(plain_config(cfg, name))
        except Exception as error:
            raised.append(error)

    flags, words = flags_and_words(arguments)
    folders = config_folders(flags)
    words = as_hydra_takes_them(words, name, folders)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of being printed by Hydra
    before, sys.argv = sys.argv, [f"ser {name}", *flags, *words]
    GlobalHydra.instance().clear()  # of what was composed before the app
    try:
        with in_users_words(name, words, folders):
            hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)(kept_back)()
    finally:
        sys.argv = before
    if raised:
        raise raised[0]


def plain_config(cfg: DictConfig, app: str, whole: bool = True) -> dict[str, Any]:
    """The config as dicts, lists, numbers and strings, all interpolations resolved, with the choice made in each group.

    Args:
        cfg: Composed, without Hydra's own node, which `HydraConfig` has.
        app: Name of the top file.
        whole: Whether values that must be given have to be there; those that are not are None otherwise.

    Raises:
        UserError: A value that must be given is missing; an interpolation leads nowhere; from `whole_config`.
    """
    with in_users_words(app, ()):
        config, about = OmegaConf.to_container(cfg), HydraConfig.get()
        chosen = {str(group): name for group, name in about.runtime.choices.items() if not group.startswith("hydra/")}
        folders = [Path(source.path) for source in about.runtime.config_sources if source.schema == "file"]
        typed = OmegaConf.to_container(about.overrides.task)
    config = without_stale(config, chosen, typed, folders)
    config, chosen = whole_config(config, chosen, app, typed, folders)
    missing = sorted(key for key, value in flatten(config) if value == "???")
    if missing and whole:
        raise UserError(f"Needed and not given: {', '.join(f'{key}=…' for key in missing)}")
    with in_users_words(app, typed, folders):
        cfg = OmegaConf.create(config)
        for key in missing:
            OmegaConf.update(cfg, key, None)
        config = OmegaConf.to_container(cfg, resolve=True)
    _make_absolute(config)
    return {"choices": chosen, **config}


def _make_absolute(node: Any, top: bool = True) -> None:
    """Paths that are there become absolute: a run can be continued from any folder.

    Raises:
        UserError: What is no text stands where a path belongs.
    """
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "columns":  # `{path: file}` names no path
            continue
        names_path = PATH_KEY.search(str(key)) or key == "init_from"
        if top and names_path and not isinstance(value, str | None):
            raise UserError(f"{key}={value} must be text, a path.")
        if isinstance(value, str) and names_path and value and os.path.exists(os.path.expanduser(value)):
            node[key] = os.path.abspath(os.path.expanduser(value))
        else:
            _make_absolute(value, top=False)


class NoFolder(Callback):
    """Hydra makes the folder `hydra.run.dir` for each job; a run makes its own when it begins, a dry run never."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Gives Hydra the working folder instead, and keeps what the user set for `explicit_run_dir`."""
        run = config.hydra.run
        with open_dict(run):
            run.chosen = None if OmegaConf.to_container(run)["dir"] == "${run.dir}" else run.dir
            run.dir = "."


def explicit_run_dir() -> str | None:
    """`hydra.run.dir` where the user set it, else None."""
    return HydraConfig.get().run.chosen
