"""The feature store: a corpus's features from a deterministic frontend, computed once for all runs that need them.

An entry (`array_store`) holds the features of every usable recording of one waveform entry, without their padding. What
takes long is kept in blocks while it is computed: after a kill the next process goes on with the last whole one.
The key covers all that they depend on: the waveforms, how clips are cut, the frontend's settings and its code.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

from ser.data.store.array_store import Entry, open_entry
from ser.data.store.hashes import content_hash
from ser.data.store.journal import Journal

Compute = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
LARGEST_HALF = 65504.0  # of float16: beyond it is infinity
SIZES = ("num_features", "num_frames")


class Features:
    """Features of a corpus, in the order of its waveforms, on disk.

    Args:
        entry: Of the store.
    """

    def __init__(self, entry: Entry):
        self.num_features: int = entry.index["num_features"]
        self.frames = entry.sizes // self.num_features  # (N,); 0 for a recording that could not be used
        self.num_frames: int = entry.index[
            "num_frames"
        ]  # of the longest, its padding counted where clips have one length
        self._entry = entry

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._entry.folder

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, i: int) -> np.ndarray:
        """Features of recording i, (F, its valid frames), read-only, in the type in which they are kept."""
        return self._entry[i].reshape(self.num_features, -1)

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (B, F, `num_frames`) float32 of some recordings, zeros behind their valid frames (B,) int64."""
        frames = self.frames[rows]
        block = np.zeros((len(rows), self.num_features, self.num_frames), dtype=np.float32)
        for place, i, count in zip(block, rows, frames, strict=True):
            place[:, :count] = self[i]
        return block, frames

    def release(self) -> None:
        """Releases the memory of what was read so far."""
        self._entry.release()

    def size(self, rows: np.ndarray) -> int:
        """Bytes that these recordings take in memory, padded to one length."""
        return 4 * len(rows) * self.num_features * self.num_frames


def open_features(
    depends_on: Mapping[str, Any], rows: np.ndarray, total: int, compute: Compute, about: dict, cache: Path,
    kept_as: str = "float32",
) -> Features:  # fmt: skip
    """Features of a corpus, computed now or found in the store.

    Args:
        depends_on: Everything that decides the values, as plain data, the code among it.
        rows: Recordings that `compute` covers, in ascending order.
        total: Recordings of the corpus.
        compute: From how many of `rows` are there already to features (B, F, L) and frames (B,) of the others, batch by
            batch; called only where some are missing.
        about: `name` of the corpus and `settings`, for `ser store list`.
        cache: The cache folder.
        kept_as: Type of the values, `float32` or `float16`.

    Raises:
        OSError: They cannot be written; nothing is left of them.
    """
    key = content_hash(json.dumps(depends_on, sort_keys=True, default=str).encode())
    entry = open_entry(
        cache / "features" / key,
        lambda file: about | _write(file, rows, total, compute, kept_as),
        kept_as,
        goes_on=True,
    )
    return Features(entry)


def _write(file: BinaryIO, rows: np.ndarray, total: int, compute: Compute, kept_as: str) -> dict:
    journal = Journal(file)
    counts = [count for block in journal.blocks for count in block["frames"]]  # valid frames of each of `rows`
    num_features, num_frames = (journal.blocks[-1][name] for name in SIZES) if journal.blocks else (0, 0)
    noted = len(counts)
    for features, frames in compute(noted) if noted < len(rows) else ():
        features, frames = features.cpu().numpy(), frames.tolist()
        if kept_as == "float16":
            features = features.clip(-LARGEST_HALF, LARGEST_HALF).astype(kept_as)
        num_features, num_frames = features.shape[1], max(num_frames, features.shape[2])
        for values, count in zip(features, frames, strict=True):
            file.write(np.ascontiguousarray(values[:, :count]).data)
        counts += frames
        if journal.is_due():
            journal.add({"frames": counts[noted:], "num_features": num_features, "num_frames": num_frames})
            noted = len(counts)
    lengths = np.zeros(total, dtype=np.int64)
    lengths[rows] = num_features * np.array(counts, dtype=np.int64)
    return {"lengths": lengths.tolist(), "num_features": num_features, "num_frames": num_frames}
