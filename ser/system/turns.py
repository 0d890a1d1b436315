"""Runs side by side in one process: whose turn it is to do what only one thread at a time may do.

Weights are drawn from generators that the whole process has, figures are drawn by one library, and Lightning keeps and
restores random states around a training. So a run has the turn for all of its work but the epochs, which compute with
its own tensors on a stream of its own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_turn = threading.RLock()
_shared = threading.Event()


def share_process() -> None:
    """Says that several runs train in this process from now on."""
    _shared.set()


def is_shared() -> bool:
    """Whether several runs train in this process."""
    return _shared.is_set()


@contextmanager
def alone() -> Iterator[None]:
    """Has the turn inside the block; waits for it where another thread has it."""
    with _turn:
        yield


@contextmanager
def others_go_on() -> Iterator[None]:
    """Gives the turn to others inside the block, by a thread that has it."""
    give_turn()
    try:
        yield
    finally:
        take_turn()


def take_turn() -> None:
    """Waits for the turn, until `give_turn`."""
    _turn.acquire()


def give_turn() -> None:
    """Gives the turn to the next.

    Raises:
        RuntimeError: This thread does not have it.
    """
    _turn.release()
