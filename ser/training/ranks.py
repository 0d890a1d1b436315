"""The ranks of a run: one process a device, all of which follow the same lines and take rank 0's word.

torchrun or srun starts them, or rank 0 starts the others as `python -m ser`. What rank 0 finds for all, and how a rank
ended, is said in a store of torch's at MASTER_ADDR:MASTER_PORT, where they also meet to train.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from torch.distributed import PrefixStore, TCPStore

from ser.errors import Interrupted, UserError
from ser.system.stopping import GRACE_S
from ser.training.rendezvous import MEET_S, PARENT, POLL_S, seat_among, wait_for_port
from ser.training.trainer import num_devices

T = TypeVar("T")
PART_S = 3.0  # for the others to end before rank 0, in whose process the store is
LOOK_S = 0.3  # between two looks at whether another rank ended
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


class Ranks:
    """This process among the ranks; by default the only one.

    Args:
        devices: On each machine, a rank for each.
        nodes: Machines.
        command: That starts a rank, where nobody else does.

    Raises:
        UserError: Other ranks were started than the devices ask for.
    """

    def __init__(self, devices: int = 1, nodes: int = 1, command: Sequence[str] = ()):
        self.world, self._devices, self._command = devices * nodes, devices, command
        self._seat = seat_among(self.world) if self.world > 1 else {}
        self._started = "LOCAL_RANK" in self._seat  # by torchrun, srun, or rank 0
        self._local, node = (int(self._seat.get(name, 0)) for name in ("LOCAL_RANK", "NODE_RANK"))
        self.rank = node * devices + self._local
        self.first = self.rank == 0
        self._said: dict[str, Any] = {}
        self._store: PrefixStore | None = None
        self._children: dict[int, subprocess.Popen] = {}
        self._lost: tuple[int, int] | None = None  # rank and exit code of the one that ended before its time

    @classmethod
    def of(cls, trainer: dict[str, Any], command: Sequence[str]) -> "Ranks":
        """Those that `trainer.devices` and `trainer.num_nodes` ask for."""
        nodes = int(trainer.get("num_nodes", 1))
        return cls(num_devices(trainer) // nodes, nodes, command)

    def from_rank_0(self, name: str, find: Callable[[], Any]) -> Any:
        """What rank 0 finds, on all ranks.

        Args:
            name: Of what is found.
            find: Called on rank 0 only; gives plain data, or paths, which are text on the others.
        """
        if self.first:
            self._say(name, found := find())
            return found
        return self._wait_for(name)

    def rank_0_first(self, name: str, do: Callable[[], T]) -> T:
        """Does the same on all ranks, once it has gone well on rank 0: the others find what it wrote.

        Args:
            name: Of what is done.
            do: Called on every rank.
        """
        if not self.first:
            self._wait_for(name)
        done = do()
        if self.first:
            self._say(name, True)
        return done

    def wait_for_all(self, name: str) -> None:
        """Goes on when all ranks have come so far."""
        if self._store is not None:
            self._say(f"{name}/{self.rank}", True)
            for rank in range(self.world):
                self._wait_for(f"{name}/{rank}")

    @contextmanager
    def met(self) -> Iterator[None]:
        """Ranks that others started wait for one another; where rank 0 starts them it does so later."""
        if self.world == 1 or (self.first and not self._started):
            yield
            return
        with self._joined():
            self.wait_for_all("came")
            yield

    @contextmanager
    def together(self) -> Iterator[None]:
        """All ranks at work, the others started where nobody did.

        Raises:
            UserError: On rank 0: another rank ended.
            SystemExit: On another: a rank ended, and has told why.
        """
        if self.world == 1:
            yield
        elif self._store is None:
            with self._joined():
                yield
        else:
            try:
                yield
            except BaseException as error:
                self._explain(error)
                raise

    @contextmanager
    def _joined(self) -> Iterator[None]:
        before = dict(os.environ)
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True)
        try:
            self._meet()
            thread.start()
            yield
        except BaseException as error:
            self._explain(error)
            if self._store is not None and self._lost is None:
                self._say("end", [self.rank, _exit_code(error)])
            raise
        finally:
            over.set()
            self._part()
            for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
                os.environ.pop(name, None)
                os.environ.update({name: before[name]} if name in before else {})

    def _meet(self) -> None:
        """Opens the store, says in the environment where it is, and starts the ranks that nobody else starts."""
        host, port = self._seat.get("MASTER_ADDR", "127.0.0.1"), int(self._seat.get("MASTER_PORT", 0))
        serves = self.first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"  # torchrun's store is there
        if not serves:
            wait_for_port(host, port)
        try:
            store = TCPStore(host, port, is_master=serves, wait_for_workers=False, multi_tenant=True)
        except RuntimeError as error:
            raise UserError(f"The ranks cannot meet at {host}:{port}: {str(error).splitlines()[0]}") from error
        self._store = PrefixStore(f"ser/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        seat = {"MASTER_ADDR": host, "MASTER_PORT": store.port, "WORLD_SIZE": self.world}
        seat |= {"RANK": self.rank, "LOCAL_RANK": self._local, "NODE_RANK": self.rank // self._devices}
        os.environ.update({name: str(value) for name, value in seat.items()})
        for name, value in self._said.items():
            self._say(name, value)
        self._say(f"came/{self.rank}", True)
        for local in range(1, 1 if self._started else self._devices):
            rank = self.rank + local
            paths = os.pathsep.join(path for path in sys.path if path)  # a notebook's own, too
            seat = {"RANK": str(rank), "LOCAL_RANK": str(local), "PYTHONPATH": paths, PARENT: str(os.getpid())}
            self._children[rank] = subprocess.Popen(
                self._command, env={**os.environ, **seat}, stdin=subprocess.DEVNULL, start_new_session=True
            )  # a session of its own: Ctrl-C is for rank 0, with whom the others stop

    def _say(self, name: str, value: Any) -> None:
        self._said[name] = value
        if self._store is not None:
            self._store.set(name, json.dumps(value, default=str))

    def _wait_for(self, name: str) -> Any:
        end = time.monotonic() + MEET_S
        while not self._is_said(name):
            if self._lost is None:
                self._lost = self._ended()
            if self._lost is not None:
                raise RuntimeError("another rank ended")
            if time.monotonic() > end and (missing := [r for r in range(self.world) if not self._is_said(f"came/{r}")]):
                raise UserError(
                    f"Of {self.world} ranks {self.world - len(missing)} came within {MEET_S / 60:.0f} minutes. Start a "
                    "process a device with torchrun or srun, or one alone, which starts the others."
                )
            time.sleep(POLL_S)
        return json.loads(self._store.get(name))

    def _is_said(self, name: str) -> bool:
        try:
            return self._store.check([name])
        except RuntimeError:  # rank 0 is gone, and the store with it
            self._lost = self._lost or (0, 1)
            return False

    def _ended(self) -> tuple[int, int] | None:
        """Rank and exit code of another that ended before its time."""
        for rank, child in self._children.items():
            if child.poll():
                return rank, child.returncode
        if self._is_said("end"):
            with suppress(RuntimeError):
                rank, code = json.loads(self._store.get("end"))
                return (rank, code) if rank != self.rank else None
        return self._lost

    def _watch(self, over: threading.Event) -> None:
        """Ends this process with the others, also where it waits for one of them outside Python."""
        while not over.wait(LOOK_S):
            if (end := self._ended()) is None:
                continue
            if self.first:
                self._lost = end
                if not over.wait(GRACE_S if end[1] in STOPPED else LOOK_S):  # those that were stopped stop together
                    os.kill(os.getpid(), signal.SIGTERM)
            elif not over.wait(LOOK_S):
                with suppress(RuntimeError):
                    self._say(f"left/{self.rank}", True)
                os._exit(end[1] % 256)
            return

    def _explain(self, error: BaseException) -> None:
        """Raises what to tell of an error that comes from the end of another rank."""
        if isinstance(error, (UserError, SystemExit)) or self._store is None:
            return
        look_until = time.monotonic() + (2 if isinstance(error, Exception) else 0)
        while self._lost is None and time.monotonic() < look_until:  # connections break before the rank has ended
            self._lost = self._ended()
            time.sleep(POLL_S)
        if self._lost is None:
            return
        rank, code = self._lost
        if not self.first:
            raise SystemExit(code % 256) from error
        if code not in STOPPED:
            raise UserError(
                f"Rank {rank} ended with exit code {code}, and the run with it; what it said stands above. The same "
                "command continues the run."
            ) from error
        if not isinstance(error, Interrupted):
            raise Interrupted(code - 128) from error

    def _has_left(self, rank: int) -> bool:
        child = self._children.get(rank)
        return child is not None and child.poll() is not None or self._is_said(f"left/{rank}")

    def _part(self) -> None:
        """Rank 0 leaves last."""
        if self._store is None:
            return
        if not self.first:
            with suppress(RuntimeError):
                self._say(f"left/{self.rank}", True)
        end = time.monotonic() + PART_S
        while self.first and time.monotonic() < end and not all(map(self._has_left, range(1, self.world))):
            time.sleep(POLL_S)
        for child in self._children.values():
            try:
                child.wait(timeout=1)
            except subprocess.TimeoutExpired:  # it has nothing left to do
                child.kill()
                child.wait()
        self._store = None
        self._children.clear()


def _exit_code(error: BaseException) -> int:
    if isinstance(error, Interrupted):
        return error.exit_code
    return 2 if isinstance(error, UserError) else 1
