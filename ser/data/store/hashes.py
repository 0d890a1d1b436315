"""Content hashes of files, computed once and remembered with size and modification time."""

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path

from ser.data.corpora.audio_files import why_no_file
from ser.errors import UserError
from ser.system.machine import num_cores

BATCH = 128  # files that a thread reads at a time: passing a task costs as much as reading a small file
# A path goes in and out as bytes: a file's name need not be text.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS content "
    "(path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, hash TEXT)"
)
LARGE = 2**24  # bytes: larger files are read piece by piece
Facts = tuple[int, int, int]  # size, modification time (ns) and inode of a file


def content_hash(data: bytes) -> str:
    """The first half of SHA-256 of `data`, 32 hexadecimal digits; today's processors have an instruction for it."""
    return hashlib.sha256(data).hexdigest()[:32]


def hash_files(paths: Iterable[Path], cache: Path) -> list[str]:
    """Content hash of each file, as `try_hashes` finds it.

    Raises:
        UserError: A file vanished, may not be read, or is not a regular file.
    """
    paths = list(paths)
    hashes, unreadable = try_hashes(paths, cache)
    for path, reason in unreadable.items():
        raise UserError(f"Cannot read {path}: {reason}.")
    return [hashes[path] for path in paths]


def try_hashes(paths: Iterable[Path], cache: Path) -> tuple[dict[Path, str], dict[Path, str]]:
    """Content hash of each file that can be read, and why the others cannot.

    Only files are read that are new or changed since the last call. A file is unchanged while its size, modification
    time (ns) and inode are those remembered in `cache/hashes.sqlite`. The memory is an aid: where it cannot be used
    (read-only folder, broken file), all files are read.
    """
    known = _remembered(cache)
    stats = {path: _stat(path) for path in paths}
    hashes, fresh, unreadable = {}, [], {}
    for path, facts in stats.items():
        before = known.get(os.fsencode(path))
        if facts is None:
            unreadable[path] = why_no_file(path) or "changed a moment ago"
        elif before is not None and before[:-1] == facts:
            hashes[path] = before[-1]
        else:
            fresh.append(path)
    batches = [fresh[start : start + BATCH] for start in range(0, len(fresh), BATCH)]
    with ThreadPoolExecutor(num_cores()) as pool:
        found = chain.from_iterable(pool.map(lambda batch: [_hash_file(path) for path in batch], batches))
        for path, digest in zip(fresh, found, strict=True):
            if isinstance(digest, OSError):
                unreadable[path] = str(digest.strerror)
            else:
                hashes[path] = digest
    _remember(cache, [(os.fsencode(path), *stats[path], hashes[path]) for path in fresh if path in hashes])
    return hashes, unreadable


def _stat(path: Path) -> Facts | None:
    """Size, modification time and inode; None for what is not a regular file: reading a pipe might never end."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    # inodes fill 64 bits without a sign, SQLite's numbers have one
    return (found.st_size, found.st_mtime_ns, found.st_ino % 2**63) if stat.S_ISREG(found.st_mode) else None


def _hash_file(path: Path) -> str | OSError:
    try:
        with path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > LARGE:
                return hashlib.file_digest(file, "sha256").hexdigest()[:32]
            return content_hash(file.readall())
    except OSError as error:
        return error


def _remembered(cache: Path) -> dict[bytes, tuple[int, int, int, str]]:
    try:
        with closing(sqlite3.connect(cache / "hashes.sqlite", timeout=30)) as connection:
            rows = connection.execute("SELECT CAST(path AS BLOB), size, mtime_ns, inode, hash FROM content").fetchall()
    except sqlite3.Error:
        return {}
    return {row[0]: row[1:] for row in rows}


def _remember(cache: Path, rows: list[tuple[bytes, int, int, int, str]]) -> None:
    if not rows:
        return
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache / "hashes.sqlite", timeout=30)) as connection, connection:
            connection.execute("PRAGMA synchronous=OFF")  # it can be made again: no wait for the disk
            connection.execute(_TABLE)
            connection.executemany("INSERT OR REPLACE INTO content VALUES (CAST(? AS TEXT), ?, ?, ?, ?)", rows)
    except (sqlite3.Error, OSError):
        return  # forgetting costs one more read of the files, never a wrong result
