"""Run directories: found, refused, locked, finished."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ser.errors import UserError
from ser.runs.directory import RunDirectory, load_config
from ser.system.names import safe_name

REPOSITORY = Path(__file__).parents[2]
NAME, OTHER = "0123456789", "abcdefabcd"
CONFIG = {"choices": {"model": "mlp"}, "seed": 0, "optimizer": {"lr": 1e-05}, "dataset": {"root": "Grüße"}}


def begun(path, name=NAME, finished=False):
    directory = RunDirectory(path, name)
    path.mkdir(parents=True)
    directory.begin(CONFIG, {"python": "3"}, "speaker-independent")
    if finished:
        directory.finish()
    return directory


def config_of(path):
    """What the run's own config.yaml says, without today's defaults."""
    return {key: value for key, value in load_config(path).items() if key in CONFIG}


# ---- finding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("readable", ["demo-mlp", "a-b-c", "", NAME, "x" * 80])
def test_a_run_is_found_by_its_identity_whatever_it_is_called(tmp_path, readable):
    begun(tmp_path / f"{readable}-{NAME}")
    assert RunDirectory.find(tmp_path, "another name", NAME).path == tmp_path / f"{readable}-{NAME}"


def test_a_new_run_gets_a_readable_name(tmp_path):
    directory = RunDirectory.find(tmp_path / "runs", "my corpus/log_mel", NAME)
    assert directory.path == tmp_path / "runs" / f"my_corpus_log_mel-{NAME}"
    assert not (tmp_path / "runs").exists(), "looking makes nothing"
    assert directory.identity == NAME and not directory.finished


def test_others_are_not_taken_for_it(tmp_path):
    for name in (f"demo-{OTHER}", f"demo-{NAME}-old", f"demo{NAME}", NAME):
        begun(tmp_path / name)
    (tmp_path / f"file-{NAME}").write_text("a file")
    assert RunDirectory.find(tmp_path, "demo", NAME).path == tmp_path / f"demo-{NAME}"
    assert not (tmp_path / f"demo-{NAME}").exists()


def test_folders_with_odd_names_are_searched(tmp_path):
    begun(tmp_path / "runs [1] *" / f"demo-{NAME}")
    assert RunDirectory.find(tmp_path / "runs [1] *", "x", NAME).path.name == f"demo-{NAME}"


def test_a_named_directory_may_be_new_empty_or_its_own(tmp_path):
    (tmp_path / "empty").mkdir()
    begun(tmp_path / "own")
    for name in ("new", "empty", "own"):
        assert RunDirectory.at(tmp_path / name, NAME).path == tmp_path / name


def test_a_named_directory_that_holds_another_run_is_refused(tmp_path):
    begun(tmp_path / "theirs", OTHER)
    with pytest.raises(UserError, match=f"another run .identity {OTHER}, this one is {NAME}.*hydra.run.dir") as error:
        RunDirectory.at(tmp_path / "theirs", NAME)
    assert str(tmp_path / "theirs") in str(error.value)


@pytest.mark.parametrize("name", ["thesis.tex", "config.yaml", "metrics.json"])
def test_a_named_directory_that_holds_something_else_is_refused(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="not empty and holds no run"):
        RunDirectory.at(tmp_path, NAME)


def test_a_run_that_was_killed_before_it_began_is_in_nobodys_way(tmp_path):
    """While decoding, say: the log, the lock and nothing else are there, and the next try has another identity."""
    (tmp_path / "mine").mkdir()
    for name in ("train.log", ".lock", ".holder"):
        (tmp_path / "mine" / name).write_text("")
    second = RunDirectory.at(tmp_path / "mine", NAME)
    second.lock()
    second.release()


@pytest.mark.parametrize("others", [[], ["notes.txt"]])
def test_of_a_run_that_never_began_nothing_stays_but_what_is_not_ours(tmp_path, others):
    directory = RunDirectory(tmp_path / "mine", NAME)
    directory.lock()
    for name in ("train.log", *others):
        (directory.path / name).write_text("")
    directory.release()
    assert directory.path.exists() == bool(others)
    assert [child.name for child in tmp_path.rglob("*") if child.is_file()] == others


def test_of_a_run_that_began_everything_stays(tmp_path):
    directory = begun(tmp_path / "run")
    directory.lock()
    (directory.path / "train.log").write_text("epoch 1")
    directory.release()
    assert (directory.path / "train.log").exists() and config_of(directory.path) == CONFIG


@pytest.mark.parametrize("stop_at", ["run.json", "config.yaml", "environment.json"])
def test_a_run_killed_while_it_began_goes_on_where_it_was_put(tmp_path, monkeypatch, stop_at):
    from ser.runs import directory as module

    true = module.write_text

    def write_text(path, text):
        if path.name == stop_at:
            raise KeyboardInterrupt
        true(path, text)

    monkeypatch.setattr(module, "write_text", write_text)
    with pytest.raises(KeyboardInterrupt):
        begun(tmp_path / "mine")
    monkeypatch.undo()
    again = RunDirectory.at(tmp_path / "mine", NAME)
    again.begin(CONFIG, {}, "speaker-independent")
    assert config_of(again.path) == CONFIG


# ---- what it holds -------------------------------------------------------------------------------------------------


def test_begin_writes_what_the_run_is(tmp_path):
    directory = begun(tmp_path / "run")
    assert config_of(directory.path) == CONFIG
    assert json.loads((directory.path / "environment.json").read_text()) == {"python": "3"}
    assert directory.recorded_identity() == NAME and directory.protocol == "speaker-independent"
    assert directory.best.parent == directory.last.parent == directory.path / "checkpoints"
    assert directory.best.parent.is_dir() and (directory.path / "figures").is_dir()


def test_finished_only_with_the_marker(tmp_path):
    directory = begun(tmp_path / "run")
    for name in ("metrics.json", "predictions.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt"):
        (directory.path / name).write_text("{}")
    assert not directory.finished
    (directory.path / ".finished.json.123.partial").write_text("{}")
    assert not directory.finished
    directory.finish()
    assert directory.finished and RunDirectory(directory.path, NAME).finished
    assert json.loads((directory.path / "finished.json").read_text())["identity"] == NAME


def test_clear_takes_the_results_and_leaves_the_rest(tmp_path):
    directory = begun(tmp_path / "run", finished=True)
    other = "evaluations/tess-1"
    (directory.path / other).mkdir(parents=True)
    results = (
        "metrics.json", "predictions.csv", "checkpoints/best.ckpt", "figures/a.png", "events.out.tfevents.1",
        "report.html", f"{other}/report.html",
    )  # fmt: skip
    kept = ("train.log", "notes.txt")
    for name in (*results, *kept):
        (directory.path / name).write_text("x")
    directory.clear()
    assert not directory.finished and not any((directory.path / name).exists() for name in results)
    assert all((directory.path / name).exists() for name in kept)
    directory.clear()


def test_clear_takes_the_marker_first(tmp_path, monkeypatch):
    directory = begun(tmp_path / "run", finished=True)
    (directory.path / "metrics.json").write_text("{}")

    def stop(self, pattern):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "glob", stop)
    with pytest.raises(KeyboardInterrupt):
        directory.clear()
    assert not directory.finished


@pytest.mark.parametrize("text", [None, "", '{"test/uar": 0.5', "\x00"])
def test_unreadable_metrics_of_a_finished_run(tmp_path, text):
    directory = begun(tmp_path / "run", finished=True)
    if text is not None:
        (directory.path / "metrics.json").write_text(text)
    with pytest.raises(UserError, match="rerun=true"):
        directory.metrics()


def test_metrics_are_what_was_written(tmp_path):
    directory = begun(tmp_path / "run")
    (directory.path / "metrics.json").write_text('{"test/uar": 0.5}')
    assert directory.metrics() == {"test/uar": 0.5}


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"identity2": 1}'])
def test_a_damaged_identity_is_none(tmp_path, text):
    directory = begun(tmp_path / "run")
    (directory.path / "run.json").write_text(text)
    assert directory.recorded_identity() is None and directory.protocol == "protocol not recorded"
    with pytest.raises(UserError, match="holds no run"):
        RunDirectory.at(directory.path, NAME)


# ---- lock ----------------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from ser.runs.directory import RunDirectory
directory = RunDirectory(Path(sys.argv[1]), "0123456789")
directory.lock()
print("locked", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of `tmp_path/run`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path, holder):
    with pytest.raises(UserError) as error:
        RunDirectory(tmp_path / "run", NAME).lock()
    for part in (f"process {holder.pid} on ", str(tmp_path / "run"), "being trained"):
        assert part in str(error.value)


def test_a_killed_process_holds_nothing(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    directory = RunDirectory(tmp_path / "run", NAME)
    directory.lock()
    assert f"process {os.getpid()} on " in (directory.path / ".holder").read_text()
    directory.release()


def test_released_it_is_free(tmp_path):
    first, second = (RunDirectory(tmp_path / "run", NAME) for _ in range(2))
    first.release()  # without having it: nothing happens
    first.lock()
    with pytest.raises(UserError, match=f"process {os.getpid()}"):
        second.lock()
    second.release()
    assert (tmp_path / "run" / ".holder").exists(), "only its holder gives it back"
    first.release()
    second.lock()
    second.release()
    assert not (tmp_path / "run" / ".holder").exists()


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    for path in (tmp_path / "runs", tmp_path / "runs" / "run"):
        with pytest.raises(UserError, match="Cannot write the run directory"):
            RunDirectory(path, NAME).lock()


# ---- config --------------------------------------------------------------------------------------------------------


def test_no_run_directory(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="is not a run directory"):
            load_config(path)


def test_a_pooled_cross_validation_has_no_model(tmp_path):
    (tmp_path / "crossval.json").write_text("{}")
    with pytest.raises(UserError, match="pools the folds of a cross-validation, .* name the run of one fold"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"a: [1, 2", b"a: b: c", b"\xff\xfe\x00", b"just text", b"- 1\n- 2", b"seed: 0", b"choices: 3", b"a: \x00"],
)
def test_a_damaged_config(tmp_path, content):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError) as error:
        load_config(tmp_path)
    assert str(tmp_path / "config.yaml") in str(error.value)


def test_nothing_in_a_config_is_executed_or_resolved(tmp_path):
    mark = tmp_path / "executed"
    (tmp_path / "config.yaml").write_text(f"choices: {{}}\na: !!python/object/apply:os.mkdir ['{mark}']\n")
    with pytest.raises(UserError, match="damaged"):
        load_config(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"choices": {}, "a": "${oc.env:HOME}"}))
    assert load_config(tmp_path)["a"] == "${oc.env:HOME}" and not mark.exists()


# ---- names ---------------------------------------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_safe_names_are_safe(text):
    name = safe_name(text)
    assert 1 <= len(name) <= 80 and set(name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    )
    assert name not in (".", "..") and not name.startswith((".", "-")) and safe_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"), [("", "run"), ("..", "run"), ("../../etc", "etc"), ("日本", "run"), ("a b", "a_b")]
)
def test_safe_names(text, name):
    assert safe_name(text) == name
