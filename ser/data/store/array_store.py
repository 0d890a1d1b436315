"""Entries of the cache: arrays of different lengths, concatenated in one file, kept whole or not at all.

An entry is a folder `<cache>/<kind>/<key>/` with `values.f32` (or `.f16`) and an `index.json` that says how they are
divided, sealed with a hash. It is written under another name and renamed when complete: a killed process's partial file
is never read as an entry; the next writer removes it, or goes on with it (`journal`). A process that needs an entry
while another writes it waits.
"""

import json
import mmap
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from ser.data.store.hashes import content_hash
from ser.data.store.journal import NAME

VALUES = {"float32": "values.f32", "float16": "values.f16"}
BUFFER = 2**16  # bytes: for pieces of a megabyte Linux looks for contiguous memory, and takes three times as long
KINDS = ("waveforms", "features")  # subfolders of the cache that hold entries


class Entry:
    """An entry on disk, memory-mapped.

    Args:
        folder: Where.
        index: Its `index.json`; `lengths` are the values of each array.
    """

    def __init__(self, folder: Path, index: dict):
        self.folder, self.index = folder, index
        self.sizes = np.asarray(index["lengths"], dtype=np.int64)  # (N,)
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])
        total = int(self._starts[-1])
        kind = _kind(index)
        self.values = np.memmap(folder / VALUES[kind], kind, "r", shape=(total,)) if total else np.zeros(0, kind)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, i: int) -> np.ndarray:
        """Array i, flat, read-only."""
        return self.values[self._starts[i] : self._starts[i + 1]]

    def release(self) -> None:
        """Releases the memory of what was read so far; it is read again when needed."""
        mapped = getattr(self.values, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def read_entry(folder: Path) -> Entry | None:
    """The entry, or None where it is missing or not whole."""
    if (index := read_index(folder)) is None:
        return None
    try:
        return Entry(folder, index)
    except OSError:  # another process cleared the cache a moment ago
        return None


def open_entry(folder: Path, fill: Callable[[BinaryIO], dict], kind: str = "float32", goes_on: bool = False) -> Entry:
    """The entry, filled now by `fill` if it is missing.

    Args:
        folder: Its folder; parents are made.
        fill: Writes the values and returns the index: `lengths`, and further facts.
        kind: Of the values, a key of `VALUES`.
        goes_on: Whether `fill` goes on with what a killed process has written, by a `Journal`.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    if (found := read_entry(folder)) is not None:
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if (found := read_entry(folder)) is None:
            _write_entry(folder, fill, kind, goes_on)
            found = read_entry(folder)
    if found is None:
        raise OSError(f"another process removed {folder.name} a moment ago")
    return found


def _write_entry(folder: Path, fill: Callable[[BinaryIO], dict], kind: str, goes_on: bool) -> None:
    partial = folder.with_suffix(".partial")
    if not goes_on:
        shutil.rmtree(partial, ignore_errors=True)  # of a killed process: under the lock no other process writes it
    partial.mkdir(exist_ok=goes_on)
    try:
        with (partial / VALUES[kind]).open("ab" if goes_on else "wb", buffering=BUFFER) as values:
            index = fill(values)
            values.flush()
            os.fsync(values.fileno())
        (partial / NAME).unlink(missing_ok=True)
        index = {**index, **({} if kind == "float32" else {"dtype": kind})}
        index = {**index, "created": datetime.now().isoformat(timespec="seconds")}
        (partial / "index.json").write_text(json.dumps({**index, "seal": _seal(index)}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # an entry that did not read as whole
        os.replace(partial, folder)
    except BaseException as error:
        if not goes_on or isinstance(error, OSError) or not (partial / NAME).is_file():
            shutil.rmtree(partial, ignore_errors=True)
        raise


def read_index(folder: Path) -> dict | None:
    """index.json, if it is undamaged and the values are complete."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        kind = _kind(index)
        size = (folder / VALUES[kind]).stat().st_size
        expected = np.dtype(kind).itemsize * sum(index["lengths"])
        return index if index.pop("seal") == _seal(index) and size == expected else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _kind(index: dict) -> str:
    return index.get("dtype", "float32")


def _seal(index: dict) -> str:
    return content_hash(json.dumps(index, sort_keys=True).encode())


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry as `ser store list` shows it.

    Args:
        folder: Its folder.
        kind: `waveforms` or `features`.
        name: Of the corpus.
        recordings: How many.
        size: Bytes on disk.
        settings: What it was made with.
        created: When.
    """

    folder: Path
    kind: str
    name: str
    recordings: int
    size: int
    settings: dict
    created: str


def list_entries(cache: Path) -> list[Kept]:
    """The whole entries under `cache`, newest first."""
    found = []
    for folder in (folder for kind in KINDS for folder in (cache / kind).glob("*/")):
        if folder.suffix or (index := read_index(folder)) is None:
            continue
        size = sum(file.stat().st_size for file in folder.iterdir())
        about = (index["name"], len(index["lengths"]), size, index["settings"], index["created"])
        found.append(Kept(folder, folder.parent.name, *about))
    return sorted(found, key=lambda entry: entry.created, reverse=True)


def clear_entries(cache: Path) -> tuple[int, int, int]:
    """Removes every entry, whole or not, and the remembered hashes, but nothing that a process writes just now.

    Returns:
        How many entries were removed, their bytes, and how many were left.
    """
    removed, size, busy = 0, 0, 0
    sizes = {entry.folder: entry.size for entry in list_entries(cache)}
    paths = [path for kind in KINDS for path in (cache / kind).glob("*")]
    for folder in sorted({path.with_suffix("") for path in paths}):
        lock = folder.with_suffix(".lock")
        try:
            with FileLock(lock, timeout=0):
                for path in (folder, folder.with_suffix(".partial")):
                    shutil.rmtree(path, ignore_errors=True)
                lock.unlink(missing_ok=True)  # while it is held: who waits for it makes another
        except Timeout:
            busy += 1
            continue
        removed, size = removed + (folder in sizes), size + sizes.get(folder, 0)
    for kind in KINDS:
        with suppress(OSError):  # something is left in it
            (cache / kind).rmdir()
    (cache / "hashes.sqlite").unlink(missing_ok=True)
    return removed, size, busy
