"""What a run does is counted, not timed: decodes, transforms, waits for the device, and calls of Lightning's log."""

import pytest
import pytorch_lightning as L
import torch

from ser.data.store import waveforms as store
from ser.frontends.stft import PowerSpectrogram
from ser.models import image_layers, layers
from tests.conftest import only_run

CHUNKS = 6  # 96 clips of 3 s, 16 at a time
WAITS = (
    "item",
    "tolist",
    "cpu",
    "numpy",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
)  # for the device, by the host


@pytest.fixture
def own_store(tmp_path, monkeypatch):
    """A cache in which nothing is kept yet."""
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "own_cache"))


@pytest.fixture
def counted(monkeypatch):
    """`counted(owner, name)`: a list that grows by one with each call of `owner.name`."""

    def watch(owner, name: str) -> list:
        calls, original = [], getattr(owner, name)

        def counting(*args, **kwargs):
            calls.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)
        return calls

    return watch


@pytest.fixture
def waits_of_training(monkeypatch):
    """`waits_of_training()`: the calls inside `Trainer.fit`, so far, in which the host waits for the device."""
    calls, inside, fit = [], [False], L.Trainer.fit

    def recorded(name: str, original):
        def counting(self, *args, **kwargs):
            if inside[0]:
                calls.append(name)
            return original(self, *args, **kwargs)

        return counting

    for name in WAITS:
        monkeypatch.setattr(torch.Tensor, name, recorded(name, getattr(torch.Tensor, name)))

    def watched(self, *args, **kwargs):
        inside[0] = True
        try:
            return fit(self, *args, **kwargs)
        finally:
            inside[0] = False

    monkeypatch.setattr(L.Trainer, "fit", watched)

    def since_last() -> list[str]:
        found = sorted(calls)
        calls.clear()
        return found

    return since_last


def test_a_second_run_decodes_nothing_and_transforms_nothing(ser, quick, own_store, counted):
    decodes, transforms = counted(store, "load_with_hash"), counted(PowerSpectrogram, "forward")
    assert ser(*quick)[0] == 0
    assert len(decodes) == 96, "each file once"
    assert len(transforms) == CHUNKS, "and none in an epoch"
    assert ser(*quick, "model.hidden=[8]", "seed=1", "trainer.max_epochs=3")[0] == 0
    assert len(decodes) == 96 and len(transforms) == CHUNKS


def test_features_of_a_concatenation_share_one_transform(ser, quick, own_store, counted):
    transforms = counted(PowerSpectrogram, "forward")
    assert ser(*quick, "frontend=concat")[0] == 0
    assert len(transforms) == CHUNKS


def test_features_wanted_anew_are_computed_once_a_batch(ser, quick, own_store, in_tmp, counted):
    transforms = counted(PowerSpectrogram, "forward")
    assert ser(*quick, "run.keep_features=never", "batch_size=32")[0] == 0
    # two epochs of 67 train (3 batches) and 10 val (1); train for the normaliser (5 chunks); val and test at the end
    assert len(transforms) == 2 * (3 + 1) + 5 + 1 + 1
    assert only_run(in_tmp)


@pytest.mark.parametrize("more", [[], ["augmentation=none"], ["model=cnn2d", "model.width=4"]], ids=str)
def test_the_host_waits_for_the_device_once_an_epoch_and_never_in_a_step(
    ser, quick, waits_of_training, monkeypatch, more
):
    # as on a GPU: there nobody asks whether a batch is padded, since the answer would have to be waited for
    monkeypatch.setattr(layers, "nothing_padded", lambda lengths, size: False)
    monkeypatch.setattr(image_layers, "nothing_padded", lambda lengths, size: False)
    quick = [word for word in quick if not (more and "model" in more[0] and word.startswith("model"))]
    assert ser(*quick, *more, "batch_size=32")[0] == 0
    few_steps = waits_of_training()
    assert ser(*quick, *more, "batch_size=6")[0] == 0
    many_steps = waits_of_training()
    assert few_steps == many_steps, "3 steps an epoch and 12"
    assert len(few_steps) > 0, "the loss and the scores of each epoch are read"


@pytest.mark.parametrize(("patience", "calls"), [("null", 0), ("5", 3)])
def test_log_is_called_once_an_epoch_where_it_is_needed_and_never_in_a_step(ser, quick, counted, patience, calls):
    # two epochs, and validation once more at the end
    log, log_dict = counted(L.LightningModule, "log"), counted(L.LightningModule, "log_dict")
    assert ser(*quick, f"early_stopping.patience={patience}", "batch_size=6")[0] == 0
    assert len(log) == calls and not log_dict
