"""Where batches come from: features computed once and kept, or waveforms read from the store.

Every source has `batch(indices)`; none uses workers, since indexing what is already there is quicker than handing
it between processes.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ser.data.features.feature_store import Features
from ser.data.store.waveforms import Waveforms
from ser.system.memory import keep_freed_memory

Frontend = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # (B, T), (B,) → (B, F, L), (B,)
Normalise = Callable[[Tensor, Tensor], Tensor]  # (B, F, L), (B,) → (B, F, L)

# Samples that a frontend is given at once on a CPU: what it computes from them stays in the processor's cache, and with
# that the features of a corpus take half the time.
CHUNK_SAMPLES = 800_000
CHUNK_CLIPS = 256  # and clips at once on a GPU


class StoredWaveforms:
    """Batches of waveforms, padded to the run's duration or to the longest of the batch.

    Args:
        waveforms: The store.
        rows: Where in the store each utterance is.
        num_samples: Length of every clip, or None.
        padding_is_signal: Say that every clip is as long as the padded one.
    """

    def __init__(
        self, waveforms: Waveforms, rows: np.ndarray, num_samples: int | None, padding_is_signal: bool = False
    ):
        self.waveforms, self.rows = waveforms, rows
        self.num_samples, self.padding_is_signal = num_samples, padding_is_signal

    def of_all(self) -> "StoredWaveforms":
        """The same of every usable recording of the store."""
        usable = np.flatnonzero(self.waveforms.lengths)
        return StoredWaveforms(self.waveforms, usable, self.num_samples, self.padding_is_signal)

    def batch(self, indices: Sequence[int], chosen: Tensor | None = None) -> dict[str, Tensor]:
        """waveforms (B, T) float32 and lengths (B,) int64."""
        waveforms, lengths = self.waveforms.batch(self.rows[np.asarray(indices)], self.num_samples)
        if self.padding_is_signal and self.num_samples is not None:
            lengths = np.full_like(lengths, self.num_samples)
        return {"waveforms": torch.from_numpy(waveforms), "lengths": torch.from_numpy(lengths)}

    def to(self, device: torch.device) -> None:
        """Waveforms stay on disk; each batch is moved when it is used."""


class ResidentFeatures:
    """Features of the whole corpus in memory, on the training device: a batch is an index.

    Args:
        features: (N, F, L), zero behind the valid frames.
        frames: Valid frames (N,).
        trim: Cut each batch to its longest utterance; False where the model needs every frame position.
    """

    def __init__(self, features: Tensor, frames: Tensor, trim: bool):
        self.features, self.frames = features, frames
        self._host_frames = frames.cpu().numpy()  # the batch's longest is looked up without asking the device
        self.trim = trim and bool((self._host_frames < features.shape[2]).any())

    def batch(self, indices: Sequence[int], chosen: Tensor | None = None) -> dict[str, Tensor]:
        """features (B, F, L) and frames (B,) int64; `chosen` are the same indices, already on the device."""
        if chosen is None:
            chosen = torch.as_tensor(np.asarray(indices), device=self.features.device)
        batch = self.gather(chosen)
        if self.trim:
            longest = int(self._host_frames[np.asarray(indices)].max())
            batch["features"] = batch["features"][:, :, :longest]
        return batch

    def gather(self, chosen: Tensor) -> dict[str, Tensor]:
        """The same of indices (B,) on the device, as wide as the longest of all: nothing is asked of the host."""
        # index_select: the quickest of torch's ways to gather rows
        return {"features": self.features.index_select(0, chosen), "frames": self.frames.index_select(0, chosen)}

    def to(self, device: torch.device) -> None:
        """Moves everything to `device`, once."""
        self.features, self.frames = self.features.to(device), self.frames.to(device)


class MappedFeatures:
    """Features too large for memory: each batch is read from disk and normalised.

    Args:
        features: On disk.
        rows: Where in it each utterance is.
        normalise: The fitted normaliser.
        trim: Cut each batch to its longest utterance; False where the model needs every frame position.
    """

    def __init__(self, features: Features, rows: np.ndarray, normalise: Normalise, trim: bool):
        self.features, self.rows, self.normalise, self.trim = features, rows, normalise, trim
        self.device = torch.device("cpu")

    def batch(self, indices: Sequence[int], chosen: Tensor | None = None) -> dict[str, Tensor]:
        """features (B, F, L) and frames (B,) int64."""
        block, counts = self.features.batch(self.rows[np.asarray(indices)])
        features, frames = (torch.from_numpy(array).to(self.device) for array in (block, counts))
        with torch.no_grad():
            features = self.normalise(features, frames)
        return {"features": features[:, :, : int(counts.max())] if self.trim else features, "frames": frames}

    def to(self, device: torch.device) -> None:
        """Each batch is moved when it is read."""
        self.device = device


def compute_features(
    source: StoredWaveforms, frontend: Frontend, indices: Sequence[int], device: torch.device | str = "cpu"
) -> Iterator[tuple[Tensor, Tensor]]:
    """Runs the frontend over utterances, in order, on its device: yields features (B, F, L) and frames (B,)."""
    size = clips_at_once(source, device)
    keep_freed_memory()
    with torch.inference_mode():
        for start in range(0, len(indices), size):
            batch = source.batch(indices[start : start + size])
            yield frontend(batch["waveforms"].to(device), batch["lengths"].to(device))


def clips_at_once(source: StoredWaveforms, device: torch.device | str = "cpu") -> int:
    """Utterances in each batch of `compute_features`."""
    longest = source.num_samples or int(source.waveforms.lengths[source.rows].max(initial=1))
    return CHUNK_CLIPS if torch.device(device).type == "cuda" else max(1, CHUNK_SAMPLES // longest)


def keep_in_memory(batches: Iterator[tuple[Tensor, Tensor]], total: int, trim: bool) -> ResidentFeatures:
    """Gathers computed batches of `total` utterances into one block, padded with zeros to the longest."""
    parts, frames = [], []
    for features, valid in batches:
        parts.append(features)
        frames.append(valid)
    width = max(part.shape[2] for part in parts)
    block = torch.zeros(total, parts[0].shape[1], width, device=parts[0].device)
    start = 0
    for part in parts:
        block[start : start + len(part), :, : part.shape[2]] = part
        start += len(part)
    return ResidentFeatures(block, torch.cat(frames), trim)
