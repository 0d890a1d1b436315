"""A grid as Hydra's sweeper has it: overrides multiplied out, each combination composed, jobs handed to the launcher.

Hydra's own sweeper takes a product and trains it. Here what is trained of it is decided in between (`ser.sweeps`); the
launchers are Hydra's and its plugins', unchanged.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from ser.commands.hydra_app import plain_config
from ser.commands.mistakes import in_users_words
from ser.commands.nodes import whole_settings
from ser.commands.overrides import OF_THE_GRID, as_hydra_takes_them, parse
from ser.errors import UserError
from ser.sweeps.runs import SweepRun

MOST = 100_000  # combinations of a grid


class Multirun:
    """A grid.

    Args:
        name: Of the top file: `train`.
        context: Hydra's, whose loader composes.
        config: What holds for the grid as a whole.
        words: Overrides as typed, swept ones and those that only some jobs can take among them.
        params: Key → values, from a config file.
    """

    def __init__(self, name: str, context: HydraContext, config: DictConfig, words: Sequence[str], params: Any):
        self.name, self.config = name, config
        self._context, self._words = context, list(words)
        self._params = _mapping({} if params is None else params, "hydra.sweeper.params")
        self._folders = [Path(s.path) for s in config.hydra.runtime.config_sources if s.schema == "file"]

    @property
    def launcher(self) -> str:
        """The chosen one: `basic`, `joblib`, `submitit_local`, …"""
        return str(self.config.hydra.runtime.choices["hydra/launcher"])

    @property
    def launcher_settings(self) -> dict[str, Any]:
        """Its settings."""
        return _mapping(OmegaConf.to_container(self.config.hydra)["launcher"], "hydra.launcher")

    @property
    def sweep_dir(self) -> str:
        """Where the sweep's folder is, or is made."""
        with self._in_users_words():
            return str(self.config.hydra.sweep.dir)

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
        swept = [f"{key}={_as_typed(value)}" for key, value in self._params.items()]
        overrides = parse([*as_hydra_takes_them(swept, self.name, self._folders), *self._words])
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
        with self._in_users_words():
            config = self._load([*self.config.hydra.overrides.task, *settings])
            launcher = Plugins.instance().instantiate_launcher(self._context, task, config)
        launcher.launch([run.overrides for run in runs], initial_job_idx=0)

    def _load(self, words: Sequence[str]) -> DictConfig:
        """The config of the grid, of Hydra's own settings, with other overrides."""
        return self._context.config_loader.load_sweep_config(self.config, list(words))

    def _in_users_words(self) -> AbstractContextManager:
        return in_users_words(self.name, self._words, self._folders)

    def _composed(self, words: Sequence[str], values: Mapping[str, list[str]]) -> SweepRun:
        differing = [word for word, all_values in zip(words, values.values(), strict=True) if len(all_values) > 1]
        run = SweepRun(list(words), " ".join(differing or words) or "the default run")
        try:
            off = [word for word in words if word.endswith("=null")]
            taken = dict(zip(off, as_hydra_takes_them(off, self.name, self._folders), strict=True))
            run.overrides = [taken.get(word, word) for word in words]
            with in_users_words(self.name, run.overrides, self._folders):
                cfg = self._load(run.overrides)
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
