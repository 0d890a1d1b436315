"""A disk that is full, at each write in turn: a clear message, nothing half finished, and the same command goes on."""

import errno
import json
import os
import subprocess

import pytest

from tests.conftest import only_run


def figures(folder):
    metrics = json.loads((only_run(folder) / "metrics.json").read_text())
    return {name: value for name, value in metrics.items() if name != "seconds"}


class Disk:
    """Counts what is written whole, and is full from one write on."""

    def __init__(self):
        self.count, self.full_from = 0, None
        self._fsync = os.fsync

    def fsync(self, descriptor):
        self.count += 1
        if self.full_from is not None and self.count > self.full_from:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._fsync(descriptor)


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr("ser.system.files.os.fsync", disk.fsync)
    return disk


def full_at(ser, quick, in_tmp, disk, full_from):
    """The disk is full from a write on; then it is not. Gives the figures."""
    runs = f"run.dir={in_tmp / str(full_from) / 'runs'}"
    disk.count, disk.full_from = 0, full_from
    code, out, err = ser(*quick, runs)
    assert code == 2 and "the disk is full" in err.lower() and "Traceback" not in err, out + err
    runs_dir = in_tmp / str(full_from) / "runs"
    assert not list(runs_dir.glob("*/finished.json")) and not list(runs_dir.rglob("*.partial"))
    disk.full_from = None
    code, out, err = ser(*quick, runs)
    assert code == 0, err
    assert not list(runs_dir.glob("*/failed.json"))
    return figures(in_tmp / str(full_from))


@pytest.fixture
def whole(ser, quick, in_tmp, disk):
    """The figures of a run on a disk with space, and how many files it writes whole."""
    assert ser(*quick, f"run.dir={in_tmp / 'first' / 'runs'}")[0] == 0  # keeps recordings and features
    disk.count = 0
    assert ser(*quick, f"run.dir={in_tmp / 'whole' / 'runs'}")[0] == 0
    return figures(in_tmp / "whole"), disk.count


def test_full_in_the_middle(ser, quick, in_tmp, disk, whole):
    expected, count = whole
    assert full_at(ser, quick, in_tmp, disk, count // 2) == expected


@pytest.mark.slow
def test_full_at_each_write(ser, quick, in_tmp, disk, whole):
    expected, count = whole
    assert count >= 10
    for full_from in range(count):
        assert full_at(ser, quick, in_tmp, disk, full_from) == expected, full_from


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB; the test is skipped, visibly, where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here: no true full disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def truly_full(ser, quick, in_tmp, small_disk, free):
    """All but `free` bytes are taken; then they are given back."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(2 * 2**20 - 4096 * 6 - free))
    runs = f"run.dir={small_disk / 'runs'}"
    code, out, err = ser(*quick, runs)
    assert code == 2 and "disk is full" in err.lower() and "Traceback" not in err, out + err
    assert not list((small_disk / "runs").glob("*/finished.json"))
    filler.unlink()
    assert ser(*quick, runs)[0] == 0
    return figures(small_disk)


def test_a_disk_that_is_truly_full(ser, quick, in_tmp, small_disk):
    assert ser(*quick)[0] == 0
    assert truly_full(ser, quick, in_tmp, small_disk, free=60_000) == figures(in_tmp)


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 16384, 45_000, 90_000])
def test_a_disk_that_is_truly_full_sooner_or_later(ser, quick, in_tmp, small_disk, free):
    assert ser(*quick)[0] == 0
    assert truly_full(ser, quick, in_tmp, small_disk, free) == figures(in_tmp)
