"""The waveform store: a corpus decoded once per audio setting, memory-mapped by every later run.

An entry is a folder `<cache>/waveforms/<key>/` with `samples.f32` (all waveforms end to end, float32) and `index.json`
(lengths, content hashes, files that could not be used). Its key is a hash of the files' contents and of the settings:
a changed file or setting makes a new entry, and an old one is never wrong. It is written under another name and
renamed when whole: what a killed process leaves is never used, and the next writer clears it away.
"""

import errno
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from filelock import FileLock

from ser.audio import AudioSettings, BadRecording, load
from ser.data.hashes import content_hash
from ser.errors import UserError

FORMAT = 1  # raise it when the meaning of an entry changes


class Waveforms:
    """The waveforms of a corpus, in the order of its utterances, on disk.

    Args:
        folder: A whole entry of the store.
        index: Its `index.json`.
    """

    def __init__(self, folder: Path, index: dict):
        self.folder = folder
        self.lengths = np.asarray(index["lengths"], dtype=np.int64)  # (N,) samples; 0 for a bad file
        self.contents: list[str] = index["contents"]  # equal strings are identical samples
        self.bad: dict[int, str] = {int(i): reason for i, reason in index["bad"].items()}
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        total = int(self._starts[-1])
        self._samples = np.memmap(folder / "samples.f32", np.float32, "r", shape=(total,)) if total else np.zeros(0)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, i: int) -> np.ndarray:
        """Waveform i, (T,) float32, read-only."""
        return self._samples[self._starts[i] : self._starts[i + 1]]

    def batch(self, indices: Sequence[int], num_samples: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Waveforms side by side, zero-padded.

        Args:
            indices: Which.
            num_samples: Cut or pad all to this length; None pads to the longest of the batch.

        Returns:
            waveforms (B, T) float32 and lengths (B,) int64 of real samples.
        """
        lengths = self.lengths[np.asarray(indices)]
        width = int(lengths.max()) if num_samples is None else num_samples
        lengths = np.minimum(lengths, width)
        waveforms = np.zeros((len(lengths), width), dtype=np.float32)
        for row, i, length in zip(waveforms, indices, lengths, strict=True):
            row[:length] = self[i][:length]
        return waveforms, lengths


def open_store(
    paths: Sequence[Path], hashes: Sequence[str], settings: AudioSettings, cache: Path, name: str, progress=iter
) -> Waveforms:
    """Waveforms of `paths`, decoded now or found in the store.

    Args:
        paths: The recordings.
        hashes: Content hash of each (`ser.data.hashes`).
        settings: How they are prepared; the duration does not matter here, clips are cut when batches are made.
        cache: The cache folder.
        name: Of the corpus, for `ser store list`.
        progress: Wraps the iterator over decoded files, e.g. in a progress bar.

    Raises:
        UserError: The disk is full or may not be written.
    """
    kept = {key: value for key, value in asdict(settings).items() if key not in ("duration_s", "padding_is_signal")}
    description = json.dumps({"format": FORMAT, "audio": kept, "files": list(hashes)}, sort_keys=True)
    folder = cache / "waveforms" / content_hash(description.encode())
    if (found := _read_entry(folder)) is not None:
        return found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):  # a second process waits here, then finds the entry
            if (found := _read_entry(folder)) is None:
                _write_entry(folder, paths, settings, {"name": name, "audio": kept}, progress)
                found = _read_entry(folder)
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or error)
        raise UserError(
            f"Cannot write the waveform store under {cache}: {why}. Nothing was kept of it. Free some space "
            "(`ser store list` shows what lies there), or set SER_CACHE to a folder on another disk."
        ) from error
    return found


def _write_entry(folder: Path, paths: Sequence[Path], settings: AudioSettings, about: dict, progress) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a killed process: the lock says that nobody else is writing it
    partial.mkdir()
    try:
        lengths, contents, bad = [], [], {}
        with (partial / "samples.f32").open("wb") as file:
            for i, decoded in enumerate(progress(_decode_all(paths, settings))):
                if isinstance(decoded, str):
                    bad[str(i)] = decoded
                    lengths.append(0)
                    contents.append("")
                else:
                    file.write(decoded.data)
                    lengths.append(len(decoded))
                    contents.append(content_hash(decoded.data))
            file.flush()
            os.fsync(file.fileno())
        index = {**about, "created": datetime.now().isoformat(timespec="seconds")}
        index |= {"lengths": lengths, "contents": contents, "bad": bad}
        (partial / "index.json").write_text(json.dumps({**index, "seal": _seal(index)}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # an entry that did not read as whole
        os.replace(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _decode_all(paths: Sequence[Path], settings: AudioSettings) -> Iterator[np.ndarray | str]:
    """Each recording in order, or the reason why it cannot be used; threads decode a few ahead of the writer."""
    workers = os.cpu_count() or 1
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(_load_or_reason, path, settings))
                if len(waiting) > 8 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _load_or_reason(path: Path, settings: AudioSettings) -> np.ndarray | str:
    try:
        return load(path, settings)
    except BadRecording as error:
        return str(error)


def _read_entry(folder: Path) -> Waveforms | None:
    """The entry, or None where it is missing or not whole."""
    if (index := _read_index(folder)) is None:
        return None
    try:
        return Waveforms(folder, index)
    except OSError:  # another process cleared the store a moment ago
        return None


def _read_index(folder: Path) -> dict | None:
    """What index.json says, if it is undamaged and the samples are all there."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        size = (folder / "samples.f32").stat().st_size
        return index if index.pop("seal") == _seal(index) and size == 4 * sum(index["lengths"]) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _seal(index: dict) -> str:
    return content_hash(json.dumps(index, sort_keys=True).encode())


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One entry as `ser store list` shows it: corpus, recordings, bytes on disk, settings, when it was made."""

    folder: Path
    name: str
    recordings: int
    size: int
    audio: dict
    created: str


def list_store(cache: Path) -> list[StoreEntry]:
    """The whole entries under `cache`, newest first."""
    entries = []
    for folder in (cache / "waveforms").glob("*/"):
        if folder.suffix or (index := _read_index(folder)) is None:
            continue
        size = sum(file.stat().st_size for file in folder.iterdir())
        entries.append(StoreEntry(folder, index["name"], len(index["lengths"]), size, index["audio"], index["created"]))
    return sorted(entries, key=lambda entry: entry.created, reverse=True)


def clear_store(cache: Path) -> tuple[int, int]:
    """Removes every entry, whole or not, and the remembered hashes; gives how many, and their bytes."""
    entries = list_store(cache)
    shutil.rmtree(cache / "waveforms", ignore_errors=True)
    (cache / "hashes.sqlite").unlink(missing_ok=True)
    return len(entries), sum(entry.size for entry in entries)
