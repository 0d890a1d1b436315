"""The waveform store: a corpus decoded once per audio setting, memory-mapped by every later run.

An entry (`array_store`) is a folder `<cache>/waveforms/<key>/` with all waveforms end to end, and in its index
their lengths, content hashes, and the files that could not be used. Its key is a hash of the files' contents, of the
settings, and of the code and libraries that decode: a change to any of them makes a new entry, and an old one is never
used wrongly.
"""

import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ser.data.audio.decode import BadRecording, Unread
from ser.data.audio.prepare import AudioSettings, load_with_hash, versions
from ser.data.store.array_store import Entry, open_entry
from ser.data.store.hashes import content_hash
from ser.errors import UserError
from ser.system.files import why_refused
from ser.system.machine import num_cores
from ser.system.memory import keep_freed_memory
from ser.system.source_code import code_fingerprint

BATCH = 64  # files that a thread decodes at a time, at most
BATCH_BYTES = 4_000_000  # of such files: long recordings go one by one
SKETCHED = 500  # samples in the middle that are compared first, to distinguish recordings; hashlib keeps Python's lock
WRITEBACK = 64_000_000  # bytes
Loaded = tuple[np.ndarray | None, str, str]  # a sketch and `samples_hash`; or None and why it cannot be used


class Waveforms:
    """The waveforms of a corpus, in the order of its utterances, on disk.

    Args:
        entry: Of the store.
    """

    def __init__(self, entry: Entry):
        self.folder = entry.folder  # equal names are equal waveforms
        self.lengths = entry.sizes  # (N,) samples; 0 for a bad file
        self.contents: list[str] = entry.index["contents"]  # equal strings are identical samples
        self.originals: list[str] = entry.index["originals"]  # `samples_hash` of each file, whatever the settings
        self.bad: dict[int, str] = {int(i): reason for i, reason in entry.index["bad"].items()}
        self._entry = entry

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, i: int) -> np.ndarray:
        """Waveform i, (T,) float32, read-only."""
        return self._entry[i]

    def release(self) -> None:
        """Releases the memory of what was read so far."""
        self._entry.release()

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
        hashes: Content hash of each (`ser.data.store.hashes`).
        settings: How they are prepared; the duration does not matter here, clips are cut when batches are made.
        cache: The cache folder.
        name: Of the corpus, for `ser store list`.
        progress: Wraps the iterator over decoded files, e.g. in a progress bar.

    Raises:
        UserError: The disk is full or may not be written, or a file cannot be read that could be a moment ago.
    """
    kept = {key: value for key, value in asdict(settings).items() if key not in ("duration_s", "padding_is_signal")}
    decides = {"code": code_fingerprint(__name__), "libraries": versions(), "audio": kept, "files": list(hashes)}
    description = json.dumps(decides, sort_keys=True)
    folder = cache / "waveforms" / content_hash(description.encode())
    about = {"name": name, "settings": kept}
    try:
        return Waveforms(open_entry(folder, lambda file: about | _decode_into(file, paths, settings, progress)))
    except OSError as error:
        raise UserError(
            f"Cannot write the waveform store under {cache}: {why_refused(error)}. Nothing was kept of it. Free some "
            "space (`ser store list` shows its contents), or set SER_CACHE to a folder on another disk."
        ) from error


def _decode_into(file: BinaryIO, paths: Sequence[Path], settings: AudioSettings, progress) -> dict:
    """Writes all waveforms end to end; gives their lengths and contents, and which files could not be used."""
    lengths, sketches, originals, bad = [], [], [], {}
    with _early_writeback(file) as written:
        for i, (waveform, about, original) in enumerate(progress(_decode_all(paths, settings))):
            if waveform is None:
                bad[str(i)] = about
            else:
                file.write(waveform.data)
                written()
            lengths.append(0 if waveform is None else len(waveform))
            sketches.append("" if waveform is None else about)
            originals.append(original)
    file.flush()
    contents = _contents(Path(file.name), lengths, sketches)
    return {"lengths": lengths, "contents": contents, "originals": originals, "bad": bad}


def _decode_all(paths: Sequence[Path], settings: AudioSettings) -> Iterator[Loaded]:
    """Each recording in order.

    Threads decode a few batches ahead of the writer: batches, since passing a task costs as much as a short file.
    """
    workers = num_cores()
    waiting: deque[Future] = deque()
    keep_freed_memory()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for batch in _batches(paths, min(BATCH, -(-len(paths) // (4 * workers)))):
                waiting.append(pool.submit(_load_some, batch, settings))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _batches(paths: Sequence[Path], most: int) -> Iterator[list[Path]]:
    """The paths in order, so many at a time, or fewer where they are large."""
    batch, size = [], 0
    for path in paths:
        batch.append(path)
        with suppress(OSError):  # loading reports a file that vanished
            size += path.stat().st_size
        if len(batch) == most or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _load_some(paths: Sequence[Path], settings: AudioSettings) -> list[Loaded]:
    return [_load_or_reason(path, settings) for path in paths]


def _load_or_reason(path: Path, settings: AudioSettings) -> Loaded:
    try:
        waveform, original = load_with_hash(path, settings)
    except Unread as error:  # kept as a bad file it would be one for ever
        raise UserError(
            f"Cannot read {path}: {error}. Nothing was kept of the waveform store: the same command fills it when the "
            "file can be read."
        ) from error
    except BadRecording as error:
        return None, str(error), ""
    middle = max(0, len(waveform) - SKETCHED) // 2
    return waveform, f"{len(waveform)}-{content_hash(waveform[middle : middle + SKETCHED].data)}", original


def _contents(samples: Path, lengths: Sequence[int], sketches: Sequence[str]) -> list[str]:
    """What distinguishes recordings: a sketch where no other recording has the same one, else a hash of all samples.

    Different sketches are different samples; hashing all of every waveform would take a tenth of the decoding.
    """
    common = {sketch for sketch, count in Counter(sketches).items() if sketch and count > 1}
    starts, contents = np.concatenate([[0], np.cumsum(lengths)]), []
    with samples.open("rb") as file:
        for start, length, sketch in zip(starts.tolist(), lengths, sketches, strict=False):
            if sketch in common:
                file.seek(4 * start)
                sketch = content_hash(file.read(4 * length))
            contents.append(sketch)
    return contents


@contextmanager
def _early_writeback(file: BinaryIO) -> Iterator[Callable[[], None]]:
    """Flushes to disk while decoding goes on, so that the end need not wait for all of it."""
    pending: list[Future] = []
    with ThreadPoolExecutor(1) as pool:

        def written() -> None:
            if file.tell() // WRITEBACK > len(pending):
                pending.append(pool.submit(os.fsync, file.fileno()))

        yield written
    for done in pending:
        done.result()  # the system tells of an error once: here, and not at the end as well
