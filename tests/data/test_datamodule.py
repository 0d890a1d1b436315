"""Order of training and evaluation: a function of seed and epoch, over any number of ranks."""

import numpy as np
import pytest
import pytorch_lightning as L
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.data.datamodule import EmotionData, EpochOrder, IndexLoader
from ser.data.features.sources import ResidentFeatures
from ser.data.splits import Split
from ser.errors import UserError

QUICK = settings(max_examples=150)
sizes, batch_sizes, worlds = st.integers(1, 90), st.integers(1, 40), st.integers(1, 4)
seeds, epochs = st.integers(0, 2**31), st.integers(0, 300)


def ranks(indices, batch_size, seed, world_size, epoch=0):
    """The batches that each rank sees, and how many it announces."""
    found = []
    for rank in range(world_size):
        order = EpochOrder(indices, batch_size, seed, rank, world_size)
        order.set_epoch(epoch)
        found.append([batch.tolist() for batch in order])
        assert len(found[-1]) == len(order)
    return found


def flat(batches):
    return [i for batch in batches for i in batch]


@QUICK
@given(sizes, batch_sizes, worlds)
def test_in_evaluation_every_utterance_comes_exactly_once(count, batch_size, world_size):
    indices = list(range(100, 100 + count))
    seen = ranks(indices, batch_size, None, world_size)
    assert sorted(flat(flat(seen))) == indices
    assert len({len(batches) for batches in seen}) == 1, "collective calls need equally many batches"
    assert all(len(batch) <= batch_size for batches in seen for batch in batches)
    assert all(flat(batches) == sorted(flat(batches)) for batches in seen)


@QUICK
@given(sizes, batch_sizes, worlds, seeds, epochs)
def test_in_training_ranks_are_disjoint_and_equal(count, batch_size, world_size, seed, epoch):
    seen = ranks(range(count), batch_size, seed, world_size, epoch)
    every = flat(flat(seen))
    assert len(every) == len(set(every)) == count - count % world_size
    assert len({tuple(map(len, batches)) for batches in seen}) == 1


@QUICK
@given(sizes, st.integers(2, 40), worlds, seeds)
def test_no_batch_of_one_in_training(count, batch_size, world_size, seed):
    for batches in ranks(range(count), batch_size, seed, world_size):
        lengths = list(map(len, batches))
        assert 1 not in lengths or sum(lengths) == 1
        assert 0 not in lengths[:-1] and max(lengths, default=0) <= batch_size + 1
        assert all(length == batch_size for length in lengths[:-2])


def test_batches_of_one_are_served_where_they_are_asked_for():
    ((batches),) = ranks(range(5), 1, 0, 1)
    assert [len(batch) for batch in batches] == [1] * 5


@QUICK
@given(st.integers(2, 60), seeds, epochs)
def test_the_order_is_a_function_of_seed_and_epoch(count, seed, epoch):
    np.random.seed(epoch)
    torch.manual_seed(epoch)
    first = ranks(range(count), 8, seed, 1, epoch)
    np.random.rand(3)
    torch.rand(3)
    assert ranks(range(count), 8, seed, 1, epoch) == first


def test_each_epoch_and_seed_has_its_own_order():
    orders = {tuple(flat(flat(ranks(range(50), 8, seed, 1, epoch)))) for seed in range(6) for epoch in range(6)}
    assert len(orders) == 36


def test_nobody_sits_out_every_epoch():
    """With two ranks and an odd count one utterance sits out, another one each time."""
    missing = {next(iter(set(range(9)) - set(flat(flat(ranks(range(9), 4, 0, 2, epoch)))))) for epoch in range(60)}
    assert missing == set(range(9))


def test_the_order_is_all_that_ranks_share():
    """Two ranks together see the same epoch as one rank alone."""
    alone = flat(flat(ranks(range(40), 8, 5, 1, 3)))
    first, second = (flat(batches) for batches in ranks(range(40), 8, 5, 2, 3))
    assert first == alone[::2] and second == alone[1::2]


def resident(count):
    features = torch.arange(count).float()[:, None, None].expand(count, 2, 4).clone()
    return ResidentFeatures(features, torch.full((count,), 4), trim=True)


def test_loader_serves_features_labels_and_indices_of_the_same_utterances():
    labels = torch.arange(30) % 4
    loader = IndexLoader(resident(30), labels, EpochOrder([3, 9, 20, 21, 28], 2, seed=1))
    assert len(loader) == 2  # the fifth joins the batch before
    seen = []
    for batch in loader:
        assert batch["features"][:, 0, 0].long().tolist() == batch["indices"].tolist()
        assert batch["labels"].tolist() == [i % 4 for i in batch["indices"].tolist()]
        seen += batch["indices"].tolist()
    assert sorted(seen) == [3, 9, 20, 21, 28]


class Recorder(L.LightningModule):
    """Notes what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trained, self.validated, self.tested = [], [], []

    def training_step(self, batch, batch_idx):
        self.trained.append((self.current_epoch, batch["indices"].tolist()))
        return self.weight * batch["features"].mean()

    def validation_step(self, batch, batch_idx):
        self.validated.append(batch["indices"].tolist())

    def test_step(self, batch, batch_idx):
        self.tested.append(batch["indices"].tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(tmp_path, **keys):
    return L.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, num_sanity_val_steps=0, default_root_dir=tmp_path, **keys,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("val", [[20, 21, 22], []])
def test_lightning_follows_the_order_epoch_by_epoch(tmp_path, val):
    split = Split(train=list(range(20)), val=val, test=[23, 24], protocol="")
    data, recorder = EmotionData(resident(25), [0] * 25, split, batch_size=8, seed=4), Recorder()
    fitting = trainer(tmp_path, max_epochs=3)
    fitting.fit(recorder, data)
    fitting.test(recorder, data, verbose=False)
    expected = [(epoch, batch) for epoch in range(3) for batch in ranks(range(20), 8, 4, 1, epoch)[0]]
    assert recorder.trained == expected
    assert recorder.validated == [val] * (3 if val else 0) and recorder.tested == [[23, 24]]


class SaveAt(L.Callback):
    """Saves as `ser.training.callbacks.checkpoints` does: when the rest of the epoch is done."""

    def __init__(self, epoch, path):
        self.epoch, self.path = epoch, path

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)


@pytest.mark.filterwarnings("ignore")
def test_a_resumed_run_goes_on_in_the_order_of_its_epochs(tmp_path):
    split = Split(train=list(range(20)), val=[20], test=[21], protocol="")
    whole, resumed = Recorder(), Recorder()
    data = EmotionData(resident(25), [0] * 25, split, batch_size=8, seed=4)
    trainer(tmp_path, max_epochs=4, callbacks=[SaveAt(1, tmp_path / "a.ckpt")]).fit(whole, data)
    data = EmotionData(resident(25), [0] * 25, split, batch_size=8, seed=4)
    trainer(tmp_path, max_epochs=4).fit(resumed, data, ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    assert resumed.trained == [step for step in whole.trained if step[0] >= 2]


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_size_below_one(batch_size):
    with pytest.raises(UserError, match=f"batch_size={batch_size}"):
        EmotionData(resident(3), [0, 1, 0], Split([0], [1], [2], ""), batch_size, seed=0)


def test_fewer_recordings_than_devices():
    data = EmotionData(resident(5), [0] * 5, Split([0, 1, 2], [3], [4], ""), batch_size=2, seed=0)
    data.trainer = type("Ranks", (), {"global_rank": 0, "world_size": 2})()
    assert len(data.train_dataloader()) == 1
    for loader, part in ((data.val_dataloader, "val"), (data.test_dataloader, "test")):
        with pytest.raises(UserError, match=f"The {part} part has 1 recordings for 2 devices"):
            loader()
