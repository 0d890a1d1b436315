"""stdin, stdout and stderr that may be closed, full, unread, or unable to encode a letter.

A run of hours must not fail because its output cannot be shown: only the output is lost. A command that only prints
ends.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from ser.system.files import why_refused

UNKNOWN = "backslashreplace"  # a terminal without ü shows \xfc, and the rest of the line


class ReaderLeft(BaseException):
    """The output of a command that only prints is closed (`ser show | head`)."""


@contextmanager
def standard_streams(only_prints: bool) -> Iterator[None]:
    """Streams that a command can rely on, inside the block.

    Args:
        only_prints: Whether the command only prints. It then ends when stdout cannot be written, with `ReaderLeft` or
            an `OSError`. Any other command goes on.
    """
    for number in range(3):  # else the next opened file gets the number, and output is written to it
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    ours = _lasting(sys.stdout, _end if only_prints else _note), _lasting(sys.stderr, _ignore)
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        for stream in ours:
            with suppress(OSError, ValueError, ReaderLeft):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def _lasting(stream: TextIO | None, on_loss: Callable[[OSError], None]) -> TextIO:
    """The same stream, safe to print to even if its file fails."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):  # a notebook's
        return stream
    raw = getattr(stream.buffer, "raw", stream.buffer)  # under `python -u` there is no buffer between
    if not isinstance(raw, io.FileIO):  # a test's, or Windows' console
        stream.reconfigure(errors=UNKNOWN)
        return stream
    with suppress(OSError):
        stream.flush()
    output = _Output(raw.fileno(), on_loss)
    buffer = output if raw is stream.buffer else io.BufferedWriter(output)
    ways = {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
    return io.TextIOWrapper(buffer, stream.encoding, UNKNOWN, **ways)


class _Output(io.FileIO):
    """A file replaced by `/dev/null` once it cannot be written, for libraries and child processes too."""

    def __init__(self, number: int, on_loss: Callable[[OSError], None]):
        super().__init__(number, "w", closefd=False)
        self._on_loss = on_loss

    def write(self, data) -> int | None:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            self._on_loss(error)
            return len(data)


def _end(error: OSError) -> None:
    raise ReaderLeft() if isinstance(error, BrokenPipeError) else error


def _note(error: OSError) -> None:
    if not isinstance(error, BrokenPipeError):
        print(f"Note: the output is lost ({why_refused(error)}); the work goes on.", file=sys.stderr)


def _ignore(error: OSError) -> None:
    """Errors on stderr cannot be reported."""
