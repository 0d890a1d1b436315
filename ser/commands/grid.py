"""The grid behind `ser train -m` and `ser crossval`: handed over by Hydra's sweeper, gone through by `ser.sweeps`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ser.system.config_folder import config_folder

if TYPE_CHECKING:
    from ser.commands.multirun import Multirun
    from ser.sweeps.task import Launch


@dataclass(frozen=True, slots=True)
class Task:
    """What a launcher calls for each job, in this process or another: it can be pickled.

    Args:
        launch: What jobs are told.
        folder: The working folder: what configs name by a relative path lies there.
    """

    launch: "Launch"
    folder: str

    def __call__(self, cfg) -> float | None:
        """Trains the job that Hydra composed."""
        from hydra.core.hydra_config import HydraConfig

        from ser.commands.hydra_app import plain_config
        from ser.sweeps.task import run_job

        if not self.launch.here and os.path.isdir(self.folder):
            os.chdir(self.folder)
        return run_job(plain_config(cfg, "train"), int(HydraConfig.get().job.num), self.launch)


def train_grid(grid: "Multirun", arguments: Sequence[str]) -> int:
    """Trains what is missing of a grid; 1 where a job failed.

    Args:
        grid: As Hydra has it.
        arguments: As typed behind `ser train`.

    Raises:
        UserError: From the command line, the plan, or the launcher's settings.
    """
    from ser.runs.settings import check_run_settings

    own = grid.settings()
    check_run_settings(own)

    from ser.sweeps.devices import ONE_AFTER_THE_OTHER
    from ser.sweeps.side_by_side import Workers, launch_side_by_side

    beside = own["sweep"]["jobs_per_gpu"] > 1 and grid.launcher in ONE_AFTER_THE_OTHER and not own["run"]["dry_run"]
    workers = Workers(int(beside))  # imports while this process does

    from ser.sweeps.launchers import settings_for
    from ser.sweeps.sweep import SweepOptions, sweep

    options = SweepOptions(
        skip=own["sweep"]["skip"],
        bad=own["sweep"]["bad"],
        dry_run=own["run"]["dry_run"],
        progress=own["run"]["progress"],
        threads=own["run"]["threads"],
        jobs_per_gpu=own["sweep"]["jobs_per_gpu"],
        launcher=grid.launcher,
        launcher_settings=grid.launcher_settings,
        folder=_own_folder(grid.sweep_dir),
        command=("ser", "train", *arguments),
    )

    def launch(about: "Launch", runs) -> None:
        if about.packing.together:
            launch_side_by_side(about, runs, workers)
            return
        workers.end_idle()
        words = settings_for(options.launcher, options.launcher_settings, about.packing, about.sweep)
        grid.launch(Task(about, os.getcwd()), runs, words)

    with workers:
        return sweep(grid.runs(), options, launch)


def _own_folder(sweep_dir: str) -> Path | None:
    """`hydra.sweep.dir` where the user set it, else None."""
    import yaml

    default = yaml.safe_load((config_folder() / "train.yaml").read_text(encoding="utf-8"))["hydra"]["sweep"]["dir"]
    return None if sweep_dir == default else Path(sweep_dir).expanduser().absolute()
