"""Several runs at once in one process: a thread for each, one copy of corpus and features for all.

Kernels of small models leave most of a GPU idle, and only those of one process run side by side. Each thread trains on
a CUDA stream of its own; what is not an epoch, threads do one after the other (`ser.system.turns`). A GPU has a few
such processes, since Python's threads take turns too.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

from ser.sweeps import outcomes
from ser.sweeps.devices import claim_of
from ser.sweeps.runs import SweepRun
from ser.sweeps.task import LOOK_S, Launch, leave_ctrl_c_to_the_sweep, run_job
from ser.system.turns import share_process

OF_A_PROCESS = ("deterministic", "benchmark", "detect_anomaly")  # settings of a Trainer that hold for all threads
ENDING_S = 4.0  # from when jobs are asked to stop: less than their sweep has itself (`ser.system.stopping`)
SWITCH_S = 5e-4  # a thread that computes in Python lets others go on after this; Python's 5 ms are a few steps of them


def launch_side_by_side(launch: Launch, runs: Sequence[SweepRun]) -> None:
    """Starts the processes of a launch and waits for them.

    Args:
        launch: Its settings.
        runs: In the order of `launch.identities`.

    Raises:
        ChildProcessError: One was ended from outside.
    """
    alike: dict[tuple, list[tuple[int, dict[str, Any]]]] = {}
    for number, run in enumerate(runs):
        settings = tuple(run.config["trainer"].get(key) for key in OF_A_PROCESS)
        alike.setdefault(settings, []).append((number, run.config))
    for jobs in alike.values():
        _launch(launch, jobs)


def _launch(launch: Launch, jobs: Sequence[tuple[int, dict[str, Any]]]) -> None:
    processes = []
    # what this process imports, and not what happens to lie in the working folder (-P)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for i, slots in enumerate(launch.packing.processes()[: len(jobs)]):
        with (launch.sweep / outcomes.FOLDER / f"process_{i}.txt").open("w", encoding="utf-8") as output:
            command = [sys.executable, "-P", "-m", "ser.sweeps.side_by_side"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment)
        processes.append(process)
        with suppress(BrokenPipeError), process.stdin as pipe:  # one that is gone already is heard of below
            pickle.dump((launch, jobs, slots), pipe)
    if codes := [code for process in processes if (code := process.wait())]:
        raise ChildProcessError(f"a process of several runs ended with code {codes[0]}")


def main() -> None:
    """The process: takes jobs that no other has, until there are none."""
    launch, jobs, slots = pickle.load(sys.stdin.buffer)  # from the process that started this one
    leave_ctrl_c_to_the_sweep()
    signal.signal(signal.SIGTERM, lambda *_: outcomes.ask_to_stop(launch.sweep))
    sys.setswitchinterval(SWITCH_S)
    share_process()
    places = claim_of(launch.packing, slots, len(slots), launch.sweep / outcomes.FOLDER, launch.cache / "gpus")
    waiting = iter(jobs)
    threads = [threading.Thread(target=_train, args=(launch, waiting), daemon=True) for _ in places]
    for thread in threads:
        thread.start()
    asked = None
    while any(thread.is_alive() for thread in threads):
        time.sleep(LOOK_S)
        if asked is None and (outcomes.asked_to_stop(launch.sweep) or os.getppid() != launch.parent):
            asked = time.monotonic()
        if asked is not None and time.monotonic() - asked > ENDING_S:
            os._exit(1)  # files are whole or not there, and locks end with the process


def _train(launch: Launch, waiting: Any) -> None:
    """One thread: job after job, until none is left or the GPU does not take it."""
    import torch

    with torch.cuda.stream(torch.cuda.Stream()) if torch.cuda.is_available() else nullcontext():
        for number, config in waiting:
            if os.getppid() != launch.parent:  # nobody waits for it any more
                return
            identity = launch.identities[number]
            if not outcomes.take(launch.sweep, identity):
                continue
            run_job(config, number, launch)
            if outcomes.read_outcome(launch.sweep, identity)[1] in (outcomes.NO_ROOM, outcomes.BROKEN):
                return


if __name__ == "__main__":
    main()
