"""Several workers on this machine: processes that share threads and GPUs, and end with their parent."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any

from optuna import Study

from ser.errors import Interrupted, UserError
from ser.sweeps.search.plan import SearchPlan
from ser.sweeps.search.study import open_study
from ser.sweeps.search.trials import Counts, count
from ser.sweeps.search.worker import POLL_S, work
from ser.system.machine import num_cores, visible_gpus
from ser.training.callbacks.interruption import Interruption

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def work_together(plan: SearchPlan, study: Study, progress: Callable[[Study], None]) -> Counts:
    """Starts `tune.workers` processes and waits until all trials are done.

    Args:
        plan: Of the search.
        study: Shows their progress.
        progress: Called repeatedly.

    Raises:
        Interrupted: Asked to stop; the workers were stopped as well, and requeued their trials.
        UserError: No worker is left and trials are missing.
    """
    context, gpus = get_context("spawn"), visible_gpus()
    messages = context.SimpleQueue()
    number = plan.settings.workers
    workers = []
    with _divided_threads(number):
        for index in range(number):
            gpu = gpus[index % len(gpus)] if len(gpus) > 1 else None
            worker = context.Process(target=_begin, args=(plan, gpu, messages), name=f"worker {index}", daemon=False)
            worker.start()
            workers.append(worker)
    try:
        while any(worker.is_alive() for worker in workers):
            wait([worker.sentinel for worker in workers if worker.is_alive()], timeout=2 * POLL_S)
            progress(study)
    except BaseException:
        _stop(workers)
        progress(study)
        raise
    now = count(study.get_trials(deepcopy=False))
    if now.done < plan.settings.trials:
        raise UserError(_why(workers, messages))
    return now


@contextmanager
def _divided_threads(workers: int) -> Iterator[None]:
    """Gives each process its share of this machine's cores, unless the user has set the threads."""
    share = str(max(1, num_cores() // workers))
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update({name: share for name, value in before.items() if value is None})
    try:
        yield
    finally:
        for name in (name for name, value in before.items() if value is None):
            del os.environ[name]


def _begin(plan: SearchPlan, gpu: str | None, messages: Any) -> None:
    """The function of a worker process. Ctrl-C goes to the parent, which passes it on once."""
    os.setsid()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with Interruption().listening():
        try:
            work(plan, open_study(plan))
        except Interrupted as interrupted:
            raise SystemExit(interrupted.exit_code) from None
        except UserError as error:
            messages.put(str(error))
            raise SystemExit(2) from None
        except Exception as error:
            messages.put(f"{type(error).__name__}: {error}")
            raise


def _end_with_parent() -> None:
    """Stops a worker whose parent was killed; its trial can be continued."""
    wait([parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(workers: list[Any]) -> None:
    """Asks all to stop and waits; a second request stops them at once."""
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
    try:
        for worker in workers:
            worker.join()
    except BaseException:  # a second Ctrl-C
        for worker in workers:
            worker.terminate()
            worker.join()


def _why(workers: list[Any], messages: Any) -> str:
    if not messages.empty():
        return messages.get()
    ends = ", ".join(f"{worker.name}: {_in_words(worker.exitcode)}" for worker in workers)
    return f"All workers ended before all trials were done ({ends}). The same command continues."


def _in_words(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"killed by {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"
