"""Writing files so that a reader never sees half of one."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from ser.errors import UserError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Has `write` fill a temporary sibling, then renames it to `path`: whole, or not there.

    Raises:
        UserError: The disk is full or the folder may not be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # a power cut must not leave a name without its bytes
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {why_refused(error)}. What was there before is unharmed.") from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by `text` (UTF-8), atomically."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8") and None)


def why_refused(error: OSError) -> str:
    """Why the system would not write, in words."""
    return "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or error)
