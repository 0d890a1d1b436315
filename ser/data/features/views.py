"""Pre-rendered views: each training clip augmented a few times, once for all epochs, and one view of it drawn in each.

View 0 is the recording as it is; views 1 to V are what the augmentations of waveforms make of it, each from a generator
that is a function of (seed, the clip's content, view). Their features lie in the feature store, one entry a view, so
that more views of the same run keep those that are there. In an epoch every training clip shows one of its V + 1 views,
drawn as a function of (seed, epoch); validation and test never see any.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ser.data.features.feature_store import Features
from ser.data.features.sources import Frontend, MappedFeatures, ResidentFeatures, StoredWaveforms
from ser.data.store.hashes import content_hash
from ser.system.seeding import derive_seed

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
HANDFUL = 16  # clips whose features are computed at once: their views differ in length, little is padded
DRAW = 0x56494557  # separates this draw from the order of an epoch, which has the same seed and epoch


class Views:
    """Batches of the training part in which each utterance is one of its views.

    Args:
        source: Holds view v of the training part's k-th utterance at `v * len(train) + k`.
        train: The training part, as indices into all utterances.
        num_views: V + 1: with the recordings as they are.
        seed: Of the run.
    """

    def __init__(self, source: ResidentFeatures | MappedFeatures, train: Sequence[int], num_views: int, seed: int):
        self.source, self.train, self.num_views, self.seed = source, np.asarray(train), num_views, seed
        self._on_device = torch.full((self.train.max() + 1,), -1)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draws a view for each utterance of the training part."""
        rng = np.random.default_rng(derive_seed(self.seed, epoch, DRAW))
        drawn = rng.integers(self.num_views, size=len(self.train))
        self._places = np.full(self.train.max() + 1, -1)
        self._places[self.train] = drawn * len(self.train) + np.arange(len(self.train))
        self._on_device.copy_(torch.from_numpy(self._places))  # where it is: recorded steps read it there

    def batch(self, indices: Sequence[int], chosen: Tensor | None = None) -> dict[str, Tensor]:
        """features (B, F, L) and frames (B,) of utterances of the training part, each as its view of this epoch."""
        on_device = None if chosen is None else self._on_device.index_select(0, chosen)
        return self.source.batch(self._places[np.asarray(indices)], on_device)

    def gather(self, chosen: Tensor) -> dict[str, Tensor]:
        """The same of indices (B,) on the device, where the source has everything there."""
        return self.source.gather(self._on_device.index_select(0, chosen))

    def to(self, device: torch.device) -> None:
        """Moves what is kept to `device`, once."""
        self.source.to(device)
        self._on_device = self._on_device.to(device)


class StackedFeatures:
    """Several entries of features of the same corpus as one: row r of entry v is `v * total + r`.

    Args:
        entries: Of one corpus, computed by one frontend.
    """

    def __init__(self, entries: Sequence[Features]):
        self.entries, self.total = entries, len(entries[0])
        self.num_features = entries[0].num_features
        self.frames = np.concatenate([entry.frames for entry in entries])
        self.num_frames = max(entry.num_frames for entry in entries)

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (B, F, `num_frames`) float32, zeros behind their valid frames (B,) int64."""
        frames = self.frames[rows]
        block = np.zeros((len(rows), self.num_features, self.num_frames), dtype=np.float32)
        for place, row, count in zip(block, rows.tolist(), frames.tolist(), strict=True):
            place[:, :count] = self.entries[row // self.total][row % self.total]
        return block, frames

    def release(self) -> None:
        """Takes what was read so far out of this process's memory."""
        for entry in self.entries:
            entry.release()

    def size(self, rows: np.ndarray) -> int:
        """Bytes that these recordings take in memory, padded to one length."""
        return 4 * len(rows) * self.num_features * self.num_frames


def render(
    source: StoredWaveforms, augmentations: Sequence[Augment], frontend: Frontend, indices: Sequence[int], view: int,
    seed: int, device: torch.device | str = "cpu",
) -> Iterator[tuple[Tensor, Tensor]]:  # fmt: skip
    """One view of utterances, in order: yields features (B, F, L) and frames (B,).

    A view depends on the clip, the seed and its number alone: each clip is augmented by itself, on the CPU, which a GPU
    would take longer for (a transform of another length is planned anew), and which gives the same for both.

    Args:
        source: Waveforms.
        augmentations: Of waveforms; none: the recordings as they are.
        frontend: Computes features.
        indices: Which utterances.
        view: Number, from 1.
        seed: Of the run.
        device: Where the frontend computes.
    """
    for start in range(0, len(indices), HANDFUL):
        clips, lengths = [], []
        for index in indices[start : start + HANDFUL]:
            waveform, length = source.batch([index]).values()
            generator = torch.Generator().manual_seed(view_seed(seed, waveform[0, : int(length)], view))
            with torch.no_grad():
                for augment in augmentations:
                    waveform, length = augment(waveform, length, generator)
            clips.append(waveform[0])
            lengths.append(length)
        with torch.inference_mode():
            padded = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
            yield frontend(padded.to(device), torch.cat(lengths).to(device))


def view_seed(seed: int, clip: Tensor, view: int) -> int:
    """The seed of a view's generator, from the run's seed, the clip's samples (n,) and the view's number."""
    return derive_seed(seed, int(content_hash(clip.cpu().numpy().data), 16), view)
