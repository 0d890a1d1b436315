"""Ctrl-C and SIGTERM end the process within ten seconds, wherever it is.

Python calls a signal's handler between two of its own instructions: a call into compiled code (a compiler, a read from
a disk that is gone, a wait for another process) keeps it waiting until it is back. The interpreter itself notifies a
thread of every signal (`signal.set_wakeup_fd`), and this thread ends the process if it has not ended in time. Files
are written whole or not at all, and locks end with their process.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ser.errors import Interrupted

GRACE_S = 7.0  # for an orderly end
HURRY_S = 0.5  # after a second signal
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_watched = False
_sentences: list[Callable[[], str]] = [lambda: "Stopped. The same command goes on from what is saved, or begins anew."]
_kept: list[socket.socket] = []  # closed by the end of the process


@contextmanager
def ending_in_time(for_good: bool = False) -> Iterator[None]:
    """Ends the process if a signal comes inside the block and the block has not ended 7 s later.

    A second signal leaves it half a second. An interactive Python, such as a notebook's, is never ended.

    Args:
        for_good: Go on watching after the block, until the process has ended.
    """
    global _watched
    if _watched or threading.current_thread() is not threading.main_thread() or hasattr(sys, "ps1"):
        yield
        return
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    before, _watched = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False), True
    thread = threading.Thread(target=_watch, args=(receiver,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        if for_good:
            _kept.append(sender)
        else:
            signal.set_wakeup_fd(before)
            _watched = False
            sender.close()
            thread.join()
            receiver.close()


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM raises `Interrupted` inside the block, as Ctrl-C a `KeyboardInterrupt`; a handler set before stays."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise(signum: int, frame: object) -> None:
    raise Interrupted(signum)


@contextmanager
def telling(sentence: Callable[[], str]) -> Iterator[None]:
    """Sets the message that is printed if the process is ended inside the block.

    Args:
        sentence: Returns it: how to go on.
    """
    _sentences.append(sentence)
    try:
        yield
    finally:
        _sentences.remove(sentence)


def _watch(signals: socket.socket) -> None:
    """The thread's function: runs until the other end is closed, or the time is over."""
    first, end = None, None
    while True:
        signals.settimeout(None if end is None else max(0.001, end - time.monotonic()))
        with suppress(TimeoutError):
            came = signals.recv(64)
            if not came:
                return
            for signum in (signum for signum in came if signum in SIGNALS):
                end = time.monotonic() + (GRACE_S if first is None else HURRY_S)
                first = first or signum
        if end is not None and time.monotonic() >= end:
            _end(first)


def _end(signum: int) -> None:
    with suppress(Exception):  # unbuffered: the thread that holds the buffers' locks may be the one that does not end
        os.write(2, f"{_sentences[-1]()}\n".encode())
    os._exit(Interrupted(signum).exit_code)
