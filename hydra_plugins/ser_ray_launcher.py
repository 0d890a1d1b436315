"""`hydra/launcher=ray`: the jobs of a grid as tasks of Ray, on this machine or on a running cluster.

Hydra finds this module by its place in `hydra_plugins`; Ray is imported when jobs are launched.
"""

import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ser.errors import UserError


@dataclass
class RayLauncherConf:
    """Settings of `hydra.launcher`.

    Args:
        init: Arguments of `ray.init`, e.g. {address: auto} for a running cluster; none: a local Ray for this sweep
            only, which ends with it.
        remote: Options of `ray.remote` for each job.
    """

    _target_: str = "hydra_plugins.ser_ray_launcher.RayLauncher"
    init: dict[str, Any] = field(default_factory=dict)
    # the sweep itself relaunches killed jobs, and counts
    remote: dict[str, Any] = field(default_factory=lambda: {"num_cpus": 1, "max_retries": 0})


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayLauncherConf, provider="ser")


QUIET = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}


class RayLauncher(Launcher):
    """Launches each job as one task, and waits for all of them.

    Args:
        init: As in `RayLauncherConf`.
        remote: As in `RayLauncherConf`.
    """

    def __init__(self, init: dict[str, Any], remote: dict[str, Any]):
        self.init, self.remote = dict(init), dict(remote)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Receives Hydra's context before the launch."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs all jobs to their end; one whose process is killed does not affect the others.

        Raises:
            UserError: Ray is not installed.
            Exception: Of the first job that Ray could not finish, after all others have ended.
        """
        try:
            import ray
        except ImportError as error:
            raise UserError("hydra/launcher=ray needs the package ray: pip install 'ser[ray]'") from error
        setup_globals()
        with _signals_kept():  # Ray would end this process on SIGTERM, before jobs came to an orderly end
            ray.init(**(QUIET | self.init))
        try:
            task = ray.remote(**self.remote)(_run)
            state = Singleton.get_state()
            jobs = [
                task.remote(
                    initial_job_idx + i, list(words), self.hydra_context, self.config, self.task_function, state
                )
                for i, words in enumerate(job_overrides)
            ]
            ended = [_result(ray, job) for job in jobs]
        finally:
            ray.shutdown()
        for job in ended:
            if isinstance(job, Exception):
                raise job
        return ended


def _result(ray: Any, job: Any) -> JobReturn | Exception:
    try:
        return ray.get(job)
    except ray.exceptions.RayError as error:
        return error


def _run(
    number: int, overrides: list[str], context: HydraContext, config: DictConfig, task: TaskFunction, state: Any
) -> JobReturn:
    """One job, in a process of Ray's, as Hydra's own launchers run it."""
    setup_globals()
    Singleton.set_state(state)
    job = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job):
        job.hydra.job.id = job.hydra.job.num = number
    HydraConfig.instance().set_config(job)
    return run_job(
        hydra_context=context, config=job, task_function=task, job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )  # fmt: skip


class _signals_kept:
    """Restores the handlers of Ctrl-C and SIGTERM after the block."""

    def __enter__(self) -> None:
        self.main = threading.current_thread() is threading.main_thread()
        self.before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *error: object) -> None:
        for signum, handler in self.before.items() if self.main else ():
            signal.signal(signum, handler)
