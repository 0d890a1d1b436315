"""Which worker owns a trial, and whether it is alive: a lock on this machine, a heartbeat from others.

Optuna's own heartbeat is not used: journals have none, and in a database it has none of a worker that died before its
first one, whose trial would run for ever.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from ser.sweeps.search.storage import Storage, beat_s
from ser.sweeps.search.trials import OWNER, give_back


class Owner:
    """This worker, as visible to others.

    The system frees its lock at the end of the process in any case. Other machines cannot see it: for them a counter in
    the trial increases while this process lives.

    Args:
        folder: The search's own folder, on this machine.
        storage: Of the study.
    """

    def __init__(self, folder: Path, storage: Storage):
        self._file = folder / ".workers" / f"{uuid4().hex}.lock"
        self._lock, self._storage = FileLock(self._file), storage
        self.name = {"machine": _machine(), "lock": str(self._file)}

    @contextmanager
    def living(self) -> Iterator[None]:
        """Holds the lock inside the block."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(timeout=0)
        try:
            yield
            self._file.unlink(missing_ok=True)  # after an error it stays, and is seen to be unlocked
        finally:
            self._lock.release()

    @contextmanager
    def working_on(self, trial: Trial) -> Iterator[None]:
        """Records its name in the trial inside the block."""
        trial.set_user_attr(OWNER, {**self.name, "beat": 0})
        stop = threading.Event()

        def beat() -> None:
            count = 0
            while not stop.wait(beat_s(self._storage.dead_after_s)):
                count += 1
                with suppress(Exception):  # ended by others, or the disk is briefly unavailable
                    trial.set_user_attr(OWNER, {**self.name, "beat": count})

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5)


class Watch:
    """Finds trials of dead workers.

    Args:
        dead_after_s: Silence of a worker on another machine, by this machine's clock alone.
    """

    def __init__(self, dead_after_s: float):
        self._dead_after_s = dead_after_s
        self._seen: dict[int, tuple[dict | None, float]] = {}  # trial → its owner, and when that was new here

    def requeue_dead(self, study: Study) -> list[int]:
        """Requeues trials of dead workers; returns their numbers."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial.number for trial in running if self._is_dead(trial) and give_back(study, trial)]

    def _is_dead(self, trial: FrozenTrial) -> bool:
        owner = trial.user_attrs.get(OWNER)
        if owner and (free := _is_free(owner)) is not None:
            return free
        now = time.monotonic()
        before, since = self._seen.get(trial.number, (owner, now))
        self._seen[trial.number] = owner, since if owner == before else now
        return owner == before and now - since > self._dead_after_s


def _is_free(owner: dict[str, str]) -> bool | None:
    """Whether the lock of a worker of this machine is free; None for those of others."""
    file = Path(owner["lock"])
    if owner["machine"] != _machine() or not file.is_file():
        return None
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError:
        return None
    lock.release()
    return True


def _machine() -> str:
    """Its name, with an id of its current boot or container."""
    with suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
    return f"{socket.gethostname()} {os.environ.get('HOSTNAME', '')}".strip()
