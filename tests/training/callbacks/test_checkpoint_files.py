"""Checkpoints are written in the background: in order, whole, and with errors that are reported."""

import resource
import time

import pytest
import torch

from ser.errors import UserError
from ser.training.callbacks import checkpoint_files
from ser.training.callbacks.checkpoint_files import BackgroundCheckpoints, WholeCheckpoints


def test_what_is_saved_is_what_it_was_when_it_was_saved(tmp_path):
    writer, weights = BackgroundCheckpoints(), torch.zeros(3)
    writer.save_checkpoint({"state_dict": {"w": weights}}, tmp_path / "a.ckpt")
    weights += 1  # training goes on
    writer.teardown()
    assert not torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]["w"].any()


def test_files_are_written_in_the_order_of_the_calls(tmp_path, monkeypatch):
    order, write = [], checkpoint_files.write_atomically

    def slow_first(path, fill):
        time.sleep(0.2 if not order else 0)
        order.append(path.name)
        write(path, fill)

    monkeypatch.setattr(checkpoint_files, "write_atomically", slow_first)
    writer = BackgroundCheckpoints()
    for name in ("best.ckpt", "last.ckpt", "best.ckpt"):
        writer.save_checkpoint({}, tmp_path / name)
    writer.teardown()
    assert order == ["best.ckpt", "last.ckpt", "best.ckpt"]


def test_a_failure_leaves_the_old_file_and_is_raised_at_the_end(tmp_path):
    path = tmp_path / "best.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1}, path)
    writer, limits = BackgroundCheckpoints(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # bytes: the system itself refuses more in a file
    try:
        with pytest.raises(UserError, match=f"Cannot write {path}: File too large"):
            writer.save_checkpoint({"epoch": 2}, path)
            writer.teardown()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert torch.load(path, weights_only=True) == {"epoch": 1} and list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_after_a_failure(tmp_path):
    """last.ckpt would tell of best weights that are not there; the disk may have room again by then."""
    writer = WholeCheckpoints()
    for place in (tmp_path / "no folder" / "best.ckpt", tmp_path / "last.ckpt"):
        with pytest.raises(UserError, match="no folder"):
            writer.save_checkpoint({"epoch": 2}, place)
    assert list(tmp_path.iterdir()) == []


def test_tensors_of_a_gpu_come_over_in_one_piece():
    """Several of one type as parts of one copy, each as it was."""
    image = torch.arange(120.0).view(2, 3, 4, 5)
    dense = [torch.arange(6.0).view(2, 3), torch.tensor(7.0), torch.ones(0), torch.ones(0, 4), image[:, :1].clone()]
    dense += [tensor.to(memory_format=torch.channels_last) for tensor in (image, dense[-1])]
    others = [torch.arange(4.0)[::2], image[0, :, ::2, ::2], torch.ones(3, 1).expand(3, 4)]
    come = checkpoint_files._in_one_piece(dense + others)
    assert all(torch.equal(one, other) for one, other in zip(come, dense + others, strict=True))
    assert [tensor.stride() for tensor in come[: len(dense)]] == [tensor.stride() for tensor in dense]
    tensors = dense
    whole = {"state_dict": {"w": tensors[0]}, "epoch": 3, "loops": [{"n": (1, 2)}]}
    assert checkpoint_files.on_host(whole) == whole, "what is in the host's memory stays as it is"
