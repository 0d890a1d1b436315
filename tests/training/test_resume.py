"""Interrupted runs: stopped in order, killed, continued bit for bit, never both by two processes."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ser.training.callbacks.progress import EpochProgress
from tests.conftest import SER, only_run

ENDLESS = 100_000  # epochs


def start_process(command: list[str], folder: Path) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start(arguments: list[str], folder: Path) -> subprocess.Popen:
    return start_process([*SER, *arguments], folder)


def wait_for(find, process: subprocess.Popen, seconds: float = 120):
    """The first true answer of `find`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := find():
            return found
        if process.poll() is not None:
            break
        time.sleep(0.02)
    out, err = process.communicate(timeout=5) if process.poll() is not None else ("", "")
    pytest.fail(f"did not come in time; exit code {process.poll()}\n{out}\n{err}")


def last_checkpoint(folder: Path):
    return next(iter((folder / "runs").glob("*/checkpoints/last.ckpt")), None)


def figures(folder: Path) -> dict:
    metrics = json.loads((only_run(folder) / "metrics.json").read_text())
    return {key: value for key, value in metrics.items() if key != "seconds"}


@pytest.fixture
def long(quick) -> list[str]:
    """A run that no test waits for."""
    return [*quick, f"trainer.max_epochs={ENDLESS}", "scheduler=none", "model.dropout=0.3"]


@pytest.mark.slow
def test_killed_run_continues_bit_for_bit(quick, in_tmp, monkeypatch):
    """kill -9 in the middle, the same command again: as if nothing had happened, dropout and augmentation included."""
    command = [*quick, "trainer.max_epochs=150", "model.dropout=0.3", "model.norm=batch"]
    whole, broken = in_tmp / "whole", in_tmp / "broken"
    process = start(command, broken)
    wait_for(lambda: last_checkpoint(broken), process)
    process.kill()
    process.communicate()
    assert not (only_run(broken) / "finished.json").exists()
    again = start(command, broken)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert "Continuing from" in out
    assert start(command, whole).wait(timeout=300) == 0
    assert figures(whole) == figures(broken)
    assert (only_run(whole) / "predictions.csv").read_text() == (only_run(broken) / "predictions.csv").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_say_how_to_continue_and_never_score_test(long, in_tmp, signum, exit_code):
    process = start(long, in_tmp)
    wait_for(lambda: last_checkpoint(in_tmp), process)
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    run = only_run(in_tmp)
    assert process.returncode == exit_code, err
    assert f"run.resume={run}" in out + err and "Traceback" not in err
    assert not (run / "metrics.json").exists() and not (run / "finished.json").exists()
    epochs = [line for line in (run / "train.log").read_text().splitlines() if "epoch " in line]
    resumed = start(["train", f"run.resume={run}", "run.threads=1"], in_tmp)
    wait_for(lambda: f"epoch {len(epochs)} " in (run / "train.log").read_text(), resumed)
    resumed.kill()
    resumed.communicate()
    lines = (run / "train.log").read_text().splitlines()
    seen = [int(line.split("epoch ")[1].split()[0]) for line in lines if "epoch " in line]
    assert seen[: len(epochs) + 1] == list(range(len(epochs) + 1)), "no epoch is lost or trained twice"


@pytest.mark.parametrize("patience", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_stopped_before_patience_ran_out_is_not_the_end(ser, quick, in_tmp, monkeypatch, patience):
    """SIGTERM in the third epoch, the same command again: as if nothing had happened, early stopping included."""
    command = [*quick, "trainer.max_epochs=9", f"early_stopping.patience={patience}", "monitor=val/loss"]
    told = EpochProgress.on_train_epoch_end

    def stopped(self, trainer, module):
        told(self, trainer, module)
        if trainer.current_epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_end", stopped)
        assert ser(*command)[0] == 143
    assert not (only_run(in_tmp) / "finished.json").exists()
    code, out, err = ser(*command)
    assert code == 0 and "Continuing from" in out, err
    broken = figures(in_tmp)
    assert broken["epochs"] > 3
    assert ser(*command, "run.rerun=true")[0] == 0
    assert figures(in_tmp) == broken


def test_resume_takes_the_runs_own_config(ser, quick, in_tmp, caplog):
    ser(*quick)
    run = only_run(in_tmp)
    code, out, err = ser("train", f"run.resume={run}")
    assert code == 0 and "Already trained" in out, err
    for other in ("optimizer.lr=1", "model=cnn1d", "batch_size=3"):
        code, _, err = ser("train", f"run.resume={run}", other)
        assert code == 2 and "only paths, devices and verbosity" in err
    (run / "finished.json").unlink()
    (run / "checkpoints" / "last.ckpt").write_bytes((run / "checkpoints" / "last.ckpt").read_bytes()[:1000])
    code, out, err = ser("train", f"run.resume={run}", "run.report=auto")
    assert (run / "report.html").is_file() and "out of order" not in caplog.text
    assert code == 0 and "last.ckpt" in out and "resuming from best.ckpt" in out, err


@pytest.mark.slow
def test_two_processes_do_not_both_train(long, in_tmp):
    first = start(long, in_tmp)
    wait_for(lambda: last_checkpoint(in_tmp), first)
    second = start(long, in_tmp)
    _, err = second.communicate(timeout=120)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert f"process {first.pid}" in err


def test_a_moved_corpus_is_found_by_an_override(ser, quick, in_tmp, tiny_ravdess):
    ser(*quick)
    run = only_run(in_tmp)
    (run / "finished.json").unlink()
    moved = in_tmp / "moved"
    moved.symlink_to(tiny_ravdess)
    code, out, err = ser("train", f"run.resume={run}", f"dataset.root={moved}")
    assert code == 0 and "Continuing" in out, err
    assert (run / "finished.json").exists()


def test_changed_recordings_are_another_run(ser, quick, in_tmp, tmp_path):
    from tests.tiny_corpora import write_tiny_ravdess

    ser(*quick)
    run = only_run(in_tmp)
    other = write_tiny_ravdess(tmp_path / "other", actors=range(1, 5))
    (run / "finished.json").unlink()
    code, _, err = ser("train", f"run.resume={run}", f"dataset.root={other}")
    assert code == 2 and "another run" in err
