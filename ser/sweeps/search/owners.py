"""Who works on a trial, and whether he lives: a lock on this machine, a heartbeat from others."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from ser.sweeps.search import trials
from ser.sweeps.search.trials import BEAT, OWNER

BEATS_S = 15.0
NO_NAME_S = 10.0  # a trial that has no owner so long after it began: its worker died between two lines


class Owner:
    """This worker, as others see it.

    Its lock is freed by the system however the process ends. Other machines cannot look at it: for them a counter in
    the trial goes up while this process lives.

    Args:
        folder: The search's own folder, on this machine.
    """

    def __init__(self, folder: Path):
        self._file = folder / ".workers" / f"{uuid4().hex}.lock"
        self._lock = FileLock(self._file)
        self.name = {"machine": _machine(), "lock": str(self._file)}

    @contextmanager
    def living(self) -> Iterator[None]:
        """Holds the lock inside the block."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(timeout=0)
        try:
            yield
            self._file.unlink(missing_ok=True)  # after an error it stays, and shows that nobody holds it
        finally:
            self._lock.release()

    @contextmanager
    def working_on(self, study: Study, number: int) -> Iterator[None]:
        """Counts up in the trial inside the block."""
        trial_id = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
        stop = threading.Event()

        def beat() -> None:
            count = 0
            while not stop.wait(BEATS_S):
                count += 1
                with suppress(Exception):  # given up by others, or the server is away for a moment
                    study._storage.set_trial_user_attr(trial_id, BEAT, count)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5)


class Watch:
    """Finds trials whose worker is dead.

    Args:
        dead_after_s: Silence of a worker on another machine, by this machine's clock alone.
    """

    def __init__(self, dead_after_s: float):
        self._dead_after_s = dead_after_s
        self._seen: dict[int, tuple[object, float]] = {}  # trial → what it last said, and when that was new here

    def give_back_dead(self, study: Study) -> list[int]:
        """Lets what dead workers left wait to be done again; the numbers of those trials."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        given_back = []
        for trial in running:
            if self._is_dead(trial) and trials.give_back(study, trial, "its worker died"):
                given_back.append(trial.number)
        return given_back

    def _is_dead(self, trial: FrozenTrial) -> bool:
        owner = trial.user_attrs.get(OWNER)
        if owner and (free := _is_free(owner)) is not None:
            return free
        said = (trial.user_attrs.get(BEAT), len(trial.intermediate_values), owner is None)
        before, since = self._seen.get(trial.number, (None, 0.0))
        if before != said:
            self._seen[trial.number] = said, time.monotonic()
            return False
        return time.monotonic() - since > (self._dead_after_s if owner else NO_NAME_S)


def _is_free(owner: dict[str, str]) -> bool | None:
    """Whether the lock of a worker of this machine can be had; None for those of others."""
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
    """Its name, and what tells its present run from earlier ones and from others of the name."""
    with suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
    return f"{socket.gethostname()} {os.environ.get('HOSTNAME', '')}".strip()
