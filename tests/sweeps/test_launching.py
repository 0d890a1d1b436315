"""Which runs are launched again where their processes were killed."""

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import pytest

from ser.sweeps import outcomes
from ser.sweeps.devices import Packing
from ser.sweeps.launching import RELAUNCHES, launch_all
from ser.sweeps.runs import SweepRun


@pytest.fixture
def three(tmp_path):
    """Three waiting runs, and the folder of their sweep."""
    outcomes.prepare(tmp_path)
    runs = []
    for name in "abc":
        job = SimpleNamespace(directory=SimpleNamespace(identity=name, path=Path("/nonexistent")))
        runs.append(SweepRun([], name, {}, job))
        runs[-1].state = "waiting"
    return runs, SimpleNamespace(path=tmp_path)


def launched(three, launch) -> list[list[str]]:
    """The labels of each launch."""
    runs, folder = three
    batches = []

    def noted(about, batch):
        batches.append([run.label for run in batch])
        launch(folder.path, batch, len(batches))

    launch_all(runs, folder, "joblib", Packing(3, 1), noted)
    return batches


@pytest.mark.parametrize("error", [ChildProcessError("ended with code -9"), BrokenProcessPool("a worker was killed")])
def test_a_process_that_was_killed_before_any_run_began_is_replaced(three, error):
    def launch(folder, batch, number):
        if number == 1:
            raise error
        for run in batch:
            outcomes.note(folder, run.identity, "failed", "it is no real run")

    assert launched(three, launch) == [["a", "b", "c"]] * 2
    assert {run.reason for run in three[0]} == {"it is no real run"}


def test_one_that_is_always_killed_is_given_up(three):
    def launch(folder, batch, number):
        raise ChildProcessError("ended with code -9")

    batches = launched(three, launch)
    assert batches == [["a", "b", "c"]] * RELAUNCHES + [["a"], ["b"], ["c"]], "at last each alone"
    assert all(run.state == "failed" and "its process was ended 3 times" in run.reason for run in three[0])


def test_a_launcher_that_refuses_is_asked_once(three):
    def launch(folder, batch, number):
        raise RuntimeError("no such queue\nwith details")

    assert launched(three, launch) == [["a", "b", "c"]]
    reason = "the launcher did not start it (RuntimeError: no such queue)"
    assert {(run.state, run.reason) for run in three[0]} == {("failed", reason)}
