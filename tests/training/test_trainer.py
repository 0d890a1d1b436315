"""Which devices compute, in every spelling of Lightning's; and seeds of any size, to the end of a run."""

import pytest
import pytorch_lightning as L
import torch
from pytorch_lightning.accelerators import CUDAAccelerator

from ser.errors import UserError
from ser.runs.identity import identity
from ser.runs.settings import devices_of
from ser.training.trainer import SharedGPU, check_trainer, num_devices, training_device


@pytest.fixture
def gpus(monkeypatch):
    """A machine with two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("devices", "count", "first"),
    [("1,", 1, 1), ("0,1", 2, 0), ("0, 1", 2, 0), ("1,0", 2, 1), ([1], 1, 1), ([0, 1], 2, 0), (1, 1, 0), ("1", 1, 0),
     (2, 2, 0), ("2", 2, 0), (-1, 2, 0), ("-1", 2, 0), ("auto", 2, 0)],
)  # fmt: skip
def test_devices_in_every_spelling(gpus, devices, count, first):
    trainer = {"accelerator": "gpu", "devices": devices}
    assert num_devices(trainer) == count
    assert training_device(trainer) == torch.device("cuda", first)
    assert num_devices({**trainer, "num_nodes": 3}) == 3 * count
    config = {"batch_size": 32, "trainer": {**trainer, "precision": "32-true"}}
    wide = {"batch_size": 32 * count, "trainer": {"accelerator": "gpu", "devices": 1, "precision": "32-true"}}
    assert identity(config, {}, num_devices(trainer)) == identity(wide, {}, 1), "2 × 32 is the same as 1 × 64"


def test_the_second_rank_computes_on_the_second_device(gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert training_device({"accelerator": "gpu", "devices": "1,0"}) == torch.device("cuda", 0)
    assert training_device({"accelerator": "gpu", "devices": 2}) == torch.device("cuda", 1)


@pytest.mark.parametrize("devices", ["2,", [2], 3, "0,5"])
def test_gpus_that_are_not_there(gpus, devices):
    with pytest.raises(UserError, match="this machine has 2 GPUs"):
        check_trainer({"accelerator": "gpu", "devices": devices, "max_epochs": 1})


@pytest.mark.parametrize("devices", ["", ",", "0,0", [1, 1], [], 0, "0", -2, "-2", "0-1", "1.5", "all"])
def test_what_is_unclear_is_refused(devices):
    with pytest.raises(UserError, match="must be a number of devices from 1"):
        devices_of(devices)


def test_a_large_seed_works_to_the_end(ser, quick):
    code, out, err = ser(*quick, f"seed={10**19}", "trainer.max_epochs=1")
    assert code == 0 and "decision tree" in out, err


def test_what_other_runs_of_a_process_compute_with_is_not_freed(gpus, monkeypatch):
    """Lightning's own accelerator frees memory that cuBLAS works in, around each training."""
    freed = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(True))
    CUDAAccelerator().teardown()
    assert freed, "Lightning's does"
    freed.clear()
    trainer = L.Trainer(accelerator=SharedGPU(), devices=1, logger=False, enable_checkpointing=False)
    trainer.accelerator.setup(trainer)
    trainer.accelerator.teardown()
    assert not freed and trainer.strategy.root_device == torch.device("cuda", 0)
