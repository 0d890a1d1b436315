"""Running a Hydra app inside `ser`: its errors in the user's words, its config as plain data."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from ser.commands.defaults import of_target
from ser.commands.experiments import without_stale
from ser.commands.mistakes import in_users_words
from ser.commands.nodes import whole_config
from ser.commands.overrides import (
    as_hydra_takes_them,
    config_folders,
    flags_and_words,
    values_of,
    words_of_the_grid,
)
from ser.commands.top_file import composed
from ser.errors import UserError
from ser.runs.identity import PATH_KEY, flatten
from ser.system.config_folder import config_folder

Task = Callable[[dict[str, Any]], Any]
Sweep = Callable[[Any], int]  # of a `ser.commands.multirun.Multirun`
OTHER_ERRANDS = frozenset(
    ["--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", "--version", "--run", "-r"]
)
MAY_SAY_SO = (  # that a grid is meant, or which sweeper
    "experiment=", "+experiment=", "hydra.mode=", "hydra/sweeper=", "--config-dir", "-cd", "--config-name", "-cn",
)  # fmt: skip


class App:
    """What Hydra calls: with each config, or once with a grid.

    An error is kept back until Hydra is done, which would print over it.

    Args:
        name: Of the top file.
        words: Overrides as typed, those included that only some jobs of a grid can take.
        task: Called with the config, as plain data.
        sweep: Called with a grid, gives the exit code.
    """

    def __init__(self, name: str, words: Sequence[str], task: Task, sweep: Sweep | None):
        self.name, self.words, self._task, self._sweep = name, words, task, sweep
        self.code, self.raised = 0, None

    def __call__(self, cfg: DictConfig) -> Any:
        """One config."""
        try:
            return self._task(plain_config(cfg, self.name))
        except Exception as error:
            self.raised = self.raised or error
            if is_multirun():  # of Hydra's own sweeper, whose job may be in another process
                raise

    def go_through(self, grid: Any) -> None:
        """A grid of `hydra/sweeper=ser`."""
        try:
            self.code = self._sweep(grid)
        except Exception as error:
            self.raised = error


def run_app(name: str, arguments: Sequence[str], task: Task, sweep: Sweep | None = None) -> int:
    """Composes `configs/<name>.yaml` with the arguments and calls `task` with it, as plain data.

    Args:
        name: Of the top file.
        arguments: As typed behind the command.
        task: Called with the config.
        sweep: Called with a grid, where the command has one.

    Returns:
        The exit code.

    Raises:
        UserError: A mistyped key or choice, with the nearest right one.
        Exception: Whatever the task raised.
    """
    flags, words = flags_and_words(arguments)
    folders = config_folders(flags)
    words = as_hydra_takes_them(words, name, folders)
    app = App(name, words, task, sweep)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here instead of being printed by Hydra
    before = sys.argv
    GlobalHydra.instance().clear()  # of what was composed before the app
    try:
        with in_users_words(name, words, folders):
            if flags or any(word.lstrip("+~").startswith(("experiment=", "hydra")) for word in words):
                own = words_of_the_grid(words)
                ours = sweep is not None and _goes_to_our_sweeper(name, flags, own, folders)
                sys.argv = [f"ser {name}", *flags, *(own if ours else words)]
                hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)(app)()
            else:  # one config: Hydra's main would compose it twice
                app(config_at_hand(composed(name, words, folders)))
    except UserError:
        if app.raised is None:
            raise
    finally:
        sys.argv = before
    if app.raised is not None:
        raise app.raised
    return app.code


def _goes_to_our_sweeper(name: str, flags: Sequence[str], own: Sequence[str], folders: Sequence[Path]) -> bool:
    """Whether a grid is meant, by `-m` or by a file that says `hydra.mode: MULTIRUN`, and no other sweeper is chosen.

    What only some jobs can take is then not for Hydra to compose with the grid as a whole.
    """
    if not OTHER_ERRANDS.isdisjoint(flags):
        return False
    asked = not {"-m", "--multirun"}.isdisjoint(flags)
    if not any(word.startswith(MAY_SAY_SO) for word in (*own, *flags)):
        return asked
    about = composed([*values_of(flags, "--config-name", "-cn"), name][0], own, folders).hydra
    return (asked or about.mode == RunMode.MULTIRUN) and about.runtime.choices["hydra/sweeper"] == "ser"


def config_at_hand(cfg: DictConfig) -> DictConfig:
    """A composed config without Hydra's own node, which `HydraConfig` has from now on.

    Args:
        cfg: From `composed`.
    """
    HydraConfig.instance().set_config(cfg)
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])


def is_multirun() -> bool:
    """Whether the config at hand is that of a job of a grid."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


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
    config = without_stale(config, chosen, app, typed, folders)
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
    return {"choices": chosen, **of_target(config, app, typed)}


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
            run.chosen = chosen_run_dir(run)
            run.dir = "."


def chosen_run_dir(run: DictConfig) -> str | None:
    """`hydra.run.dir` where the user set it, else None.

    Args:
        run: Hydra's node, as it was composed.
    """
    return None if OmegaConf.to_container(run)["dir"] == "${run.dir}" else run.dir


def explicit_run_dir() -> str | None:
    """What `chosen_run_dir` gave at the start; None where no argument was Hydra's own, and in a job of a grid."""
    return HydraConfig.get().run.get("chosen")
