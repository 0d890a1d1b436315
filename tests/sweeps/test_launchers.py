"""The same grid through every launcher, and what becomes of it when processes are killed."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import SER
from tests.sweeps.conftest import figures_in, figures_of, grid_of, index_of, runs_in, sweep_in

GRID = ["seed=0,1", "model.dropout=0,0.5"]


def process(words: list[str], folder: Path) -> subprocess.Popen:
    """`ser …` in a process and a session of its own."""
    return subprocess.Popen(
        [*SER, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def done(words: list[str], folder: Path) -> tuple[int, str, str]:
    """The same to its end."""
    started = process(words, folder)
    out, err = started.communicate(timeout=300)
    return started.returncode, out, err


def running_jobs(folder: Path) -> list[int]:
    """Processes of the jobs that say they are running."""
    found = []
    for file in folder.glob("sweeps/*/.jobs/*.json"):
        outcome = json.loads(file.read_text())
        if outcome["state"] == "running":
            found.append(outcome["process"])
    return found


def wait_for(what, seconds: float = 120):
    """What `what()` gives as soon as it is something."""
    for _ in range(int(10 * seconds)):
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError("it never came")


@pytest.fixture(scope="module")
def basic(tiny_ravdess, tmp_path_factory):
    """metrics.json of an uninterrupted sweep, one run after the other."""
    return figures_of([*grid_of(tiny_ravdess), *GRID], tmp_path_factory.mktemp("basic"))


def check(folder: Path, basic: dict) -> None:
    """Every run finished exactly once, with the figures of a sweep that nothing happened to."""
    assert figures_in(folder) == basic
    assert len(list((folder / "runs").iterdir())) == len(runs_in(folder)) == 4
    assert all(run["state"] == "finished" for run in index_of(sweep_in(folder))["runs"])
    assert len([path for path in sweep_in(folder).iterdir() if path.is_symlink()]) == 4


TWO_AT_A_TIME = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "ray": ["hydra/launcher=ray", "+hydra.launcher.init.num_cpus=2"],
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", TWO_AT_A_TIME)
def test_a_grid_side_by_side_gives_the_same_and_survives_a_killed_worker(grid, basic, tmp_path, launcher):
    """One worker is killed at a random moment; what is missing is launched again in the same sweep."""
    started = process([*grid, *GRID, *TWO_AT_A_TIME[launcher]], tmp_path)
    worker = wait_for(lambda: running_jobs(tmp_path))[0]
    time.sleep(random.uniform(0, 3))
    with contextlib.suppress(ProcessLookupError):  # it was quicker
        os.kill(worker, signal.SIGKILL)
    out, err = started.communicate(timeout=300)
    assert started.returncode == 0, out + err
    check(tmp_path, basic)
    assert "4 runs trained" in out and out.count("val/uar") >= 4


@pytest.mark.slow
def test_a_launcher_of_a_cluster_gives_the_same(grid, basic, tmp_path):
    words = [*grid, *GRID, "hydra/launcher=submitit_local"]
    code, out, err = done(words, tmp_path)
    assert code == 0, out + err
    check(tmp_path, basic)
    code, out, _ = done(words, tmp_path)
    assert code == 0 and "4 finished already" in out


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, False, True])
def test_a_killed_sweep_is_completed_by_the_same_command(grid, basic, tmp_path, begun):
    """kill -9 of the sweep's process while workers begin, or later; they end by themselves, without a job too."""
    words = [*grid, *GRID, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    started = process(words, tmp_path)
    wait_for(lambda: running_jobs(tmp_path) if begun else list(tmp_path.glob("sweeps/*/.jobs")))
    time.sleep(random.uniform(0, 6 if begun else 2))
    started.kill()
    started.communicate(timeout=120)  # until no worker has its output open
    code, out, err = done(words, tmp_path)
    assert code == 0, out + err
    check(tmp_path, basic)


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher, signum, to_all",
    [
        ("joblib", signal.SIGINT, True),
        ("ray", signal.SIGTERM, False),
    ],
)
def test_a_sweep_stops_in_order_and_goes_on(grid, basic, tmp_path, launcher, signum, to_all):
    words = [*grid, *GRID, *TWO_AT_A_TIME[launcher]]
    started = process(words, tmp_path)
    wait_for(lambda: running_jobs(tmp_path))
    time.sleep(random.uniform(0, 4))
    os.killpg(started.pid, signum) if to_all else started.send_signal(signum)
    out, err = started.communicate(timeout=120)
    assert started.returncode in (0, 128 + signum), out + err
    if started.returncode:
        assert "continues what was begun" in out + err and "Traceback" not in err
    code, out, err = done(words, tmp_path)
    assert code == 0, out + err
    check(tmp_path, basic)


@pytest.mark.slow
def test_the_same_sweep_twice_at_once_leaves_a_message(grid, basic, tmp_path):
    """The second one leaves, and says who has it; another sweep with the same runs waits for them."""
    words = [*grid, *GRID, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    first = process(words, tmp_path)
    wait_for(lambda: running_jobs(tmp_path))
    code, _, err = done(words, tmp_path)
    assert code in (0, 2) and (code == 0 or "This sweep is being trained by process" in err)
    code, out, err = done([*grid, *GRID, "hydra.sweep.dir=other"], tmp_path)
    assert code == 0, out + err
    assert first.wait(300) == 0
    first.communicate()
    assert figures_in(tmp_path) == basic
