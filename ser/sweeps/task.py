"""One job of a sweep, in the sweep's own process, in a worker, or on another machine."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.errors import Held, Interrupted, UserError
from ser.sweeps import outcomes
from ser.sweeps.devices import Packing, claim, trains_on_gpu
from ser.system.turns import alone, others_go_on

LOOK_S = 0.5  # seconds between two looks at whether to stop
_scans = None  # of this process: a worker runs many jobs
_busy = threading.Event()  # whether one of them is at work
_told_to_stop = threading.Event()  # all jobs of this process
_gpu_failed = threading.Event()  # whatever its jobs do then


@dataclass(frozen=True, slots=True)
class Launch:
    """The settings of a launch, pickled with each job.

    Args:
        sweep: The sweep's folder.
        identities: Of the runs, by the number that the launcher gives them.
        packing: How jobs share this machine.
        cache: The folder for locks of GPUs.
        here: Whether jobs run in the sweep's own process, one after the other.
        parent: The process that jobs end with, or None where they outlive it.
    """

    sweep: Path
    identities: tuple[str, ...]
    packing: Packing
    cache: Path
    here: bool
    parent: int | None


def run_job(config: dict[str, Any], number: int, launch: Launch) -> float | None:
    """Trains a run, or finds it finished; its state is recorded in its directory and in the sweep's folder.

    Args:
        config: Resolved, as plain data.
        number: Of the job in the launch.
        launch: The settings of the launch.

    Returns:
        The monitored metric, or None.

    Raises:
        Interrupted: In the sweep's own process, which ends with it.
    """
    identity = launch.identities[number]
    if not launch.here and not launch.packing.together:
        leave_ctrl_c_to_the_sweep()
    _busy.set()
    try:
        return _run_job(config, identity, launch)
    finally:
        _busy.clear()


def _run_job(config: dict[str, Any], identity: str, launch: Launch) -> float | None:
    sweep, together = launch.sweep, launch.packing.together

    def is_over() -> bool:
        return outcomes.asked_to_stop(sweep) or is_told_to_stop()

    if not is_over() and not together and (not launch.packing.gpus or trains_on_gpu(config["trainer"])):
        claim(launch.packing, sweep / outcomes.FOLDER, launch.cache / "gpus", is_over)
    if is_over():
        return None
    outcomes.note(sweep, identity, "running")
    with _output_to(outcomes.output_of(sweep, identity), redirected=not together) as file:
        try:
            value = _train(config, identity, launch, file)
        except Interrupted:
            outcomes.note(sweep, identity, "stopped")
            if launch.here:
                raise
            return None
        except Exception as error:
            if why := _beside_others(error, launch.packing):
                outcomes.note(sweep, identity, "stopped", why)
                return None
            traceback.print_exc(file=file) if _wants_traceback(error) else print(f"Error: {error}", file=file)
            lines = str(error).splitlines() or [""]
            named = lines[0] if isinstance(error, UserError) else f"{type(error).__name__}: {lines[0]}"
            outcomes.note(sweep, identity, "failed", named)
            return None
    outcomes.note(sweep, identity, "finished")
    return value


def leave_ctrl_c_to_the_sweep() -> None:
    """A terminal sends Ctrl-C to workers too: one between two jobs ignores it, and the sweep asks it to stop."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def begin_worker(parent: int) -> None:
    """What a joblib worker does before its first job: it ends when the sweep's process was killed.

    An idle worker ends at once, one with a job after that has stopped, or has waited for its place. It would wait for
    its next job for ever, and keep its place on the GPU.

    Args:
        parent: The sweep's process.
    """
    leave_ctrl_c_to_the_sweep()

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        stop_jobs()
        while _busy.is_set():
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _beside_others(error: Exception, packing: Packing) -> str:
    """Why a job may end well with fewer others, or without them, on its GPU; empty where it fails in any case."""
    import torch

    from ser.system.memory import is_out_of_memory
    from ser.training.cuda_graphs import BrokenCapture

    causes = (error, error.__cause__)
    if any(map(is_out_of_memory, causes)):
        return outcomes.NO_ROOM if packing.gpus and packing.halved() != packing else ""
    if packing.per_process == 1 or not packing.together:
        return ""
    if any(isinstance(cause, torch.AcceleratorError | BrokenCapture) for cause in causes):
        _gpu_failed.set()
    return outcomes.GPU_FAILED if _gpu_failed.is_set() else ""


def stop_jobs() -> None:
    """Asks all jobs of this process to stop; those of others go on."""
    _told_to_stop.set()


def is_told_to_stop() -> bool:
    """Whether they are asked to."""
    return _told_to_stop.is_set()


def _wants_traceback(error: Exception) -> bool:
    return not isinstance(error, UserError) or bool(os.environ.get("SER_TRACEBACK"))


def _train(config: dict[str, Any], identity: str, launch: Launch, file: Any) -> float | None:
    import torch
    from rich.console import Console

    from ser.sweeps.scans import Scans
    from ser.training.callbacks.interruption import Interruption
    from ser.training.job import find_job
    from ser.training.train import train

    global _scans
    _scans = Scans() if _scans is None or launch.here else _scans
    interruption = Interruption()
    with interruption.listening(), _watched(launch, interruption), alone():
        interruption.raise_if_asked()
        if launch.packing.threads and not config["run"]["threads"]:
            torch.set_num_threads(launch.packing.threads)
        job = find_job(config, alone=False, scan=_scans)
        if job.directory.identity != identity:
            raise UserError(
                f"The recordings are not those that the sweep was planned with (the run is {job.directory.identity} "
                f"and was {identity}). Start the sweep again."
            )
        while True:
            _wait_for_others(job.directory, launch.sweep)
            try:
                return train(job, interruption, Console(file=file, width=120)).get(config["monitor"])
            except Held:  # another process was quicker
                if outcomes.asked_to_stop(launch.sweep):
                    raise


def _wait_for_others(directory: Any, sweep: Path) -> None:
    """Waits for a run that another process trains; it is then found finished, or continued."""
    while directory.held() and not outcomes.asked_to_stop(sweep):
        with others_go_on():
            time.sleep(LOOK_S)


@contextmanager
def _output_to(path: Path, redirected: bool) -> Iterator[Any]:
    """A job's file; what is printed inside the block goes there too, where the process has one job at a time."""
    with path.open("w", encoding="utf-8", buffering=1) as file, ExitStack() as stack:
        if redirected:
            stack.enter_context(redirect_stdout(file))
            stack.enter_context(redirect_stderr(file))
        yield file


@contextmanager
def _watched(launch: Launch, interruption: Any) -> Iterator[None]:
    """Stops the job, as by a signal, when the sweep asks for it or its process is gone."""
    if launch.here:
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(launch, interruption, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _watch(launch: Launch, interruption: Any, done: threading.Event) -> None:
    child = launch.parent is not None and os.getppid() == launch.parent
    while not done.wait(LOOK_S):
        orphaned = child and os.getppid() != launch.parent
        if orphaned or outcomes.asked_to_stop(launch.sweep) or is_told_to_stop():
            if launch.packing.together:
                interruption.ask(signal.SIGTERM)
            elif interruption.signum is None:  # a signal from the terminal reaches all processes by itself
                os.kill(os.getpid(), signal.SIGTERM)
            return
