"""Atomic writing: whole, or not there."""

import errno
import os

import pytest

from ser.errors import UserError
from ser.system.files import write_atomically, write_text, write_together


def names(folder):
    return sorted(child.name for child in folder.iterdir())


def test_replaces_what_was_there(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "old")
    write_text(path, "grün\n")
    assert path.read_text(encoding="utf-8") == "grün\n" and names(tmp_path) == ["note.txt"]


def test_nobody_sees_half_of_it(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "old")

    def write(partial):
        partial.write_text("ne")
        assert path.read_text() == "old" and partial.parent == path.parent  # one file system: a rename is atomic
        partial.write_text("new")

    write_atomically(path, write)
    assert path.read_text() == "new"


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "old")

    def write(partial):
        partial.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("the other half")

    with pytest.raises(UserError, match="the disk is full") as error:
        write_atomically(path, write)
    assert str(path) in str(error.value)
    assert path.read_text() == "old" and names(tmp_path) == ["note.txt"]


@pytest.mark.parametrize("failure", [ValueError("a bug"), KeyboardInterrupt()])
def test_other_failures_pass_through_and_leave_nothing(tmp_path, failure):
    def write(partial):
        partial.write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        write_atomically(tmp_path / "note.txt", write)
    assert names(tmp_path) == []


def test_a_missing_folder_and_a_folder_in_the_way(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        write_text(tmp_path / "nowhere" / "note.txt", "text")
    (tmp_path / "note.txt").mkdir()
    with pytest.raises(UserError, match=os.strerror(errno.EISDIR)):
        write_text(tmp_path / "note.txt", "text")
    assert names(tmp_path) == ["note.txt"]


def test_several_files_are_replaced_together_or_none(tmp_path, monkeypatch):
    first, second = tmp_path / "a.onnx", tmp_path / "a.onnx.md"
    first.write_bytes(b"old")
    settled = []

    def full(descriptor):
        settled.append(descriptor)
        if len(settled) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ser.system.files.os.fsync", full)
    with pytest.raises(UserError, match="the disk is full"):
        write_together({first: b"new", second: b"card"})
    assert first.read_bytes() == b"old" and names(tmp_path) == ["a.onnx"]
    write_together({first: b"new", second: b"card"})
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"card") and len(names(tmp_path)) == 2
