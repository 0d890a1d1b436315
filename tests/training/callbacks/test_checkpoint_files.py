"""Checkpoints are written in the background: in order, whole, and with errors that are heard."""

import time

import pytest
import torch

from ser.errors import UserError
from ser.training.callbacks import checkpoint_files
from ser.training.callbacks.checkpoint_files import WholeCheckpoints, background_writer


def test_what_is_saved_is_what_it_was_when_it_was_saved(tmp_path):
    writer, weights = background_writer(), torch.zeros(3)
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
    writer = background_writer()
    for name in ("best.ckpt", "last.ckpt", "best.ckpt"):
        writer.save_checkpoint({}, tmp_path / name)
    writer.teardown()
    assert order == ["best.ckpt", "last.ckpt", "best.ckpt"]


def test_a_failure_leaves_the_old_file_and_is_raised_at_the_end(tmp_path, monkeypatch):
    path = tmp_path / "best.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1}, path)

    def full(checkpoint, partial):
        partial.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    writer = background_writer()
    with pytest.raises(UserError, match="the disk is full"):
        writer.save_checkpoint({"epoch": 2}, path)
        writer.teardown()
    monkeypatch.undo()
    assert torch.load(path, weights_only=True) == {"epoch": 1} and list(tmp_path.iterdir()) == [path]
