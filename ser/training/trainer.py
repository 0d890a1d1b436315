"""Lightning's Trainer, built without its messages, and its errors explained."""

import logging
import os
import platform
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as L
import torch
from pytorch_lightning.accelerators import CUDAAccelerator
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console

from ser.errors import UserError
from ser.evaluation.ranking import falls
from ser.runs.settings import check_run_settings, devices_of
from ser.system.memory import is_out_of_memory
from ser.system.turns import is_shared
from ser.training.callbacks.averaging import AveragedWeights
from ser.training.callbacks.checkpoint_files import BackgroundCheckpoints
from ser.training.callbacks.checkpoints import Checkpoints
from ser.training.callbacks.curves import Curves
from ser.training.callbacks.interruption import Interruption
from ser.training.callbacks.progress import EpochProgress
from ser.training.callbacks.side_by_side import SideBySide
from ser.training.callbacks.steps import NoProfiler
from ser.training.loggers.run_loggers import RunLoggers


class SharedGPU(CUDAAccelerator):
    """A GPU on which other runs of the process compute: around each training Lightning would free what it takes for
    left over, and with it the memory that cuBLAS works in for the recorded steps of those runs. What torch keeps is
    left to `ser.system.memory`.
    """

    def setup(self, trainer: L.Trainer) -> None:
        """Frees nothing."""
        self.set_nvidia_flags(trainer.local_rank)

    def teardown(self) -> None:
        """Frees nothing."""


OURS = {  # Trainer arguments that this project sets (`ser.runs.settings.REFUSED`)
    "logger": False,  # `Curves` feeds the loggers once an epoch
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}

# Trainer arguments that `ser.training.module` acts on, since Lightning's manual optimization leaves them to it
IN_THE_MODULE = ("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm")


def build_trainer(
    config: dict[str, Any],
    checkpoints: Checkpoints,
    interruption: Interruption,
    loggers: RunLoggers | None,
    console: Console,
    others: Sequence[L.Callback] = (),
) -> L.Trainer:
    """The Trainer with this project's callbacks and others; `config["trainer"]` holds Lightning's own keys."""
    _silence_lightning()
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads memory before writing it
    callbacks: list[L.Callback] = [SideBySide()] if is_shared() else []
    callbacks += [interruption, checkpoints, EpochProgress(console, config["monitor"], shown=config["run"]["progress"])]
    if loggers is not None:
        callbacks.append(Curves(loggers))
    if config["ema"] is not None:
        callbacks.append(AveragedWeights(config["ema"]))
    callbacks += early_stopping(config)
    callbacks += others  # after the curves: the epoch in which a run is pruned has its point
    settings = {key: value for key, value in config["trainer"].items() if key not in (*IN_THE_MODULE, "profiler")}
    if is_shared() and training_device(config["trainer"]).type == "cuda":
        settings["accelerator"] = SharedGPU()
    return L.Trainer(
        **settings,
        **OURS,
        callbacks=callbacks,
        plugins=[
            BackgroundCheckpoints(),
            LightningEnvironment(),
        ],  # `ser.training.ranks` has assigned the ranks
        profiler=config["trainer"].get("profiler") or NoProfiler(),
        default_root_dir=checkpoints.last.parent,
    )


def early_stopping(config: dict[str, Any]) -> list[EarlyStopping]:
    """Ends training when the monitor has stopped improving, where configured."""
    patience = config["early_stopping"]["patience"]
    mode = "min" if falls(config["monitor"], config.get("lower_is_better", ())) else "max"
    # a metric that is undefined in some epoch is no improvement, and no end
    stop = {"patience": patience, "mode": mode, "check_finite": False}
    return [] if patience is None else [EarlyStopping(config["monitor"], **stop)]


def check_trainer(trainer: dict[str, Any]) -> None:
    """Refuses, before anything is read, settings that no Trainer accepts.

    Raises:
        UserError: An unknown key, an invalid value, or a missing device.
    """
    check_run_settings({"trainer": trainer})
    _check_device(trainer)
    _check_processes(trainer)
    _silence_lightning()
    try:
        L.Trainer(**trainer, **OURS, plugins=[LightningEnvironment()])  # ignores a cluster's environment
    except (ValueError, TypeError, MisconfigurationException) as error:  # `precision: bf16mixed`
        raise UserError(f"Lightning refuses these trainer settings: {error}") from error


@contextmanager
def mendable(config: dict[str, Any]) -> Iterator[None]:
    """Turns errors that the user can fix into `UserError`.

    Raises:
        UserError: GPU out of memory, or settings that Lightning refuses.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"The GPU ran out of memory with batch_size={config['batch_size']}. Lower it (and raise "
            "trainer.accumulate_grad_batches to keep the effective batch), take a smaller model or a shorter "
            "audio.duration_s, or use trainer=cpu."
        ) from error
    except MisconfigurationException as error:
        raise UserError(f"Lightning refuses these trainer settings: {error}") from error


def num_devices(trainer: dict[str, Any]) -> int:
    """The number of devices that share a batch."""
    asked = devices_of(trainer.get("devices", 1))
    if asked == -1:
        asked = torch.cuda.device_count() if _wants_gpu(trainer) else 1
    return max(1, asked if isinstance(asked, int) else len(asked)) * int(trainer.get("num_nodes", 1))


def training_device(trainer: dict[str, Any]) -> torch.device:
    """The device of this process, where features are computed and kept."""
    if _wants_gpu(trainer) and torch.cuda.is_available():
        rank, asked = int(os.environ.get("LOCAL_RANK", "0")), devices_of(trainer.get("devices", 1))
        return torch.device("cuda", asked[rank] if isinstance(asked, list) else rank)
    return torch.device("cpu")


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device, or that the system could free."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    with suppress(OSError, ValueError, AttributeError):  # a system without /proc, such as macOS
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 4 * 2**30


def device_name(trainer: dict[str, Any]) -> str:
    """The GPU's or the processor's name, and how many."""
    count = num_devices(trainer)
    times = f"{count} × " if count > 1 else ""
    if _wants_gpu(trainer) and torch.cuda.is_available():
        return times + torch.cuda.get_device_name(training_device(trainer))
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return times + line.split(":", 1)[1].strip()
    return times + (platform.processor() or platform.machine())


def _wants_gpu(trainer: dict[str, Any]) -> bool:
    accelerator = trainer.get("accelerator", "auto")
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())


def _check_device(trainer: dict[str, Any]) -> None:
    if trainer.get("accelerator") in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError(
            f"A GPU is asked for and {_why_no_gpu()}. Use trainer=cpu, or trainer=auto for the best available."
        )
    devices, available = trainer.get("devices", 1), torch.cuda.device_count()
    asked = devices_of(devices)
    if _wants_gpu(trainer):
        if (max(asked) + 1 if isinstance(asked, list) else asked) > available:
            raise UserError(f"trainer.devices={devices}, but this machine has {available} GPUs, counted from 0.")
    elif isinstance(asked, list) or (asked == -1 and devices != "auto"):
        raise UserError(f"trainer.devices={devices} names GPUs, and this run computes on a CPU: set trainer.devices=1.")


def _why_no_gpu() -> str:
    """Why torch has no GPU, such as a driver that is too old, in its own words."""
    if torch.version.cuda is None:
        return "this torch is built without CUDA"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f"torch finds no CUDA device ({str(error).partition('. ')[0].strip().rstrip('.')})"
    return "torch finds no CUDA device"


def unused_gpu(trainer: dict[str, Any]) -> list[str]:
    """A remark where `auto` takes the CPU of a machine whose GPU has a driver that this torch cannot use."""
    if trainer.get("accelerator", "auto") != "auto" or torch.cuda.is_available() or torch.version.cuda is None:
        return []
    why = _why_no_gpu()
    return [f"trained on the CPU: {why}"] if "too old" in why else []


def _check_processes(trainer: dict[str, Any]) -> None:
    """Several devices are as many processes, each started with the same command line."""
    strategy = str(trainer.get("strategy", "auto"))
    if any(word in strategy for word in ("spawn", "fork", "notebook")):
        raise UserError(f"trainer.strategy={strategy} is not supported: each rank is a command of its own. Take ddp.")
    if num_devices(trainer) > 1 and hasattr(sys, "ps1"):
        raise UserError(
            "A notebook or an interactive Python cannot be a rank of several devices. Start `ser train …` from a "
            "shell (in a notebook: !ser train …), or take trainer.devices=1."
        )


def _silence_lightning() -> None:
    """No banners, tips or hints about workers, which are not used; and no search for a GPU in each step."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("pytorch_lightning", "lightning_fabric", "torch.optim.lr_scheduler"):
        warnings.filterwarnings("ignore", module=rf"{module}.*")
    if not torch.cuda.is_available():
        # Lightning sets it for the sake of forked processes on machines with a GPU; without one, optimizers search for
        # the driver's library anew in every step
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
