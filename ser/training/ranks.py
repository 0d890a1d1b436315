"""The ranks of a run: one process a device; all run the same code and use rank 0's results.

torchrun or srun starts them, or rank 0 starts the others as `python -m ser`. Rank 0's results and each rank's exit
code are shared in a torch store at MASTER_ADDR:MASTER_PORT, which is also the rendezvous for training.
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

import torch
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
        command: Starts a rank, where no launcher does.

    Raises:
        UserError: The number of started ranks does not match the devices.
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
        self._lost: tuple[int, int] | None = None  # rank and exit code of one that ended too early

    @classmethod
    def of(cls, trainer: dict[str, Any], command: Sequence[str]) -> "Ranks":
        """The ranks of `trainer.devices` and `trainer.num_nodes`."""
        nodes = int(trainer.get("num_nodes", 1))
        return cls(num_devices(trainer) // nodes, nodes, command)

    def from_rank_0(self, name: str, find: Callable[[], Any]) -> Any:
        """Rank 0's result, on all ranks.

        Args:
            name: Of the result.
            find: Called on rank 0 only; returns plain data, or paths, which are text on the others.
        """
        if self.first:
            self._set(name, found := find())
            return found
        return self._wait_for(name)

    def rank_0_first(self, name: str, do: Callable[[], T]) -> T:
        """Runs a function on rank 0 first, then on the others, which find the files that it wrote.

        Args:
            name: Of the step.
            do: Called on every rank.
        """
        if not self.first:
            self._wait_for(name)
        done = do()
        if self.first:
            self._set(name, True)
        return done

    def wait_for_all(self, name: str) -> None:
        """Waits until all ranks have reached this point."""
        if self._store is not None:
            self._set(f"{name}/{self.rank}", True)
            for rank in range(self.world):
                self._wait_for(f"{name}/{rank}")

    @contextmanager
    def met(self) -> Iterator[None]:
        """Ranks started by a launcher wait for one another; rank 0 starts its own ranks later."""
        if self.world == 1 or (self.first and not self._started):
            yield
            return
        with self._joined():
            self.wait_for_all("came")
            yield

    @contextmanager
    def together(self) -> Iterator[None]:
        """All ranks at work; rank 0 starts the others where no launcher did.

        Raises:
            UserError: On rank 0: another rank ended.
            SystemExit: On another: a rank ended, and has reported why.
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
        thread, well = threading.Thread(target=self._watch, args=(over,), daemon=True), False
        try:
            self._meet()
            thread.start()
            yield
            well = True
        except BaseException as error:
            self._explain(error)
            if self._store is not None and self._lost is None:
                self._set("end", [self.rank, _exit_code(error)])
            raise
        finally:
            over.set()
            if thread.ident is not None:
                thread.join(PART_S)  # a thread that the interpreter ends inside the store would abort the process
            # Lightning would take the group for the next run's, whose ranks are others; NCCL's may wait for lost ranks
            if torch.distributed.is_initialized() and (well or torch.distributed.get_backend() == "gloo"):
                torch.distributed.destroy_process_group()
            self._part()
            for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
                os.environ.pop(name, None)
                os.environ.update({name: before[name]} if name in before else {})

    def _meet(self) -> None:
        """Opens the store, sets its address in the environment, and starts the ranks that no launcher starts."""
        host, port = self._seat.get("MASTER_ADDR", "127.0.0.1"), int(self._seat.get("MASTER_PORT", 0))
        serves = self.first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"  # torchrun has a store
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
            self._set(name, value)
        self._set(f"came/{self.rank}", True)
        for local in range(1, 1 if self._started else self._devices):
            rank = self.rank + local
            paths = os.pathsep.join(path for path in sys.path if path)  # a notebook's own, too
            seat = {"RANK": str(rank), "LOCAL_RANK": str(local), "PYTHONPATH": paths, PARENT: str(os.getpid())}
            self._children[rank] = subprocess.Popen(
                self._command, env={**os.environ, **seat}, stdin=subprocess.DEVNULL, start_new_session=True
            )  # a session of its own: Ctrl-C goes to rank 0, which stops the others

    def _set(self, name: str, value: Any) -> None:
        self._said[name] = value
        if self._store is not None:
            self._store.set(name, json.dumps(value, default=str))

    def _wait_for(self, name: str) -> Any:
        end = time.monotonic() + MEET_S
        while not self._is_set(name):
            if self._lost is None:
                self._lost = self._ended()
            if self._lost is not None:
                raise RuntimeError("another rank ended")
            if time.monotonic() > end and (missing := [r for r in range(self.world) if not self._is_set(f"came/{r}")]):
                raise UserError(
                    f"Of {self.world} ranks {self.world - len(missing)} came within {MEET_S / 60:.0f} minutes. Start a "
                    "process a device with torchrun or srun, or a single one, which starts the others."
                )
            time.sleep(POLL_S)
        return json.loads(self._store.get(name))

    def _is_set(self, name: str) -> bool:
        try:
            return self._store.check([name])
        except RuntimeError:  # rank 0 is gone, and the store with it
            self._lost = self._lost or (0, 1)
            return False

    def _ended(self) -> tuple[int, int] | None:
        """Rank and exit code of another that ended too early."""
        for rank, child in self._children.items():
            if child.poll():
                return rank, child.returncode
        if self._is_set("end"):
            with suppress(RuntimeError):
                rank, code = json.loads(self._store.get("end"))
                return (rank, code) if rank != self.rank else None
        return self._lost

    def _watch(self, over: threading.Event) -> None:
        """Ends this process with the others, even while it waits for one of them outside Python."""
        while not over.wait(LOOK_S):
            if (end := self._ended()) is None:
                continue
            if self.first:
                self._lost = end
                if not over.wait(GRACE_S if end[1] in STOPPED else LOOK_S):  # those that were stopped stop together
                    os.kill(os.getpid(), signal.SIGTERM)
            elif not over.wait(LOOK_S):
                with suppress(RuntimeError):
                    self._set(f"left/{self.rank}", True)
                os._exit(end[1] % 256)
            return

    def _explain(self, error: BaseException) -> None:
        """Raises the message for an error that was caused by the end of another rank."""
        own = isinstance(error, UserError) and error.__cause__ is None  # else a broken connection may be behind it
        if own or isinstance(error, SystemExit) or self._store is None:
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
                f"Rank {rank} ended with exit code {code}, and the run with it; its messages are above. The same "
                "command continues the run."
            ) from error
        if not isinstance(error, Interrupted):
            raise Interrupted(code - 128) from error

    def _has_left(self, rank: int) -> bool:
        child = self._children.get(rank)
        return child is not None and child.poll() is not None or self._is_set(f"left/{rank}")

    def _part(self) -> None:
        """Rank 0 leaves last."""
        if self._store is None:
            return
        if not self.first:
            with suppress(RuntimeError):
                self._set(f"left/{self.rank}", True)
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
