"""Several runs in one process: they are what they are alone, whatever happens to the process or to its GPU.

There is no GPU here: the runs train on the CPU, in threads as on a GPU.
"""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from ser.sweeps.side_by_side import Workers
from ser.training.draws import OwnDraws
from tests.sweeps.conftest import figures_in, figures_of, grid_of, index_of, runs_in, sweep_in
from tests.sweeps.test_launchers import running_jobs, wait_for

GRID = ["trainer=auto", "seed=0,1", "model.dropout=0,0.5", "trainer.max_epochs=2"]
WITH_A_GPU = """
import sys
from ser.sweeps import devices
devices.visible_gpus = lambda: ["0"]
from ser.cli import main
sys.exit(main(sys.argv[1:]))
"""
MINE = """
from pathlib import Path
import torch
from ser.system.turns import is_shared

class FailsOnce:
    def __init__(self, error, place):
        self.error, self.place = getattr(torch, error), Path(place)

    def __call__(self, x, lengths, generator=None):
        if is_shared() and not self.place.exists():
            self.place.touch()
            raise self.error("CUDA error")
        return x, lengths
"""


def start(words: list[str], folder: Path) -> subprocess.Popen:
    """`ser …` on a machine that says it has a GPU."""
    command = [sys.executable, "-c", WITH_A_GPU, *words]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def done(words: list[str], folder: Path) -> tuple[int, str, str]:
    """The same to its end."""
    process = start(words, folder)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def alone(tiny_ravdess, tmp_path_factory):
    """metrics.json of the same runs, one after the other."""
    return figures_of([*grid_of(tiny_ravdess), *GRID], tmp_path_factory.mktemp("alone"))


@pytest.mark.slow
def test_runs_side_by_side_are_the_runs_alone(grid, alone, tmp_path):
    code, out, err = done([*grid, *GRID, "sweep.jobs_per_gpu=3"], tmp_path)
    assert code == 0, err
    assert "3 at a time" in out and "4 runs trained" in out
    assert figures_in(tmp_path) == alone
    assert {run["state"] for run in index_of(sweep_in(tmp_path))["runs"]} == {"finished"}
    for run in runs_in(tmp_path):
        log = (run / "train.log").read_text()
        assert log.count("epoch 0 ") == log.count("epoch 1 ") == 1, "what others log is in their own files"
    said = [file.read_text() for file in sweep_in(tmp_path).glob(".jobs/*.txt") if not file.name.startswith("process")]
    assert len(said) == 4 and all(text.count("Result (") == 1 for text in said)


@pytest.mark.slow
def test_augmented_runs_beside_others_are_augmented(grid, tmp_path):
    """A plain run of the same recordings, whose features are there by then, is prepared first."""
    words = [*grid, "trainer=auto", "trainer.max_epochs=2", "augmentation=none,waveform"]
    code, _, err = done([*words, "sweep.jobs_per_gpu=2"], tmp_path)
    assert code == 0, err
    (other := tmp_path / "other").mkdir()
    assert figures_in(tmp_path) == figures_of(words, other)


@pytest.mark.slow
def test_ctrl_c_ends_all_and_the_same_command_goes_on(grid, alone, tmp_path):
    words = [*grid, *GRID, "sweep.jobs_per_gpu=3"]
    process = start(words, tmp_path)
    wait_for(lambda: running_jobs(tmp_path))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Stopped" in out + err  # on stderr where it took too long
    code, _, err = done(words, tmp_path)
    assert code == 0, err
    assert figures_in(tmp_path) == alone


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_launched_again(grid, alone, tmp_path, signum):
    process = start([*grid, *GRID, "sweep.jobs_per_gpu=3"], tmp_path)
    (worker, *_) = wait_for(lambda: running_jobs(tmp_path))
    os.kill(worker, signum)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert figures_in(tmp_path) == alone


@pytest.mark.slow
def test_runs_end_with_the_sweep_that_started_them(grid, tmp_path):
    process = start([*grid, *GRID, "trainer.max_epochs=500", "sweep.jobs_per_gpu=3"], tmp_path)
    (worker, *_) = wait_for(lambda: running_jobs(tmp_path))
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not Path(f"/proc/{worker}/cmdline").exists() or b"ser" not in _command(worker), 60)


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "said"),
    [("OutOfMemoryError", "memory was full: 1 run. They go on, 1 at a time."),
     ("AcceleratorError", "a step failed on the GPU: 1 run. They go on, 3 at a time, each in a process of its own")],
)  # fmt: skip
def test_what_a_gpu_does_not_take_together_is_trained_apart(grid, tmp_path, monkeypatch, error, said):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    fails = f"augmentation.features=[{{_target_: mine.FailsOnce, error: {error}, place: {tmp_path}/failed}}]"
    words = [*grid, "trainer=auto", "seed=0,1,2", "run.trust=[mine]", fails, "sweep.jobs_per_gpu=3"]
    code, out, err = done(words, tmp_path)
    assert code == 0, err
    assert said in " ".join(out.split()), out
    assert len(runs_in(tmp_path)) == 3


def test_draws_of_one_run_are_not_those_of_another():
    device = torch.device("cpu")

    def draw(runs: list[OwnDraws]) -> list[list[float]]:
        found = [[] for _ in runs]
        for _ in range(3):
            for run, numbers in zip(runs, found, strict=True):
                with run.in_place():
                    numbers += torch.rand(2).tolist()
        return found

    def seeded(seed: int) -> OwnDraws:
        own = OwnDraws(device)
        own.seed(seed)
        return own

    before = torch.default_generator.get_state()
    together = draw([seeded(0), seeded(1)])
    assert torch.equal(before, torch.default_generator.get_state())
    assert together == [draw([seeded(seed)])[0] for seed in (0, 1)] and together[0] != together[1]


@pytest.mark.slow
def test_runs_of_one_process_read_one_copy_of_their_features(tiny_ravdess, tmp_path):
    """Those that start from the same training part: another fold is normalised otherwise."""
    script = f"""
    import gc
    from rich.console import Console
    from ser.commands.composing import Composer
    from ser.system.turns import share_process
    from ser.training import shared_features
    from ser.training.job import find_job
    from ser.training.setup import prepare

    share_process()

    compose = Composer("train", ("dataset=ravdess", "dataset.root={tiny_ravdess}", "trainer=cpu", "split=random"))

    def parts(*words):
        job = find_job(compose(words))
        return prepare(job.config, job.recordings, Console(quiet=True))

    def place(parts):
        return parts.data.source.features.data_ptr()

    first, second = parts("seed=0", "split.seed=1"), parts("seed=1", "split.seed=1")
    assert place(first) == place(second)
    assert first.classifier.normaliser.std.equal(second.classifier.normaliser.std)
    assert not first.classifier.normaliser.std.eq(1).all()
    other = parts("seed=0", "split.seed=2")
    assert place(other) != place(first)
    augmented = parts("seed=0", "split.seed=1", "augmentation=waveform")
    assert not hasattr(augmented.data.source, "features"), "computed in each step, whatever others read"
    views = [parts(f"seed={{seed}}", "split.seed=1", "augmentation=five_speeds").data.views for seed in (0, 1)]
    assert views[0].source.features.data_ptr() == views[1].source.features.data_ptr()
    assert views[0].seed != views[1].seed, "each draws its own"
    drawn = ["split.seed=1", "augmentation=waveform", "augmentation.views=1"]
    noisy = [parts(f"seed={{seed}}", *drawn) for seed in (0, 1)]
    assert noisy[0].data.views.source.features.data_ptr() != noisy[1].data.views.source.features.data_ptr()
    del first, second, other, augmented, views, noisy
    gc.collect()
    assert not shared_features._held, "freed with the last run that reads them"
    """
    script = textwrap.dedent(script)
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert found.returncode == 0, found.stderr


def test_a_turn_is_given_and_taken(tmp_path):
    """Two threads that each have the turn, give it and take it again, never have it at once."""
    script = """
    import threading, time
    from ser.system.turns import alone, give_turn, take_turn

    inside, most = 0, 0

    def run():
        global inside, most
        for _ in range(50):
            with alone():
                inside += 1
                most = max(most, inside)
                time.sleep(1e-4)
                inside -= 1
                give_turn()
                take_turn()

    threads = [threading.Thread(target=run) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert most == 1 and not any(thread.is_alive() for thread in threads)
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
def test_a_process_that_died_before_it_had_jobs_is_replaced(tmp_path):
    workers = Workers(1)
    dead = workers._idle[0].process
    dead.kill()
    dead.wait()
    worker = workers.given("no launch")
    assert worker.process.pid != dead.pid
    assert worker.process.wait(60) == 1, "what it is given is no launch"
    worker.said.seek(0)
    assert b"ValueError" in worker.said.read(), "what it says before it has a file is kept"


def test_processes_that_were_not_needed_end():
    with Workers(2) as workers:
        idle = [worker.process for worker in workers._idle]
    assert all(process.poll() is not None for process in idle) and not workers._idle
