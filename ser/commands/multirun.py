"""A grid as Hydra sees it: overrides multiplied out, each combination composed, and jobs handed to the launcher.

Hydra's own sweeper takes a product and trains it. Here the product is made by the same code, and what is trained of it
is decided in between; the launchers are Hydra's and its plugins', unchanged.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf, open_dict

from ser.commands.hydra_app import plain_config
from ser.commands.mistakes import in_users_words
from ser.commands.nodes import whole_settings
from ser.commands.overrides import as_hydra_takes_them, config_folders, flags_and_words, parse
from ser.errors import UserError
from ser.sweeps.runs import SweepRun
from ser.system.config_folder import config_folder

SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
# settings of the grid itself, needed before there is a job; all others may belong to a part that only some jobs have
OF_THE_GRID = ("experiment", "run.threads", "run.progress", "run.dry_run", "sweep")
MOST = 100_000  # combinations of a grid
OTHER_ERRANDS = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", "--version", "--run", "-r")


def is_multirun(name: str, arguments: Sequence[str]) -> bool:
    """Whether a grid is meant: by `-m`, or because a config file that is named says `hydra.mode: MULTIRUN`."""
    if set(OTHER_ERRANDS) & set(arguments):
        return False
    if {"-m", "--multirun"} & set(arguments):
        return True
    may_say_so = ("experiment=", "+experiment=", "hydra.mode=", "--config-dir", "-cd", "--config-name", "-cn")
    if not any(word.startswith(may_say_so) for word in arguments):
        return False
    return Multirun(name, arguments).mode == RunMode.MULTIRUN


class Multirun:
    """A grid as it was typed, with what its config files add to it.

    Args:
        name: Of the top file: `train`.
        arguments: As typed behind `ser <name>`.

    Raises:
        UserError: Overrides that cannot be read or composed.
    """

    def __init__(self, name: str, arguments: Sequence[str]):
        setbase("1.3")
        self.name = name
        flags, words = flags_and_words(arguments)
        self._words = as_hydra_takes_them(words, name, config_folders(flags))
        parsed = get_args([*flags, *self._words])
        search_path = _search_path(parsed)
        self._config_name = parsed.config_name or name
        self._typed = parse(self._words)
        self._own = [word.input_line for word in self._typed if _is_of_the_grid(word)]
        self._folders = config_folders(flags)
        GlobalHydra.instance().clear()
        with self._in_users_words():
            self._hydra = Hydra.create_main_hydra2("ser", search_path)
            self.config = self._compose([])
            self._about = OmegaConf.to_container(self.config.hydra, resolve=False)
            self._folders = [Path(s.path) for s in self.config.hydra.runtime.config_sources if s.schema == "file"]
            self.mode: RunMode | None = self.config.hydra.mode  # what the config files say
            self.sweep_dir = str(self.config.hydra.sweep.dir)  # where the sweep's folder is, or is made

    @property
    def launcher(self) -> str:
        """The chosen one: `basic`, `joblib`, `submitit_local`, …"""
        return str(self._about["runtime"]["choices"]["hydra/launcher"])

    @property
    def launcher_settings(self) -> dict[str, Any]:
        """Its settings."""
        return _mapping(self._about["launcher"], "hydra.launcher")

    def settings(self) -> dict[str, Any]:
        """Those of the grid itself.

        Raises:
            UserError: A value where a node belongs, an interpolation that leads nowhere.
        """
        with self._in_users_words():
            config = OmegaConf.to_container(self.config)
        whole = whole_settings({key: value for key, value in config.items() if key != "hydra"}, self.name)
        with self._in_users_words():
            cfg, own = OmegaConf.create(whole), OmegaConf.create()
            for key in OF_THE_GRID:  # alone: whatever else a setting of the run interpolates may be of some jobs only
                value = OmegaConf.select(cfg, key)
                value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
                OmegaConf.update(own, key, value)
            return OmegaConf.to_container(own)

    def runs(self) -> list[SweepRun]:
        """Every combination, composed; of one that cannot be, the reason is kept.

        Raises:
            UserError: What is swept cannot be multiplied out.
        """
        values = self.values()
        return [self._composed(words, values) for words in product(*values.values())]

    def values(self) -> dict[str, list[str]]:
        """Key → its overrides, of which each combination has one.

        Raises:
            UserError: One that cannot be enumerated.
        """
        overrides = self._params() + self._typed
        for word in overrides:
            if word.is_sweep_override() and word.is_hydra_override():
                raise UserError(f"{word.input_line}: Hydra's own settings hold for the whole grid; give one value.")
        values = {word.get_key_element(): _values(word) for word in overrides if not word.is_hydra_override()}
        if prod(map(len, values.values())) > MOST:
            raise UserError(f"A grid of more than {MOST:,} combinations is too much. ser tune searches a part of it.")
        return values

    def launch(self, task: Callable, runs: Sequence[SweepRun], settings: Sequence[str]) -> None:
        """Hands jobs to the launcher and waits for it.

        Args:
            task: Called with each job's config, perhaps in another process: it can be pickled.
            runs: Which are launched; the task finds its own by `hydra.job.num`.
            settings: Overrides of Hydra's settings for this launch.
        """
        GlobalHydra.instance().clear()
        with self._in_users_words():
            config = self._compose(settings)
            context = HydraContext(config_loader=self._hydra.config_loader, callbacks=Callbacks(config))
            GlobalHydra.instance().initialize(self._hydra)
            launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
        try:
            launcher.launch([run.overrides for run in runs], initial_job_idx=0)
        finally:
            GlobalHydra.instance().clear()

    def _compose(self, settings: Sequence[str]) -> DictConfig:
        return self._hydra.compose_config(
            self._config_name, [*self._own, *settings], RunMode.MULTIRUN, validate_sweep_overrides=False
        )

    def _in_users_words(self) -> AbstractContextManager:
        return in_users_words(self.name, self._words, self._folders)

    def _params(self) -> list[Override]:
        """What a config file sweeps: `hydra.sweeper.params`."""
        sweeper = _mapping(self._about["sweeper"], "hydra.sweeper")
        if sweeper.get("_target_") != SWEEPER:
            raise UserError("ser train -m goes through a grid with Hydra's basic sweeper. To search, use ser tune.")
        with self._in_users_words():
            params = OmegaConf.to_container(OmegaConf.create({"params": sweeper.get("params")}), resolve=True)["params"]
        params = _mapping(params or {}, "hydra.sweeper.params")
        words = [f"{key}={_as_typed(value)}" for key, value in params.items()]
        return parse(as_hydra_takes_them(words, self.name, self._folders))

    def _composed(self, words: Sequence[str], values: Mapping[str, list[str]]) -> SweepRun:
        differing = [word for word, all_values in zip(words, values.values(), strict=True) if len(all_values) > 1]
        run = SweepRun(list(words), " ".join(differing or words) or "the default run")
        try:
            off = [word for word in words if word.endswith("=null")]
            taken = dict(zip(off, as_hydra_takes_them(off, self.name, self._folders), strict=True))
            run.overrides = [taken.get(word, word) for word in words]
            with in_users_words(self.name, run.overrides, self._folders):
                cfg = self._hydra.config_loader.load_sweep_config(self.config, run.overrides)
                HydraConfig.instance().set_config(cfg)
                with open_dict(cfg):
                    del cfg["hydra"]
            run.config = plain_config(cfg, self.name)
        except UserError as error:
            run.leave_out("bad", str(error))
        return run


def _values(word: Override) -> list[str]:
    """The overrides of one value each that a typed one stands for."""
    if not word.is_sweep_override():
        return [str(word.input_line)]
    if not word.is_discrete_sweep():
        raise UserError(
            f"A grid takes values, such as optimizer.lr=1e-3,1e-4, and an interval has too many ({word.input_line}). "
            "ser tune searches an interval."
        )
    try:
        found = list(islice(word.sweep_string_iterator(), MOST + 1))
    except (HydraException, ValueError) as error:  # a step of 0
        raise UserError(f"{word.input_line}: {error}.") from error
    if not found:
        raise UserError(f"{word.input_line} holds no value: the end itself does not belong to a range.")
    return [f"{word.get_key_element()}={text}" for text in found]


def _mapping(node: Any, where: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise UserError(f"{where}={node} takes the place of a whole node: it holds lines of 'key: value'.")
    return node


def _search_path(flags: Any) -> Any:
    """Where configs are looked for, `--config-dir` included, as Hydra's own main has it."""
    search_path = create_config_search_path(os.path.abspath(flags.config_path or config_folder()))
    if flags.config_dir is not None:
        folder = os.path.abspath(os.path.expanduser(flags.config_dir))
        if not os.path.isdir(folder):
            raise UserError(f"--config-dir {flags.config_dir}: there is no such folder ({folder}).")
        search_path.prepend("command-line", f"file://{folder}", anchor=SearchPathQuery(provider="schema"))
    return search_path


def _is_of_the_grid(word: Override) -> bool:
    if word.is_hydra_override():
        return True
    return f"{word.key_or_group}.".startswith(tuple(f"{key}." for key in OF_THE_GRID)) and not word.is_sweep_override()


def _as_typed(value: Any) -> str:
    """What stands in a file of `hydra.sweeper.params`, as it would be typed; a list is several values.

    >>> _as_typed([0, 1, 2]), _as_typed("mlp,cnn1d"), _as_typed(None)
    ('0,1,2', 'mlp,cnn1d', 'null')
    """
    if isinstance(value, list):
        return ",".join(map(_as_typed, value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
