"""Several runs at once in one process: a thread for each, one copy of corpus and features for all.

Kernels of small models leave most of a GPU idle, and only those of one process run side by side. Each thread trains on
a CUDA stream of its own; what is not an epoch, threads do one after the other (`ser.system.turns`). A GPU has one such
process, or several where more than `RUNS_PER_PROCESS` are asked for.
"""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from ser.sweeps import outcomes
from ser.sweeps.devices import claim_of
from ser.sweeps.runs import SweepRun
from ser.sweeps.task import LOOK_S, Launch, is_told_to_stop, leave_ctrl_c_to_the_sweep, run_job, stop_jobs
from ser.system.memory import keep_freed_gpu_memory
from ser.system.turns import share_process

OF_A_PROCESS = ("deterministic", "benchmark")  # settings of a Trainer that hold for all threads
ENDING_S = 4.0  # from when jobs are asked to stop: less than their sweep has itself (`ser.system.stopping`)
SWITCH_S = 5e-4  # a thread that computes in Python lets others go on after this; Python's 5 ms are a few steps of them


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that waits for jobs.

    Args:
        process: It.
        said: What it prints before it knows where to.
    """

    process: subprocess.Popen
    said: IO[bytes]

    @classmethod
    def started(cls) -> "Worker":
        """A new one, with what this process imports, whatever else lies in the working folder (-P)."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-P", "-m", "ser.sweeps.side_by_side"]
        said = TemporaryFile()  # noqa: SIM115 - as long as the process
        return cls(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment), said)


class Workers:
    """Processes that import what trains a run while the sweep is planned, and wait for jobs.

    Args:
        count: Of those that are started now.
    """

    def __init__(self, count: int = 0):
        self._idle = [Worker.started() for _ in range(count)]

    def given(self, jobs: Any) -> Worker:
        """A worker that has taken these."""
        while True:
            waiting = [worker for worker in self._idle if worker.process.poll() is None]
            worker, self._idle = (waiting[0], waiting[1:]) if waiting else (Worker.started(), [])
            try:
                with worker.process.stdin as pipe:
                    pickle.dump(jobs, pipe)
                return worker
            except BrokenPipeError:
                if not waiting:  # a new one, of which more is heard when it is waited for
                    return worker

    def end_idle(self) -> None:
        """Ends those that were not needed."""
        for worker in self._idle:
            worker.process.terminate()
            worker.process.communicate()
        self._idle = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception: object) -> None:
        self.end_idle()


def launch_side_by_side(launch: Launch, runs: Sequence[SweepRun], workers: Workers) -> None:
    """Gives the jobs of a launch to processes and waits for them.

    Args:
        launch: Its settings.
        runs: In the order of `launch.identities`.
        workers: Whose processes are taken.

    Raises:
        ChildProcessError: One was ended from outside, or by an error that is no run's.
    """
    alike: dict[tuple, list[tuple[int, dict[str, Any]]]] = {}
    for number, run in enumerate(runs):
        settings = tuple(run.config["trainer"].get(key) for key in OF_A_PROCESS)
        alike.setdefault(settings, []).append((number, run.config))
    errors: list[ChildProcessError] = []
    for jobs in alike.values():
        try:
            _launch(launch, jobs, workers)
        except ChildProcessError as error:  # others have processes of their own
            errors.append(error)
    if errors:
        raise errors[0]


def _launch(launch: Launch, jobs: Sequence[tuple[int, dict[str, Any]]], workers: Workers) -> None:
    started: list[tuple[Worker, Path]] = []
    try:
        for i, slots in enumerate(launch.packing.processes()[: len(jobs)]):
            output = launch.sweep / outcomes.FOLDER / f"process_{i}.txt"
            output.touch()
            started.append((workers.given((launch, jobs, slots, output)), output))
        ended = [(worker.process.wait(), worker, output) for worker, output in started]
    finally:
        for worker, _ in started:
            worker.process.terminate()  # where this process ends before them; one that has ended is left alone
    for code, worker, output in ended:
        if code:
            worker.said.seek(0)
            with output.open("ab") as file:
                file.write(worker.said.read())
            raise ChildProcessError(f"a process of several runs ended with code {code}: {output}")


def main() -> int:
    """The process: takes jobs that no other has, until there are none; 1 where a thread failed."""
    leave_ctrl_c_to_the_sweep()
    _import_what_trains()
    try:
        launch, jobs, slots, output = pickle.load(sys.stdin.buffer)  # from the process that started this one
    except EOFError:  # which has ended
        return 0
    with output.open("a", encoding="utf-8") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    signal.signal(signal.SIGTERM, lambda *_: stop_jobs())
    folder = launch.sweep / outcomes.FOLDER
    places = claim_of(launch.packing, slots, len(slots), folder, launch.cache / "gpus", lambda: _is_over(launch))
    if len(places) > 1:
        share_process()
        keep_freed_gpu_memory()
        sys.setswitchinterval(SWITCH_S)
    waiting, failed = iter(jobs), []
    threads = [threading.Thread(target=_train, args=(launch, waiting, failed), daemon=True) for _ in places]
    for thread in threads:
        thread.start()
    over = None
    while any(thread.is_alive() for thread in threads):
        time.sleep(LOOK_S)
        if over is None and _is_over(launch):
            over = time.monotonic()
        if over is not None and time.monotonic() - over > ENDING_S:
            os._exit(1)  # files are whole or not there, and locks end with the process
    return int(bool(failed))


def _import_what_trains() -> None:
    """Imports while the sweep is planned; what they leave in memory is no garbage, and is not searched for any."""
    import ser.training.results
    import ser.training.train  # noqa: F401

    gc.collect()
    gc.freeze()


def _is_over(launch: Launch) -> bool:
    """Whether jobs are to stop: the sweep asks for it, or is gone, or this process was told to."""
    return outcomes.asked_to_stop(launch.sweep) or os.getppid() != launch.parent or is_told_to_stop()


def _train(launch: Launch, waiting: Iterator[tuple[int, dict[str, Any]]], failed: list[Exception]) -> None:
    """One thread: job after job, until none is left or the GPU does not take it."""
    import torch

    try:
        with torch.cuda.stream(torch.cuda.Stream()) if torch.cuda.is_available() else nullcontext():
            for number, config in waiting:
                identity = launch.identities[number]
                if _is_over(launch) or not outcomes.take(launch.sweep, identity):
                    continue
                run_job(config, number, launch)
                gc.collect()  # of a run that failed, with its graphs
                if outcomes.read_outcome(launch.sweep, identity)[1] in (outcomes.NO_ROOM, outcomes.GPU_FAILED):
                    return
    except Exception as error:
        traceback.print_exc()
        failed.append(error)


if __name__ == "__main__":
    sys.exit(main())
