"""Atomic writing: whole, or not there."""

import errno
import os

import pytest

from ser.errors import UserError
from ser.system.files import write_atomically, write_text


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
