"""Content hashes of files, computed once and remembered with size and modification time."""

import hashlib
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path

from ser.errors import UserError
from ser.system.machine import num_cores

HANDFUL = 128  # files that a thread reads at a time: handing over costs as much as a small file
_TABLE = "CREATE TABLE IF NOT EXISTS sha256 (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, hash TEXT)"


def content_hash(data: bytes) -> str:
    """The first half of SHA-256 of `data`, 32 hexadecimal digits; today's processors have an instruction for it."""
    return hashlib.sha256(data).hexdigest()[:32]


def hash_files(paths: Iterable[Path], cache: Path) -> list[str]:
    """Content hash of each file, reading only those that are new or changed since the last call.

    A file is unchanged while its size and modification time (ns) are those remembered in `cache/hashes.sqlite`.
    The memory is an aid: where it cannot be used (read-only folder, broken file), all files are read.

    Raises:
        UserError: A file vanished or may not be read.
    """
    paths = list(paths)
    known = _remembered(cache)
    stats = [_stat(path) for path in paths]
    fresh = [i for i, path in enumerate(paths) if known.get(str(path), (None,))[:2] != stats[i]]
    handfuls = [fresh[start : start + HANDFUL] for start in range(0, len(fresh), HANDFUL)]
    with ThreadPoolExecutor(num_cores()) as pool:
        digests = pool.map(lambda handful: [_hash_file(paths[i]) for i in handful], handfuls)
        hashed = dict(zip(fresh, chain.from_iterable(digests), strict=True))
    if hashed:
        _remember(cache, [(str(paths[i]), *stats[i], digest) for i, digest in hashed.items()])
    return [hashed[i] if i in hashed else known[str(path)][2] for i, path in enumerate(paths)]


def _stat(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    return stat.st_size, stat.st_mtime_ns


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb", buffering=0) as file:
            return content_hash(file.readall())
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error


def _remembered(cache: Path) -> dict[str, tuple[int, int, str]]:
    try:
        with closing(sqlite3.connect(cache / "hashes.sqlite", timeout=30)) as connection:
            rows = connection.execute("SELECT path, size, mtime_ns, hash FROM sha256").fetchall()
    except sqlite3.Error:
        return {}
    return {path: (size, mtime_ns, digest) for path, size, mtime_ns, digest in rows}


def _remember(cache: Path, rows: list[tuple[str, int, int, str]]) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache / "hashes.sqlite", timeout=30)) as connection, connection:
            connection.execute("PRAGMA synchronous=OFF")  # it can be made again: no wait for the disk
            connection.execute(_TABLE)
            connection.executemany("INSERT OR REPLACE INTO sha256 VALUES (?, ?, ?, ?)", rows)
    except (sqlite3.Error, OSError):
        return  # forgetting costs one more read of the files, never a wrong result
