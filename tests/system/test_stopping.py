"""Ctrl-C and SIGTERM end the process wherever it is, also where Python's own handlers have to wait."""

import ctypes
import fcntl
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from filelock import FileLock

from ser.system import stopping
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


def locked(*arguments):
    """Another process is filling the store."""
    fcntl.flock(os.open("held.lock", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
    Path("stuck").touch()
    FileLock("held.lock").acquire()


def stop(process: BaseProcess, folder: Path, *signums: int) -> tuple[int, str, float]:
    """Signals once the process is stuck: exit code, what it printed, and the seconds until it ended."""
    forked.wait_for(folder / "stuck", process)
    start = time.monotonic()
    for signum in signums:
        os.kill(process.pid, signum)
        time.sleep(0.05)
    code = forked.kill_after(30, process)
    return code, forked.printed(process, folder), time.monotonic() - start


GRACE = {"ser.system.stopping:GRACE_S": 0.3}
PLACES = {
    "hashing": {"ser.data.store.hashes:_hash_file": stuck},
    "decoding": {"ser.data.store.waveforms:load_with_hash": stuck},
    "a lock": {"ser.data.store.array_store:_write_entry": locked},
    "features": {"ser.training.setup:kept_features": waiting},
    "a step": {"ser.training.module:EmotionClassifier.training_step": stuck},
    "scoring": {"ser.training.module:EmotionClassifier.test_step": stuck},
    "the report": {"ser.training.summary:_write_page": waiting},
}
LESS_OFTEN = ("hashing", "decoding", "features", "scoring", "the report")


@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=[pytest.mark.slow] * (place in LESS_OFTEN)) for place in PLACES]
)
def test_a_signal_ends_the_process_and_the_same_command_goes_on(quick, tmp_path, monkeypatch, place):
    quick = [*quick, "run.report=auto"]
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    code, printed, _ = stop(forked.start(quick, tmp_path, GRACE | PLACES[place]), tmp_path, signal.SIGTERM)
    assert code == 143 and printed.strip() and "Traceback" not in printed, printed
    if place == "scoring":
        assert f"run.resume={only_run(tmp_path)}" in printed
    runs = [path for path in tmp_path.glob("runs/*") if path.is_dir()]
    assert [path for path in runs if (path / "finished.json").exists()] == (runs if place == "the report" else [])
    assert not any((path / "failed.json").exists() for path in runs)
    code, printed = forked.run([*quick, "run.dry_run=true"], tmp_path)
    assert code == 0, printed


def test_a_second_signal_ends_at_once(quick, tmp_path):
    process = forked.start(quick, tmp_path, PLACES["a step"])
    code, printed, seconds = stop(process, tmp_path, *[signal.SIGINT] * 4)  # two that come at once are one
    assert code == 130 and "before the first epoch was saved" in printed
    assert seconds < stopping.GRACE_S / 2


@pytest.mark.slow
@pytest.mark.parametrize("command", ["crossval", "tune", "-m"])
def test_what_trains_many_runs_ends_as_well(quick, tmp_path, command):
    words = {
        "crossval": ["crossval", *quick[1:-1], "split=speaker_kfold", "split.k=2"],
        "tune": ["tune", *quick[1:], "model.dropout=interval(0,0.5)", "tune.trials=2"],
        "-m": [*quick, "-m", "seed=0,1"],
    }[command]
    code, printed, _ = stop(forked.start(words, tmp_path, GRACE | PLACES["a step"]), tmp_path, signal.SIGTERM)
    assert code == 143 and "the same command" in printed.lower(), printed


def test_no_signal_is_waited_for_longer_than_ten_seconds():
    assert stopping.GRACE_S + stopping.HURRY_S < 9
