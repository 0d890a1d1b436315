"""Several runs at once in one process: a thread for each, one copy of corpus and features for all.

Kernels of small models leave most of a GPU idle, and only those of one process run side by side. Each thread trains on
a CUDA stream of its own; what is not an epoch, threads do one after the other (`ser.system.turns`). A GPU has a few
such processes, since Python's threads take turns too.
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
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from ser.sweeps import outcomes
from ser.sweeps.devices import claim_of
from ser.sweeps.runs import SweepRun
from ser.sweeps.task import LOOK_S, Launch, is_told_to_stop, leave_ctrl_c_to_the_sweep, run_job, stop_jobs
from ser.system.turns import share_process

OF_A_PROCESS = ("deterministic", "benchmark")  # settings of a Trainer that hold for all threads
ENDING_S = 4.0  # from when jobs are asked to stop: less than their sweep has itself (`ser.system.stopping`)
SWITCH_S = 5e-4  # a thread that computes in Python lets others go on after this; Python's 5 ms are a few steps of them


class Workers:
    """Processes that import what trains a run while the sweep is planned, and wait for jobs."""

    def __init__(self, count: int = 0):
        self._idle = [_start() for _ in range(count)]

    def take(self) -> subprocess.Popen:
        """One that has no jobs yet."""
        return self._idle.pop() if self._idle else _start()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends those that were not needed."""
        for process in self._idle:
            process.terminate()
            process.communicate()


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
    for jobs in alike.values():
        _launch(launch, jobs, workers)


def _launch(launch: Launch, jobs: Sequence[tuple[int, dict[str, Any]]], workers: Workers) -> None:
    started: list[tuple[subprocess.Popen, Path]] = []
    try:
        for i, slots in enumerate(launch.packing.processes()[: len(jobs)]):
            output = launch.sweep / outcomes.FOLDER / f"process_{i}.txt"
            output.touch()
            started.append((workers.take(), output))
            with suppress(BrokenPipeError), started[-1][0].stdin as pipe:  # one that is gone already is heard of below
                pickle.dump((launch, jobs, slots, output), pipe)
        ended = [(process.wait(), output) for process, output in started]
    finally:
        for process, _ in started:
            process.terminate()  # where this process ends before them; one that has ended is left alone
    for code, output in ended:
        if code:
            raise ChildProcessError(f"a process of several runs ended with code {code}: {output}")


def _start() -> subprocess.Popen:
    # with what this process imports, whatever else lies in the working folder (-P)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-P", "-m", "ser.sweeps.side_by_side"]
    quiet = subprocess.DEVNULL  # until it knows its file
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, env=environment)


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
