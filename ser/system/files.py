"""Writing files atomically, and reading files that are not trusted."""

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ser.errors import UserError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Has `write` fill a temporary sibling, then renames it to `path`: complete or absent.

    Raises:
        UserError: The disk is full or the folder may not be written.
    """
    partial = _partial(path)
    try:
        write(partial)
        settle(partial)
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {why_refused(error)}. The earlier file is unchanged.") from error
    finally:
        partial.unlink(missing_ok=True)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Replaces several files: all of them are on the disk under other names before the first is renamed.

    Raises:
        UserError: The disk is full or a folder may not be written; no file has changed.
    """
    partials = {path: _partial(path) for path in contents}
    try:
        for path, partial in partials.items():
            partial.write_bytes(contents[path])
            settle(partial)
        for path, partial in partials.items():
            os.replace(partial, path)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {why_refused(error)}. Earlier files are unchanged.") from error
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    """Of this process and this call alone: numbers of processes are equal on machines that share a disk."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.partial")


def settle(file: Path) -> None:
    """A power cut must not leave a name without its bytes."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by `text` (UTF-8), atomically."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8") and None)


def why_refused(error: OSError) -> str:
    """Why the system would not write, in words."""
    return "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or error)


def check_unlinked(folder: Path, names: Sequence[str]) -> None:
    """Refuses links and pipes where files are to be written: in an untrusted folder they may lead anywhere.

    Args:
        folder: The folder, which may itself be a link.
        names: Files and folders in it, searched to the bottom.

    Raises:
        UserError: The message names the first.
    """
    for place in (folder / name for name in names):
        for file in (place, *(place.rglob("*") if place.is_dir() else ())):
            if file.is_symlink() or (file.exists() and not (file.is_file() or file.is_dir())):
                raise UserError(f"{file} is a link or a pipe, and nothing is written through it. Remove it.")


def read_bytes(file: Path, most: int) -> bytes:
    """All of a regular file: a pipe or a device might never end.

    Args:
        file: The file.
        most: Bytes.

    Raises:
        UserError: It is missing, not a regular file, too large, or may not be read.
    """
    try:
        about = file.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UserError(f"{file} cannot be read: it is {'a folder' if file.is_dir() else 'not a regular file'}.")
        if about.st_size > most:
            raise UserError(f"{file} cannot be read: it has {about.st_size:,} bytes, more than any file of ser's.")
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise UserError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def holder_of(folder: Path) -> str:
    """The process that holds the lock of a folder, in words."""
    with suppress(OSError):
        return (folder / ".holder").read_text(encoding="utf-8")
    return "another process"
