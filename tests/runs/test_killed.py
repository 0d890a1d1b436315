"""Killed at any moment, started twice at once: the run is trained once, and its figures are the same."""

import json
import random
import time

import pytest

from tests.conftest import only_run
from tests.runs import forked


@pytest.fixture
def command(quick):
    """A run of a few hundred milliseconds, in which all that is random takes part."""
    return [*quick, "trainer.max_epochs=40", "model.dropout=0.3", "model.norm=batch"]


def results(folder):
    """metrics.json without the time, and predictions.csv."""
    run = only_run(folder)
    metrics = json.loads((run / "metrics.json").read_text())
    assert (run / "finished.json").is_file()
    return {name: value for name, value in metrics.items() if name != "seconds"}, (run / "predictions.csv").read_text()


def is_whole(run):
    """Whether what lies there can be read: nothing that has its name is half written."""
    for file in run.glob("*.json"):
        json.loads(file.read_text())
    return not (run / "finished.json").exists() or (run / "metrics.json").exists()


def killed_again_and_again(command, folder, kills, seed):
    """Kills the command so many times, then lets it end; how it ended each time, then at last."""
    assert forked.run([*command, "run.dir=warm"], folder / "whole")[0] == 0  # starts the server, fills the cache
    begun = time.monotonic()
    assert forked.run(command, folder / "whole")[0] == 0
    seconds = time.monotonic() - begun
    moments = random.Random(seed)
    codes = []
    for number in range(kills):
        latest = seconds if number else seconds / 4  # the first comes before the end also where it is quicker now
        codes.append(forked.kill_after(moments.uniform(0, latest), forked.start(command, folder / "broken")))
        runs = folder / "broken" / "runs"
        assert all(is_whole(run) for run in (runs.iterdir() if runs.is_dir() else ()))
    code, printed = forked.run(command, folder / "broken")
    assert code == 0, printed
    return codes


@pytest.mark.slow
def test_killed_at_random_moments_the_same_command_ends_with_the_same_figures(command, in_tmp):
    codes = killed_again_and_again([*command, "run.report=auto"], in_tmp, kills=3, seed=1)
    assert set(codes) <= {0, -9}
    assert results(in_tmp / "broken") == results(in_tmp / "whole")


@pytest.mark.slow
def test_killed_fifteen_times(command, in_tmp):
    codes = killed_again_and_again(command, in_tmp, kills=15, seed=10)
    assert -9 in codes and set(codes) <= {0, -9}
    assert results(in_tmp / "broken") == results(in_tmp / "whole")


@pytest.mark.slow
def test_two_at_once_train_once(command, in_tmp):
    """The second finds the run finished, or leaves and says who has it; whoever it is."""
    assert forked.run(command, in_tmp / "whole")[0] == 0
    both = [forked.start(command, in_tmp / "both") for _ in range(2)]
    codes = [forked.wait(process) for process in both]
    assert 0 in codes and set(codes) <= {0, 2}
    for process, code in zip(both, codes, strict=True):
        output = forked.printed(process, in_tmp / "both")
        assert "Traceback" not in output
        if code == 2:
            other = both[1 - both.index(process)]
            assert f"being trained by process {other.pid}" in output and str(in_tmp / "both") in output
    assert results(in_tmp / "both") == results(in_tmp / "whole")
    epochs = (only_run(in_tmp / "both") / "train.log").read_text().count("  epoch ")
    assert epochs == 40, "no epoch was trained by both"
