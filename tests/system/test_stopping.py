"""Ctrl-C and SIGTERM end the process wherever it is, also where Python's own handlers have to wait."""

import ctypes
import fcntl
import os
import signal
import time
from pathlib import Path

import pytest
from filelock import FileLock

from ser.data.store import array_store as entries
from ser.data.store import hashes
from ser.data.store import waveforms as store
from ser.system import stopping
from ser.training import module as classifier
from ser.training import setup as preparation
from ser.training import summary
from tests.conftest import only_run
from tests.runs import forked


def stuck(*arguments, **more):
    """Does what a compiler or a dead disk does: nothing, outside Python, for longer than any test waits."""
    mutex, libc = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    Path("stuck").touch()
    for _ in range(2):  # a signal wakes a sleep, and not who waits for a mutex that he holds himself
        libc.pthread_mutex_lock(mutex)


def waiting(*arguments, **more):
    """The same in Python, where signals are handled."""
    Path("stuck").touch()
    time.sleep(600)


def locked(folder, fill):
    """Another process is filling the store."""
    fcntl.flock(os.open("held.lock", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
    Path("stuck").touch()
    FileLock("held.lock").acquire()


def stop(process: int, folder: Path, *signums: int) -> tuple[int, str, float]:
    """Signals once the process is stuck: exit code, what it printed, and the seconds until it ended."""
    try:
        while not (folder / "stuck").exists():
            assert os.waitpid(process, os.WNOHANG) == (0, 0), forked.printed(process, folder)
            time.sleep(0.01)
        start = time.monotonic()
        for signum in signums:
            os.kill(process, signum)
            time.sleep(0.05)
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    code = forked.kill_after(30, process)
    return code, forked.printed(process, folder), time.monotonic() - start


PLACES = {
    "hashing": (hashes, "_hash_file", stuck),
    "decoding": (store, "load", stuck),
    "a lock": (entries, "_write_entry", locked),
    "features": (preparation, "kept_features", waiting),
    "a step": (classifier.EmotionClassifier, "training_step", stuck),
    "scoring": (classifier.EmotionClassifier, "test_step", stuck),
    "the report": (summary, "_write_page", waiting),
}
LESS_OFTEN = ("hashing", "features", "scoring")


@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=[pytest.mark.slow] * (place in LESS_OFTEN)) for place in PLACES]
)
def test_a_signal_ends_the_process_and_the_same_command_goes_on(quick, tmp_path, monkeypatch, place):
    quick = [*quick, "run.report=auto"]
    monkeypatch.setattr(stopping, "GRACE_S", 0.3)
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(*PLACES[place])
        code, printed, _ = stop(forked.start(quick, tmp_path), tmp_path, signal.SIGTERM)
    assert code == 143 and printed.strip() and "Traceback" not in printed, printed
    if place == "scoring":
        assert f"run.resume={only_run(tmp_path)}" in printed
    runs = [path for path in tmp_path.glob("runs/*") if path.is_dir()]
    assert [path for path in runs if (path / "finished.json").exists()] == (runs if place == "the report" else [])
    assert not any((path / "failed.json").exists() for path in runs)
    code, printed = forked.run([*quick, "run.dry_run=true"], tmp_path)
    assert code == 0, printed


def test_a_second_signal_ends_at_once(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(*PLACES["a step"])
    code, printed, seconds = stop(forked.start(quick, tmp_path), tmp_path, signal.SIGINT, signal.SIGINT)
    assert code == 130 and "before the first epoch was saved" in printed
    assert seconds < stopping.GRACE_S / 2


@pytest.mark.slow
@pytest.mark.parametrize("command", ["crossval", "tune", "-m"])
def test_what_trains_many_runs_ends_as_well(quick, tmp_path, monkeypatch, command):
    monkeypatch.setattr(stopping, "GRACE_S", 0.3)
    monkeypatch.setattr(*PLACES["a step"])
    words = {
        "crossval": ["crossval", *quick[1:-1], "split=speaker_kfold", "split.k=2"],
        "tune": ["tune", *quick[1:], "model.dropout=interval(0,0.5)", "tune.trials=2"],
        "-m": [*quick, "-m", "seed=0,1"],
    }[command]
    code, printed, _ = stop(forked.start(words, tmp_path), tmp_path, signal.SIGTERM)
    assert code == 143 and "the same command" in printed.lower(), printed


def test_no_signal_is_waited_for_longer_than_ten_seconds():
    assert stopping.GRACE_S + stopping.HURRY_S < 9
