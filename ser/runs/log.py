"""`train.log`, the one log file of a run."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ser.system.turns import is_shared

log = logging.getLogger("ser")


class LogFile(logging.FileHandler):
    """A file of log lines; a line that does not fit on the disk is dropped, since a run does not depend on its log."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Reports a line that cannot be written as `logging` does, unless the system refused it."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Closes the file, with what could be written."""
        with suppress(OSError):
            super().close()


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Sends the log of `ser` to a file inside the block."""
    handler = LogFile(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s"))
    if is_shared():  # other runs of the process have files of their own
        mine = threading.get_ident()
        handler.addFilter(lambda record: record.thread == mine)
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        if not is_shared():
            log.setLevel(before[0])
            log.propagate = before[1]
        handler.close()
