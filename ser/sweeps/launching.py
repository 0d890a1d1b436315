"""Passes jobs to a launcher until each has ended, even if their processes are killed."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

from ser.errors import Interrupted, UserError
from ser.sweeps import outcomes
from ser.sweeps.devices import ONE_AFTER_THE_OTHER, Packing
from ser.sweeps.folder import SweepFolder
from ser.sweeps.runs import SweepRun
from ser.sweeps.task import Launch
from ser.sweeps.watching import update
from ser.system.cache import cache_folder

RELAUNCHES = 2  # of a run whose process was killed
KILLED = (BrokenExecutor, ChildProcessError)  # what launchers raise where a worker was: joblib, side by side
REMEDIES: dict[str, Callable[[Packing], Packing]] = {  # for jobs that stopped beside others in one process
    outcomes.NO_ROOM: Packing.halved,
    outcomes.GPU_FAILED: Packing.apart,
}
Launcher = Callable[[Launch, Sequence[SweepRun]], None]


def launch_all(
    runs: Sequence[SweepRun], folder: SweepFolder, launcher: str, packing: Packing, launch: Launcher,
    tell: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Launches runs, and relaunches those whose process was killed, at most twice each.

    joblib ends a whole batch when one of its workers is killed. The missing runs are launched again: first
    together, and a run that was hit twice alone, so that one that runs out of memory does not end others. Runs of
    one process that a GPU did not take together are launched again, as `REMEDIES` says.

    Args:
        runs: Waiting.
        folder: The sweep's.
        launcher: Its name.
        packing: How jobs share this machine.
        launch: Passes jobs to the launcher and waits.
        tell: Prints a remark.

    Raises:
        Interrupted: By Ctrl-C or SIGTERM, after jobs have come to an orderly end.
        UserError: The launcher's settings are wrong.
    """
    hits = {run.identity: 0 for run in runs}
    here = launcher in ONE_AFTER_THE_OTHER and not packing.together
    with _stopping(folder, here) as asked:
        while missing := [run for run in runs if run.state in ("waiting", "running", "stopped")]:
            together = [run for run in missing if hits[run.identity] < RELAUNCHES]
            batch = together or missing[:1]
            error = _try_launch(batch, folder, packing, here, launch)
            if asked:
                raise Interrupted(asked[0])
            stopped_by_gpu = [run for run in batch if run.state == "stopped" and run.reason in REMEDIES]
            rest = [run for run in batch if run not in stopped_by_gpu]
            # where a process gave up, what was left for it has not failed
            _judge([run for run in rest if run.state != "waiting"] if stopped_by_gpu else rest, hits, error)
            for reason in dict.fromkeys(run.reason for run in stopped_by_gpu):
                packing = REMEDIES[reason](packing)
                count = sum(run.reason == reason for run in stopped_by_gpu)
                tell(f"Stopped, since {reason}: {count} run{'s' * (count > 1)}. They go on, {packing.in_words()}.")


def _try_launch(
    batch: Sequence[SweepRun], folder: SweepFolder, packing: Packing, here: bool, launch: Launcher
) -> BaseException | None:
    """One launch; returns what the launcher failed with, if anything."""
    for run in batch:
        outcomes.forget(folder.path, run.identity)
        run.state, run.reason = "waiting", ""
    identities = tuple(run.identity for run in batch)
    parent = None if here else os.getpid()
    about = Launch(folder.path.absolute(), identities, packing, cache_folder(), here, parent)
    failed = None
    try:
        launch(about, batch)
    except UserError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        # a killed worker or a refusing queue, depending on the launcher; Ctrl-C in a worker that just began
        failed = error
    for run in batch:
        update(run, folder)
    return failed


def _judge(batch: Sequence[SweepRun], hits: dict[str, int], error: BaseException | None) -> None:
    """Counts how often a run was hit, and marks those as failed that were too often, or that were not started."""
    missing = [run for run in batch if run.state in ("waiting", "running", "stopped")]
    begun = [run for run in missing if run.state != "waiting"]
    if not begun and isinstance(error, KILLED):  # before any of them began, such as while it waited for its GPU
        begun = missing
    for run in begun:
        hits[run.identity] += 1
        if hits[run.identity] > RELAUNCHES:
            times = RELAUNCHES + 1
            run.leave_out("failed", f"its process was ended {times} times, from outside or out of memory")
    if batch and not begun and len(missing) == len(batch):
        first_line = str(error or "").strip().partition("\n")[0]
        why = "no reason given" if error is None else f"{type(error).__name__}: {first_line}"
        for run in missing:
            run.leave_out("failed", f"the launcher did not start it ({why})")


@contextmanager
def _stopping(folder: SweepFolder, here: bool) -> Iterator[list[int]]:
    """Takes Ctrl-C and SIGTERM: the first asks all jobs to come to an end, a second one ends at once.

    Yields a list that receives the signal.
    """
    asked: list[int] = []

    def handle(signum: int, frame: object) -> None:
        asked.append(signum)
        outcomes.ask_to_stop(folder.path)
        if here or len(asked) > 1:
            raise Interrupted(signum)

    if threading.current_thread() is not threading.main_thread():  # Python handles signals only there
        yield asked
        return
    before = {signum: signal.signal(signum, handle) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
