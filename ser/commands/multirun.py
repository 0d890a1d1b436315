"""A grid as Hydra sees it: overrides multiplied out, each combination composed, and jobs handed to the launcher.

Hydra's own sweeper takes a product and trains it. Here the product is made by the same code, and what is trained of it
is decided in between; the launchers are Hydra's and its plugins', unchanged.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf, open_dict

from ser.commands.hydra_app import flags_first, in_users_words, plain_config
from ser.errors import UserError
from ser.sweeps.runs import SweepRun
from ser.system.config_folder import config_folder

SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
# settings of the grid itself, needed before there is a job; all others may belong to a part that only some jobs have
OF_THE_GRID = ("experiment", "jobs_per_gpu", "threads", "progress", "dry_run", "sweep")
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
    with in_users_words(name, list(arguments)):
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
        self.name, self.arguments = name, list(arguments)
        flags = get_args(flags_first(self.arguments))
        self._config_name = flags.config_name or name
        GlobalHydra.instance().clear()
        with in_users_words(name, self.arguments):
            self._hydra = Hydra.create_main_hydra2("ser", _search_path(flags))
            self._typed = OverridesParser.create().parse_overrides(flags.overrides)
            self._own = [word.input_line for word in self._typed if _is_of_the_grid(word)]
            self.config = self._compose([])

    @property
    def mode(self) -> RunMode | None:
        """What the config files say, or None."""
        return self.config.hydra.mode

    @property
    def launcher(self) -> str:
        """The chosen one: `basic`, `joblib`, `submitit_local`, …"""
        return str(self.config.hydra.runtime.choices["hydra/launcher"])

    @property
    def launcher_settings(self) -> dict[str, Any]:
        """Its settings."""
        return OmegaConf.to_container(self.config.hydra.launcher, resolve=False)

    @property
    def sweep_dir(self) -> str:
        """Where the sweep's folder is, or is made."""
        return str(self.config.hydra.sweep.dir)

    def runs(self) -> list[SweepRun]:
        """Every combination, composed; of one that cannot be, the reason is kept.

        Raises:
            UserError: What is swept cannot be multiplied out.
        """
        overrides = self._params() + self._typed
        swept = {word.get_key_element() for word in overrides if word.is_sweep_override()}
        for word in overrides:
            if word.is_sweep_override() and word.is_hydra_override():
                raise UserError(f"{word.input_line}: Hydra's own settings hold for the whole grid; give one value.")
        try:
            (combinations,) = BasicSweeper.split_arguments(
                [word for word in overrides if not word.is_hydra_override()], None
            )
        except HydraException:
            spans = ", ".join(word.input_line for word in overrides if word.is_sweep_override())
            raise UserError(
                f"A grid takes values, such as optimizer.lr=1e-3,1e-4, and an interval has too many ({spans}). "
                "ser tune searches an interval."
            ) from None
        return [self._composed(list(words), swept) for words in combinations]

    def launch(self, task: Callable, runs: Sequence[SweepRun], settings: Sequence[str]) -> None:
        """Hands jobs to the launcher and waits for it.

        Args:
            task: Called with each job's config, perhaps in another process: it can be pickled.
            runs: Which are launched; the task finds its own by `hydra.job.num`.
            settings: Overrides of Hydra's settings for this launch.
        """
        config = self._compose(settings)
        context = HydraContext(config_loader=self._hydra.config_loader, callbacks=Callbacks(config))
        GlobalHydra.instance().clear()
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

    def _params(self) -> list[Override]:
        """What a config file sweeps: `hydra.sweeper.params`."""
        sweeper = self.config.hydra.sweeper
        if sweeper.get("_target_") != SWEEPER:
            raise UserError("ser train -m goes through a grid with Hydra's basic sweeper. To search, use ser tune.")
        params = OmegaConf.to_container(sweeper.params, resolve=True) if sweeper.params else {}
        words = [f"{key}={_as_typed(value)}" for key, value in params.items()]
        with in_users_words(self.name, self.arguments):
            return OverridesParser.create().parse_overrides(words)

    def _composed(self, overrides: list[str], swept: set[str]) -> SweepRun:
        label = " ".join(word for word in overrides if word.partition("=")[0] in swept)
        run = SweepRun(overrides, label or " ".join(overrides) or "the default run")
        words = [word for word in overrides if not word.startswith("-")]
        try:
            with in_users_words(self.name, words):
                cfg = self._hydra.config_loader.load_sweep_config(self.config, overrides)
            chosen = cfg.hydra.runtime.choices
            HydraConfig.instance().set_config(cfg)
            with open_dict(cfg):
                del cfg["hydra"]
            run.config = plain_config(cfg, chosen)
        except UserError as error:
            run.leave_out("bad", str(error))
        return run


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
    return word.key_or_group.split(".")[0] in OF_THE_GRID and not word.is_sweep_override()


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
