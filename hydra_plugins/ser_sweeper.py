"""`hydra/sweeper=ser`: grids of `ser train`, each combination tried before the first is trained (`ser.sweeps`).

Hydra finds this module by its place in `hydra_plugins`.
"""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@dataclass
class SerSweeperConf:
    """Settings of `hydra.sweeper`.

    Args:
        params: Key → values, as on the command line or as a list; what is typed takes their place.
    """

    _target_: str = "hydra_plugins.ser_sweeper.SerSweeper"
    params: Any = None


ConfigStore.instance().store(group="hydra/sweeper", name="ser", node=SerSweeperConf, provider="ser")


class SerSweeper(Sweeper):
    """Hands the grid to the app (`ser.commands.hydra_app.App`), which knows every override that was typed.

    The others than Hydra's own need not hold for all jobs: `model.hidden=[16]` beside `model=mlp,cnn1d` makes bad
    combinations, and no bad grid.

    Args:
        params: As in `SerSweeperConf`.
    """

    def __init__(self, params: Any):
        self.params = OmegaConf.to_container(params) if OmegaConf.is_config(params) else params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """What Hydra hands over before the sweep."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> None:
        """Goes through the grid; `arguments` are those of the grid as a whole, and among the app's."""
        from ser.commands.multirun import Multirun  # only where there is a grid

        app = self.task_function
        app.go_through(Multirun(app.name, self.hydra_context, self.config, app.words, self.params))
