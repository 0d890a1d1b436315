"""Batches for Lightning: lists of indices, in an order that is a function of seed and epoch."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pytorch_lightning as L
import torch
from torch import Tensor

from ser.data.features.sources import ResidentFeatures, StoredWaveforms
from ser.data.features.views import Views
from ser.data.splits import Split
from ser.errors import UserError
from ser.system.seeding import derive_seed


class BatchSource(Protocol):
    """Gives the tensors of some utterances (`ser.data.features`); `chosen`: the same indices on the device."""

    def batch(self, indices: Sequence[int], chosen: Tensor | None = None) -> dict[str, Tensor]: ...

    def to(self, device: torch.device) -> None: ...


class EpochOrder:
    """The order in which one rank sees a part: shuffled anew each epoch, or unshuffled.

    Ranks read disjoint shares. In training all ranks get equally many (at most `world_size - 1` utterances are left out
    of an epoch, different ones each time); in evaluation every utterance comes exactly once.

    Args:
        indices: The part.
        batch_size: Utterances a batch, on each rank.
        seed: The run's; None keeps the order (evaluation).
        rank, world_size: This process among all.
    """

    def __init__(self, indices: Sequence[int], batch_size: int, seed: int | None, rank: int = 0, world_size: int = 1):
        self.indices = np.asarray(indices)
        self.batch_size, self.seed, self.rank, self.world_size = batch_size, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    @property
    def sampler(self) -> "EpochOrder":
        """Itself: Lightning calls `loader.batch_sampler.sampler.set_epoch` before each epoch."""
        return self

    def __len__(self) -> int:
        return len(self._bounds()) - 1

    def __iter__(self) -> Iterator[np.ndarray]:
        order = self.indices
        if self.seed is not None:
            order = np.random.default_rng(derive_seed(self.seed, self.epoch)).permutation(order)
        mine = order[self.rank :: self.world_size]
        bounds = self._bounds()
        for start, end in zip(bounds, bounds[1:], strict=False):
            yield mine[start:end]

    def _bounds(self) -> list[int]:
        """Where batches begin and end; the same number of batches on every rank, which collective calls need."""
        if self.seed is None:
            largest = -(-len(self.indices) // self.world_size)
            count = -(-largest // self.batch_size)
            mine = len(self.indices[self.rank :: self.world_size])
            return [min(i * self.batch_size, mine) for i in range(count + 1)]
        mine = len(self.indices) // self.world_size
        bounds = [*range(0, mine, self.batch_size), mine]
        if len(bounds) > 2 and bounds[-1] - bounds[-2] == 1 < self.batch_size:
            del bounds[-2]  # batch normalisation cannot train on a batch of one: it joins the batch before
        return bounds


class IndexLoader:
    """Serves batches of one part; Lightning takes any iterable with a length.

    Args:
        source: Of their tensors.
        labels: Of all utterances (N,).
        order: Of the part.
        gathered: Whether batches have their tensors; else they are indices on the device (`EmotionData.gather`).
    """

    def __init__(self, source: BatchSource | Views, labels: Tensor, order: EpochOrder, gathered: bool = True):
        self.source, self.labels, self.gathered = source, labels, gathered
        self.batch_sampler = order  # Lightning looks here for `sampler.set_epoch`

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        batches = list(self.batch_sampler)
        if isinstance(self.source, Views):
            self.source.set_epoch(self.batch_sampler.epoch)
        # the whole order goes to the device at once: a copy in each step would make the host wait
        order = torch.as_tensor(np.concatenate(batches), device=self.labels.device)
        for indices, chosen in zip(batches, order.split([len(batch) for batch in batches]), strict=True):
            yield self._batch(indices, chosen) if self.gathered else {"indices": chosen}

    def batch_at(self, step: int) -> dict[str, Tensor]:
        """The batch of one step of the current epoch, once more."""
        indices = list(self.batch_sampler)[step]
        return self._batch(indices, torch.as_tensor(indices, device=self.labels.device))

    def _batch(self, indices: np.ndarray, chosen: Tensor) -> dict[str, Tensor]:
        batch = self.source.batch(indices, chosen)
        return {**batch, "labels": self.labels.index_select(0, chosen), "indices": chosen}


class EmotionData(L.LightningDataModule):
    """The three parts of a split as loaders over one source.

    Args:
        source: Features or waveforms of all utterances.
        labels: Class of each utterance (N,).
        split: Which utterance belongs to which part.
        batch_size: Utterances a training batch, on each device.
        seed: Decides the order of training.
        views: What the training part is drawn from, in place of `source`.
        names: Of the utterances (N,), for messages.

    Raises:
        UserError: A batch size below 1, or a part smaller than the number of devices.
    """

    def __init__(
        self, source: BatchSource, labels: Sequence[int], split: Split, batch_size: int, seed: int,
        views: Views | None = None, names: Sequence[str] = (),
    ):  # fmt: skip
        super().__init__()
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be at least 1.")
        self.source, self.labels, self.split = source, torch.as_tensor(labels), split
        self.host_labels = self.labels.numpy()
        self.gathered = True  # whether batches have their tensors (`leave_batches_to_the_step`)
        self.batch_size, self.seed, self.views = batch_size, seed, views
        self.names = names

    def setup(self, stage: str) -> None:
        """Moves what is kept to the training device, once."""
        device = self.trainer.strategy.root_device
        for source in (self.source, self.views) if self.views is not None else (self.source,):
            source.to(device)
        self.labels = self.labels.to(device)

    def teardown(self, stage: str) -> None:
        """Has loaders of what follows give whole batches again."""
        self.gathered = True

    @property
    def computes_features(self) -> bool:
        """Whether training batches are waveforms, whose features each step computes."""
        return isinstance(self.views or self.source, StoredWaveforms)

    def pad_to_one_length(self) -> None:
        """Leaves batches as wide as the longest utterance of all, so that they have one shape."""
        for source in (self.source, *(() if self.views is None else (self.views.source,))):
            source.trim = False

    def leave_batches_to_the_step(self) -> None:
        """Has loaders of training and validation give indices alone, for `gather`, where features lie on the device."""
        sources = (self.source, self.source if self.views is None else self.views.source)
        self.gathered = not all(isinstance(source, ResidentFeatures) for source in sources)

    def gather(self, indices: Tensor, training: bool) -> dict[str, Tensor]:
        """The batch of indices (B,) on the device, from what lies there; in training from the views, where there are.

        Shape:
            indices (B,) → features (B, F, L), frames (B,), labels (B,), indices (B,).
        """
        source = self.views if training and self.views is not None else self.source
        return {**source.gather(indices), "labels": self.labels.index_select(0, indices), "indices": indices}

    def transfer_batch_to_device(self, batch: dict, device: torch.device, dataloader_idx: int) -> dict:
        """Moves waveforms; everything else is already on the device."""
        for name in ("waveforms", "lengths"):
            if name in batch:
                batch[name] = batch[name].to(device, non_blocking=True)
        return batch

    def train_dataloader(self) -> IndexLoader:
        """Shuffled by (seed, epoch)."""
        return self._loader("train", self.split.train, self.batch_size, self.seed)

    def val_dataloader(self) -> IndexLoader | list:
        """In order; an empty list where there is no validation part."""
        return self._loader("val", self.split.val, self._evaluation_batch(), None) if self.split.val else []

    def test_dataloader(self) -> IndexLoader:
        """In order."""
        return self._loader("test", self.split.test, self._evaluation_batch(), None)

    def _evaluation_batch(self) -> int:
        return max(self.batch_size, 128)  # no gradients are kept, so that larger batches fit and are quicker

    def _loader(self, part: str, indices: Sequence[int], batch_size: int, seed: int | None) -> IndexLoader:
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        if len(indices) < world_size:
            raise UserError(f"The {part} part has {len(indices)} recordings for {world_size} devices.")
        source = self.views if part == "train" and self.views is not None else self.source
        order = EpochOrder(indices, batch_size, seed, rank, world_size)
        return IndexLoader(source, self.labels, order, self.gathered or part == "test")
