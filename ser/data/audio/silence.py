"""Warnings that libmpg123 writes to C's `stderr` while it decodes: libsndfile cannot be asked to keep them away."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

_lock = Lock()
_inside = 0  # threads
_theirs: int | None = None  # where `stderr` led before the first of them


@contextmanager
def without_c_warnings() -> Iterator[None]:
    """Has C's `stderr` lead nowhere while any thread is inside.

    Not the file descriptor 2: what Python prints meanwhile, and what a crash says, goes where it went. In glibc,
    `stderr` is a variable that may be set like any other (its manual, "Standard Streams"); elsewhere warnings stay.
    """
    global _inside, _theirs
    with _lock:
        variable, nowhere = _streams()
        if variable is not None:
            _theirs = _theirs if _inside else variable.value
            variable.value = nowhere
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if variable is not None and not _inside:
                variable.value = _theirs


@cache
def _streams() -> tuple[ctypes.c_void_p | None, int | None]:
    """The variable, and a stream that leads nowhere; None where another C library or system has neither."""
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  # it is glibc, or this is an AttributeError
        libc.fopen.restype = ctypes.c_void_p
        nowhere = libc.fopen(os.fsencode(os.devnull), b"w")
        return (ctypes.c_void_p.in_dll(libc, "stderr"), nowhere) if nowhere else (None, None)
    except (AttributeError, TypeError, ValueError, OSError):
        return None, None
