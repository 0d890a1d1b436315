"""stdin, stdout and stderr as a command finds them: closed, full, read by nobody, or without a letter that is printed.

A run of hours is not lost because what it prints cannot be shown. What a command prints is lost alone; only where it
is all that the command makes does the command end.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from ser.system.files import why_refused

UNKNOWN = "backslashreplace"  # a terminal that knows no ü shows \xfc, and the rest of the line


class ReaderLeft(BaseException):
    """Nobody reads any more what a command prints (`ser show | head`), and it makes nothing else."""


@contextmanager
def standard_streams(only_prints: bool) -> Iterator[None]:
    """Streams that a command can rely on, inside the block.

    Args:
        only_prints: Whether what is printed is all that the command makes. It ends then when stdout cannot be written:
            with `ReaderLeft` or an `OSError`. Any other command goes on.
    """
    for number in range(3):  # else the next file that is opened gets the number, and what is printed is written to it
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    ours = _lasting(sys.stdout, _end if only_prints else _note), _lasting(sys.stderr, _say_nothing)
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        for stream in ours:
            with suppress(OSError, ValueError, ReaderLeft):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def _lasting(stream: TextIO | None, on_loss: Callable[[OSError], None]) -> TextIO:
    """The same stream, to which anything can be printed whatever becomes of its file."""
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
    """A file whose place `/dev/null` takes when it can no longer be written, for libraries and child processes too."""

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
        print(f"Note: what is printed is lost ({why_refused(error)}); the work goes on.", file=sys.stderr)


def _say_nothing(error: OSError) -> None:
    """Of errors on stderr nobody can be told."""
