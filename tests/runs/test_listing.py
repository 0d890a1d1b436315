"""What lies in a folder of runs, and what became of each."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ser.errors import UserError
from ser.runs.directory import RunDirectory
from ser.runs.listing import find_runs
from tests.runs.made_runs import METRICS, PROTOCOL, made_run

REPOSITORY = Path(__file__).parents[2]


def names(found):
    return [run.path.name for run in found]


@pytest.fixture
def runs(tmp_path):
    """A finished, an interrupted, a failed and a pruned run."""
    for letter, state in zip("abcd", ("finished", "interrupted", "failed", "pruned"), strict=True):
        made_run(tmp_path / "runs" / letter, state)
    return tmp_path / "runs"


def test_each_run_is_told_by_its_files(runs):
    (runs / "lost+found").mkdir()  # the system's, on a disk of its own
    found, remarks = find_runs([runs])
    assert [(run.path.name, run.state) for run in found] == [
        ("a", "finished"), ("b", "interrupted"), ("c", "failed"), ("d", "pruned")
    ]  # fmt: skip
    assert [run.reason for run in found] == ["", "", "the loss is no number", "behind the median after 3 epochs"]
    assert found[0].metrics == METRICS and all(run.metrics == {} for run in found[1:])
    assert all(run.protocol == PROTOCOL and len(run.identity) == 10 for run in found)
    assert found[1].config["optimizer"] == {"lr": 0.001} and remarks == []


def test_a_reason_does_not_repeat_the_directory(runs):
    RunDirectory(runs / "c", "").fail(f"Cannot write {runs / 'c'}/checkpoints/best.ckpt: the disk is full.")
    assert find_runs([runs / "c"])[0][0].reason == "Cannot write checkpoints/best.ckpt: the disk is full."


def test_an_unfinished_run_with_figures_shows_none(runs):
    """Killed between metrics.json and the marker: it did not finish."""
    (runs / "a" / "finished.json").unlink()
    found, _ = find_runs([runs / "a"])
    assert (found[0].state, found[0].metrics) == ("interrupted", {})


def test_beginning_again_and_finishing_take_the_ends_away(runs):
    for letter, name in (("c", "failed.json"), ("d", "pruned.json")):
        directory = RunDirectory(runs / letter, find_runs([runs / letter])[0][0].identity)
        directory.begin({"choices": {}}, {}, PROTOCOL)
        assert not (runs / letter / name).exists()
        assert find_runs([runs / letter])[0][0].state == "interrupted"
    directory.fail("one")
    directory.prune("two")
    assert not (directory.path / "failed.json").exists() and (directory.path / "pruned.json").exists()
    directory.finish()
    assert not (directory.path / "pruned.json").exists()


def test_a_run_is_named_by_folder_link_pattern_or_itself_and_counted_once(runs, tmp_path, monkeypatch):
    sweep = tmp_path / "sweeps" / "grid-1"
    sweep.mkdir(parents=True)
    (sweep / "sweep.json").write_text("{}")
    (sweep / "a").symlink_to(os.path.relpath(runs / "a", sweep))
    (sweep / "c").symlink_to(runs / "c")
    for gone in "vwxyz":
        (sweep / gone).symlink_to(tmp_path / "gone" / gone)
    monkeypatch.chdir(tmp_path)
    assert find_runs([sweep])[1] == [f"{sweep} has links to runs that were moved or deleted (5): v, w, x, …"]
    assert names(find_runs(["runs"])[0]) == ["a", "b", "c", "d"]
    assert names(find_runs(["sweeps/grid-1"])[0]) == ["a", "c"]
    assert names(find_runs(["sweeps"])[0]) == ["a", "c"], "a folder of sweeps"
    assert names(find_runs(["runs/[ab]", "runs/a", sweep, runs])[0]) == ["a", "b", "c", "d"]
    assert find_runs([sweep / "a"])[0][0].path == (runs / "a").resolve()


def test_odd_names(tmp_path):
    for name in ("Ärger [1]", "two words", "日本"):
        made_run(tmp_path / "runs [x]" / name)
    assert len(find_runs([tmp_path / "runs [x]"])[0]) == 3
    assert names(find_runs([tmp_path / "runs [x]" / "Ärger [1]"])[0]) == ["Ärger [1]"]


def test_a_cross_validation_is_its_folds(tmp_path):
    for name in ("fold0", "fold1", "other"):
        made_run(tmp_path / "runs" / name)
    pooled = tmp_path / "runs" / "demo-crossval-1"
    pooled.mkdir()
    (pooled / "crossval.json").write_text(json.dumps({"folds": ["fold0", "fold1", "gone", "../runs/other"]}))
    (pooled / "metrics.json").write_text("{}")
    found, remarks = find_runs([pooled])
    assert names(found) == ["fold0", "fold1"]
    assert len(remarks) == 2 and "gone" in remarks[0], "a name that leads out of the folder is not followed"
    found, remarks = find_runs([tmp_path / "runs"])
    assert names(found) == ["fold0", "fold1", "other"] and remarks == []


# ---- what is skipped -------------------------------------------------------------------------------------------


def test_folders_of_others_are_passed_over_and_named(runs, tmp_path):
    (runs / "thesis").mkdir()
    (runs / "thesis" / "main.tex").write_text("x")
    (runs / "mlflow").mkdir()
    (runs / "mlflow" / "metrics.json").write_text("{}")
    (runs / "mlflow" / "config.yaml").write_text("lr: 1")
    (runs / "notes.txt").write_text("x")
    (runs / ".submitit").mkdir()
    (runs / "gone").symlink_to(tmp_path / "nowhere")
    found, remarks = find_runs([runs])
    assert names(found) == ["a", "b", "c", "d"]
    assert len(remarks) == 3 and all(word in " ".join(remarks) for word in ("thesis", "mlflow", "gone"))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("metrics.json", '{"test/uar": 0.5', "metrics.json"),
        ("metrics.json", "", "metrics.json"),
        ("metrics.json", "[1, 2]", "metrics.json"),
        ("metrics.json", '{"test/uar": "a lot"}', "metrics.json"),
        ("metrics.json", None, "metrics.json"),
        ("finished.json", "", "finished.json"),
        ("finished.json", "3", "finished.json"),
        ("finished.json", '{"identity": "ffffffffff"}', "another run"),
        ("run.json", "{", "run.json"),
        ("run.json", None, "run.json"),
        ("config.yaml", "a: [1", "config.yaml"),
        ("config.yaml", "seed: 1", "config.yaml"),
        ("config.yaml", None, "config.yaml"),
    ],
)
def test_a_damaged_run_is_named_with_the_reason_and_stops_nothing(runs, file, content, words):
    (runs / "a" / file).unlink()
    if content is not None:
        (runs / "a" / file).write_text(content)
    found, remarks = find_runs([runs])
    assert [run.state for run in found] == ["damaged", "interrupted", "failed", "pruned"]
    assert words in found[0].reason and "\n" not in found[0].reason and found[0].metrics == {}
    assert len(remarks) == 1 and str(runs / "a") in remarks[0]


@pytest.mark.parametrize("name", ["failed.json", "pruned.json"])
def test_a_damaged_end_is_damage(runs, name):
    (runs / "b" / name).write_text('{"reas')
    assert find_runs([runs / "b"])[0][0].state == "damaged"


def test_nothing_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis").mkdir()
    (tmp_path / "file").write_text("x")
    for place, words in (
        ("nowhere", "There is no folder nowhere"),
        ("runs/*", "Nothing matches"),
        ("empty", "no run in empty"),
        ("other", "thesis holds no run"),
        ("file", "is a file"),
    ):
        with pytest.raises(UserError, match=words):
            find_runs([place])


# ---- who works on it -----------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from ser.runs.directory import RunDirectory
directory = RunDirectory(Path(sys.argv[1]), "0123456789")
directory.lock()
print("locked", flush=True)
time.sleep(600)
"""


def test_running_while_its_process_lives(runs):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(runs / "c")],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "locked\n"
        assert find_runs([runs / "c"])[0][0].state == "running"
    finally:
        process.kill()
        process.wait()
    assert (runs / "c" / ".holder").exists(), "killed, it gave nothing back"
    assert find_runs([runs / "c"])[0][0].state == "failed"


def test_looking_is_in_nobodys_way(runs):
    """The look takes the lock for a moment; who wants it then waits for that moment."""
    holder = RunDirectory(runs / "b", "0123456789")
    (runs / "b" / ".holder").write_text("process 1 on elsewhere")
    assert find_runs([runs / "b"])[0][0].state == "interrupted"
    holder.lock()
    assert find_runs([runs / "b"])[0][0].state == "running"
    holder.release()
    assert find_runs([runs / "b"])[0][0].state == "interrupted"


def test_looking_writes_nothing(runs):
    before = sorted((str(file), file.stat().st_mtime_ns) for file in runs.rglob("*"))
    find_runs([runs])
    assert sorted((str(file), file.stat().st_mtime_ns) for file in runs.rglob("*")) == before


def test_a_run_in_two_directories_is_named(runs):
    shutil.copytree(runs / "a", runs / "copy of a")
    found, remarks = find_runs([runs])
    assert names(found) == ["a", "b", "c", "copy of a", "d"]
    assert len(remarks) == 1 and "copy of a is the same run as" in remarks[0]
