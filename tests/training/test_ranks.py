"""Ranks that somebody else started, as torchrun and srun do: all take rank 0's word, and end with one another."""

import hashlib
import os
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ser.runs.directory import RunDirectory
from ser.runs.weights import load_weights
from ser.system.files import write_atomically
from ser.training.module import EmotionClassifier
from tests.conftest import free_port, only_run
from tests.runs import forked
from tests.training.test_resume import figures

DDP = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=1"]


def seat(rank: int, port: int) -> dict[str, str]:
    """What torchrun tells one of two."""
    named = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return {name: str(value) for name, value in named.items()}


@pytest.fixture
def two(quick, tmp_path, monkeypatch):
    """Runs the same command as two ranks: exit codes, and what each printed."""

    def start(*arguments: str, patches: dict | None = None) -> list[BaseProcess]:
        started, port = [], free_port()
        for rank in range(2):
            with monkeypatch.context() as patch:
                for name, value in seat(rank, port).items():
                    patch.setenv(name, value)
                started.append(forked.start([*quick, *DDP, *arguments], tmp_path, patches))
        return started

    def end(started: list[BaseProcess]) -> tuple[list[int], list[str]]:
        codes = [forked.kill_after(240, process) for process in started]
        return codes, [forked.printed(process, tmp_path) for process in started]

    def run(*arguments: str, patches: dict | None = None) -> tuple[list[int], list[str]]:
        return end(start(*arguments, patches=patches))

    run.start, run.end = start, end
    return run


def write_slowly(path, fill):
    """A disk on which each checkpoint takes a moment."""
    time.sleep(0.3)
    write_atomically(path, fill)


def load_and_say(module, path):
    """Ranks say which file they load."""
    with open(f"loaded.{os.environ['RANK']}", "a") as file:
        file.write(hashlib.sha256(path.read_bytes()).hexdigest() + "\n")
    load_weights(module, path)


SLOW = {
    "ser.training.callbacks.checkpoint_files:write_atomically": write_slowly,
    "ser.training.train:load_weights": load_and_say,
}


@pytest.mark.parametrize(
    ("checkpoint", "epochs"),
    [pytest.param(*way, marks=pytest.mark.slow) for way in (("best", 3), ("last", 3))],
)
def test_all_ranks_follow_rank_0(two, tmp_path, checkpoint, epochs):
    """A slow writer, a run that is finished, and one that is trained again."""
    arguments, found = [f"checkpoint={checkpoint}", f"trainer.max_epochs={epochs}"], []
    for again in (), ("run.rerun=true",):
        codes, printed = two(*arguments, *again, patches=SLOW)
        assert codes == [0, 0], printed
        assert "Run directory" in printed[0] and printed[1] == "", "only rank 0 speaks"
        assert (tmp_path / "loaded.0").read_text() == (tmp_path / "loaded.1").read_text()
        found.append(figures(tmp_path))
    assert found[0] == found[1]
    codes, printed = two(*arguments, patches=SLOW)
    assert codes == [0, 0] and "Already trained" in printed[0] and printed[1] == ""


LESS_OFTEN = ("locked", "disk full")


def full(path, fill):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("why", ["bad file", *(pytest.param(why, marks=pytest.mark.slow) for why in LESS_OFTEN)])
def test_where_rank_0_fails_the_others_end(two, quick, tmp_path, why):
    arguments, patches = [], {}
    if why == "bad file":
        root = Path(quick[2].split("=", 1)[1])
        for file in sorted(root.glob("*/*.wav")):
            (tmp_path / "own" / file.parent.name).mkdir(parents=True, exist_ok=True)
            own = tmp_path / "own" / file.relative_to(root)
            own.symlink_to(file)
        own.unlink()
        own.write_bytes(b"no sound")
        arguments = [f"dataset.root={tmp_path / 'own'}"]
    if why == "locked":
        other = RunDirectory(tmp_path / "mine", "another")
        other.lock()
        arguments = [f"hydra.run.dir={other.path}"]
    if why == "disk full":
        patches = {"ser.training.callbacks.checkpoint_files:_save": full}
    codes, printed = two(*arguments, patches=patches)
    assert codes == [2, 2], printed
    assert printed[0].count("Error: ") == 1 and printed[1] == "", "only rank 0 speaks"


STEP = EmotionClassifier.training_step


def noted_step(self, *arguments):
    Path("at work").touch()
    return STEP(self, *arguments)


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_where_one_is_killed_the_other_ends(two, tmp_path, killed):
    patches = {
        "ser.training.ranks:LOOK_S": 0.05,
        "ser.training.module:EmotionClassifier.training_step": noted_step,
    }
    started = two.start("trainer.max_epochs=100000", patches=patches)
    forked.wait_for(tmp_path / "at work", started[0])
    started[killed].kill()
    codes, printed = two.end(started)
    assert codes[killed] == -9 and codes[1 - killed] in (1, 70), printed  # 70: an unreported error
    assert not (only_run(tmp_path) / "finished.json").exists()


MEET_AND_PART = """
import threading, time
import ser.training.ranks as ranks
ranks.LOOK_S = 0
ranks.Ranks._ended = lambda self: time.sleep(1)  # a slow network
with ranks.Ranks(2).together():
    time.sleep(0.2)
print([thread.name for thread in threading.enumerate()])
"""


@pytest.mark.slow
def test_nothing_of_the_ranks_outlives_them():
    """Where the interpreter ends a thread that asks the store, the process aborts: now and then rank 1 did, with -6."""
    command, port = [sys.executable, "-c", MEET_AND_PART], free_port()
    env = [{**os.environ, **seat(rank, port)} for rank in range(2)]
    started = [subprocess.Popen(command, env=env[rank], stdout=subprocess.PIPE, text=True) for rank in range(2)]
    assert [process.communicate(timeout=240)[0] for process in started] == ["['MainThread']\n"] * 2
    assert [process.returncode for process in started] == [0, 0]


def test_one_device_of_a_slurm_allocation_with_more_tasks_trains(ser, quick, monkeypatch):
    for name, value in {"SLURM_NTASKS": "2", "SLURM_JOB_ID": "1", "SLURM_PROCID": "0"}.items():
        monkeypatch.setenv(name, value)
    code, out, err = ser(*quick, "trainer.max_epochs=1")
    assert code == 0 and "Run directory" in out, err


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"LOCAL_RANK": "0", "WORLD_SIZE": "3", "MASTER_PORT": "1"}, "3 processes were started"),
        ({"LOCAL_RANK": "1"}, "MASTER_PORT"),
    ],
)
def test_other_ranks_than_devices_are_refused(ser, quick, monkeypatch, named, why):
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    code, _, err = ser(*quick, *DDP)
    assert code == 2 and why in err


def test_no_notebook_is_a_rank(ser, quick, monkeypatch):
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    code, _, err = ser(*quick, *DDP)
    assert code == 2 and "Start `ser train …` from a shell" in err
    code, _, err = ser(*quick, *DDP, "trainer.strategy=ddp_notebook")
    assert code == 2 and "Take ddp" in err
