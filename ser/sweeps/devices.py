"""How many jobs run side by side, and their threads and shares of a GPU."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ser.system.machine import num_cores, visible_gpus

ONE_AFTER_THE_OTHER = ("basic",)
ON_THIS_MACHINE = ("basic", "joblib", "submitit_local")
RUNS_PER_PROCESS = 12  # side by side on a GPU, which is at work then; processes would take turns on it
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
        together: Whether several jobs are threads of one process, and share what lies on its GPU.
        per_process: How many of them, at most.
        on_gpus: Whether jobs train on GPUs of this machine.
    """

    parallel: int | None
    threads: int | None
    slots: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    together: bool = False
    per_process: int = RUNS_PER_PROCESS
    on_gpus: bool = False

    def processes(self) -> list[tuple[str, ...]]:
        """Of jobs that are threads: the slots of each process, all on one GPU, about equally many."""
        on: dict[str, list[str]] = {}
        for slot, gpu in zip(self.slots, self.gpus or self.slots[:1] * len(self.slots), strict=True):
            on.setdefault(gpu, []).append(slot)
        counts = {gpu: -(-len(slots) // self.per_process) for gpu, slots in on.items()}
        return [tuple(slots[i :: counts[gpu]]) for gpu, slots in on.items() for i in range(counts[gpu])]

    def halved(self) -> "Packing":
        """Half as many jobs at a time on each GPU, and one at least."""
        kept: dict[str, list[int]] = {}
        for i, gpu in enumerate(self.gpus):
            kept.setdefault(gpu, []).append(i)
        places = sorted(i for of_gpu in kept.values() for i in of_gpu[: max(1, len(of_gpu) // 2)])
        slots, gpus = (tuple(values[i] for i in places) for values in (self.slots, self.gpus))
        return replace(self, parallel=len(places), slots=slots, gpus=gpus)

    def apart(self) -> "Packing":
        """As many jobs at a time, each in a process of its own."""
        threads = max(1, (self.threads or 1) * len(self.processes()) // len(self.slots))
        return replace(self, per_process=1, threads=threads)

    def in_words(self) -> str:
        """How many at a time, and whether each has a process of its own."""
        return f"{self.parallel} at a time{', each in a process of its own' if self.per_process == 1 else ''}"


def pack(
    launcher: str,
    asked: int | None,
    count: int,
    uses_gpu: bool,
    jobs_per_gpu: int,
    threads: int | None,
    per_process: int = RUNS_PER_PROCESS,
) -> Packing:
    """Divides this machine among jobs: processes of a launcher, or several threads for each GPU without one.

    Args:
        launcher: Hydra's name for it.
        asked: Jobs at a time that the user asked for, if any.
        count: Jobs there are.
        uses_gpu: Whether they train on a GPU where there is one.
        jobs_per_gpu: How many share a GPU.
        threads: The config's; null divides the cores.
        per_process: Jobs of one GPU that are threads of one process, at most.

    >>> pack("basic", None, 8, False, 1, None)
    Packing(parallel=1, threads=None, slots=(), gpus=(), together=False, per_process=12, on_gpus=False)
    """
    if launcher not in ON_THIS_MACHINE:
        return Packing(None, threads)
    gpus = visible_gpus() if uses_gpu else []
    together = launcher in ONE_AFTER_THE_OTHER
    if together and (jobs_per_gpu == 1 or count == 1 or not gpus):
        return Packing(1, threads, on_gpus=bool(gpus))
    places = [(f"gpu{gpu}.{copy}", gpu) for copy in range(jobs_per_gpu) for gpu in gpus]
    cores = num_cores()
    parallel = max(1, min(count, asked or len(places) or cores))
    if together:
        slots, names = zip(*places[:parallel], strict=True)
        found = Packing(parallel, threads, slots, names, together=True, per_process=per_process, on_gpus=True)
        return replace(found, threads=threads or max(1, cores // len(found.processes())))
    if gpus:
        return Packing(parallel, threads or max(1, cores // parallel), *zip(*places, strict=True), on_gpus=True)
    return Packing(parallel, threads or max(1, cores // parallel), tuple(f"cpu{i}" for i in range(parallel)))


def trains_on_gpu(trainer: dict[str, Any]) -> bool:
    """Whether a run takes a GPU where there is one."""
    return trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")


def shares_a_process(config: dict[str, Any]) -> bool:
    """Whether a run may have others beside it in its process: it sets nothing that the whole process has.

    Loggers but our own keep one run for the process. A profiler is one for it, and so are the search for the origin of
    a NaN and the type of new tensors, which Lightning sets in each step of a precision such as 64-true.
    """
    trainer, loggers = config["trainer"], (config.get("logger") or {}).values()
    precision = str(trainer.get("precision", "32-true"))
    plain = precision == "32-true" or not precision.endswith("-true")
    free = plain and not trainer.get("profiler") and not trainer.get("detect_anomaly")
    return free and all(str(node.get("_target_", "")).startswith("ser.reports.") for node in loggers)


def claim(packing: Packing, folder: Path, gpu_folder: Path, gives_up: Callable[[], bool] = lambda: False) -> str | None:
    """Claims a place for this process until it ends (or `release`), with one visible GPU; waits while all are taken.

    Places on GPUs are the machine's: sweeps started side by side share them. CUDA must not be in use yet.

    Args:
        packing: The places.
        folder: For locks of places on the CPU.
        gpu_folder: For locks of places on GPUs.
        gives_up: Whether to wait no longer.

    Returns:
        The place, or None where no claim is needed or it gave up.
    """
    if not packing.slots or _held:
        return next(iter(_held), None)
    return next(iter(claim_of(packing, packing.slots, 1, folder, gpu_folder, gives_up)), None)


def claim_of(
    packing: Packing, slots: Sequence[str], most: int, folder: Path, gpu_folder: Path,
    gives_up: Callable[[], bool] = lambda: False,
) -> list[str]:  # fmt: skip
    """Claims what is free of these places, all on one GPU, or the first that is; waits while all are taken.

    Args:
        packing, folder, gpu_folder: As of `claim`.
        slots: The places.
        most: How many are claimed.
        gives_up: As of `claim`; then none is claimed.
    """
    place = gpu_folder / socket.gethostname() if packing.gpus else folder
    place.mkdir(parents=True, exist_ok=True)
    while True:
        for slot in slots:
            lock = FileLock(place / f"{slot}.lock", thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            _held[slot] = lock
            if len(_held) == most:
                break
        if _held:
            break
        if gives_up():
            return []
        time.sleep(0.2)
    if packing.gpus:
        _visible_before[:] = [os.environ.get("CUDA_VISIBLE_DEVICES")]
        os.environ["CUDA_VISIBLE_DEVICES"] = packing.gpus[packing.slots.index(next(iter(_held)))]
    return list(_held)


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
