"""How many jobs run side by side, and their threads and shares of a GPU."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ser.system.machine import num_cores, visible_gpus

ONE_AFTER_THE_OTHER = ("basic",)
ON_THIS_MACHINE = ("basic", "joblib", "submitit_local")
_held: dict[str, FileLock] = {}  # by place: of this process
_visible_before: list[str | None] = []  # CUDA_VISIBLE_DEVICES before a place was claimed


@dataclass(frozen=True, slots=True)
class Packing:
    """How jobs share a machine.

    Args:
        parallel: Jobs at a time; None where a cluster decides.
        threads: CPU threads of a job; None leaves torch its choice.
        slots: Names of the places for jobs, `gpu0.1`: the second place on GPU 0; `cpu3`. Empty: no claims needed.
        gpus: `CUDA_VISIBLE_DEVICES` for each slot; empty for places on the CPU.
    """

    parallel: int | None
    threads: int | None
    slots: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()


def pack(
    launcher: str, asked: int | None, count: int, uses_gpu: bool, jobs_per_gpu: int, threads: int | None
) -> Packing:
    """Divides this machine among jobs.

    Args:
        launcher: Hydra's name for it.
        asked: Jobs at a time that the user asked for, if any.
        count: Jobs there are.
        uses_gpu: Whether they train on a GPU where there is one.
        jobs_per_gpu: How many share a GPU.
        threads: The config's; null divides the cores.

    >>> pack("basic", None, 8, False, 1, None)
    Packing(parallel=1, threads=None, slots=(), gpus=())
    """
    if launcher in ONE_AFTER_THE_OTHER:
        return Packing(1, threads)
    if launcher not in ON_THIS_MACHINE:
        return Packing(None, threads)
    gpus = visible_gpus() if uses_gpu else []
    places = [(f"gpu{gpu}.{copy}", gpu) for copy in range(jobs_per_gpu) for gpu in gpus]
    cores = num_cores()
    parallel = max(1, min(count, asked or len(places) or cores))
    if gpus:
        return Packing(parallel, threads or max(1, cores // parallel), *zip(*places, strict=True))
    return Packing(parallel, threads or max(1, cores // parallel), tuple(f"cpu{i}" for i in range(parallel)))


def trains_on_gpu(trainer: dict[str, Any]) -> bool:
    """Whether a run takes a GPU where there is one."""
    return trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")


def claim(packing: Packing, folder: Path, gpu_folder: Path) -> str | None:
    """Claims a place for this process until it ends (or `release`), with one visible GPU; waits while all are taken.

    Places on GPUs are the machine's: sweeps started side by side share them. CUDA must not be in use yet.

    Args:
        packing: The places.
        folder: For locks of places on the CPU.
        gpu_folder: For locks of places on GPUs.

    Returns:
        The place, or None where no claim is needed.
    """
    if not packing.slots or _held:
        return next(iter(_held), None)
    place = gpu_folder / socket.gethostname() if packing.gpus else folder
    place.mkdir(parents=True, exist_ok=True)
    while True:
        for i, slot in enumerate(packing.slots):
            lock = FileLock(place / f"{slot}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            _held[slot] = lock
            if packing.gpus:
                _visible_before[:] = [os.environ.get("CUDA_VISIBLE_DEVICES")]
                os.environ["CUDA_VISIBLE_DEVICES"] = packing.gpus[i]
            return slot
        time.sleep(0.2)


def release() -> None:
    """Releases this process's place, when a sweep that trained in its own process is over."""
    for lock in _held.values():
        lock.release()
    _held.clear()
    for before in _visible_before:
        os.environ.pop("CUDA_VISIBLE_DEVICES")
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
    _visible_before.clear()
