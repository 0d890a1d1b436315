"""Damage, failures and old runs: reported clearly, continued where that is possible, never counted as finished."""

import json
import re
import shutil

import pytest
import torch
import yaml

from ser.errors import Interrupted
from ser.runs.directory import load_config
from ser.runs.listing import find_runs
from tests.conftest import only_run

RESULTS = ("finished.json", "metrics.json", "predictions.csv")


def figures(run):
    metrics = json.loads((run / "metrics.json").read_text())
    return {name: value for name, value in metrics.items() if name != "seconds"}


@pytest.fixture(scope="module")
def trained(tiny_ravdess, tmp_path_factory):
    """The folder of one finished run, and its command: trained once, copied for each test."""
    from ser.cli import main

    command = [
        "train", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "model=mlp", "model.hidden=[16]", "trainer=cpu",
        "trainer.max_epochs=5", "split=random", "model.dropout=0.3", "run.report=false",
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(command) == 0
    return folder, command


@pytest.fixture
def command(trained):
    return trained[1]


@pytest.fixture
def finished(trained, in_tmp):
    """A finished run, in `runs/`."""
    shutil.copytree(trained[0] / "runs", in_tmp / "runs")
    return only_run(in_tmp)


def cut(file, share=0.5):
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])


def undone(run):
    """The run as it was before test was scored."""
    for name in RESULTS:
        (run / name).unlink()


@pytest.mark.parametrize(
    ("names", "share", "words"),
    [
        pytest.param(["last.ckpt"], 0.0, "resuming from best.ckpt", marks=pytest.mark.slow),
        pytest.param(["last.ckpt"], 0.02, "resuming from best.ckpt", marks=pytest.mark.slow),
        (["last.ckpt"], 0.99, "resuming from best.ckpt"),
        (["best.ckpt"], 0.5, "starting again from the first epoch"),
        (["last.ckpt", "best.ckpt"], 0.5, "starting again from the first epoch"),
    ],
)
def test_a_checkpoint_cut_off_costs_time_and_no_figure(ser, command, finished, names, words, share):
    before = figures(finished)
    undone(finished)
    for name in names:
        cut(finished / "checkpoints" / name, share)
    code, out, err = ser(*command)
    assert code == 0 and words in out, out + err
    assert all(name in out for name in names) and figures(finished) == before


def test_a_checkpoint_of_another_model_is_no_state_to_go_on_from(ser, command, finished):
    undone(finished)
    for name in ("last.ckpt", "best.ckpt"):
        checkpoint = torch.load(finished / "checkpoints" / name, weights_only=True)
        checkpoint["state_dict"]["model.layers.0.weight"] = torch.zeros(3, 4)
        torch.save(checkpoint, finished / "checkpoints" / name)
    code, _, err = ser(*command)
    assert code == 2 and "belongs to another model" in err and len(err.strip().splitlines()) == 1


def test_a_finished_run_with_a_damaged_checkpoint_keeps_its_figures(ser, command, finished):
    cut(finished / "checkpoints" / "best.ckpt")
    code, out, _ = ser(*command)
    assert code == 0 and "Already trained" in out
    code, _, err = ser("evaluate", f"run={finished}", "dataset=demo")
    assert code == 2 and "best.ckpt" in err and "run.rerun=true" in err


def test_a_finished_run_with_truncated_metrics(ser, command, finished, in_tmp):
    cut(finished / "metrics.json")
    code, _, err = ser(*command)
    assert code == 2 and "metrics.json" in err and "run.rerun=true" in err
    (found,), remarks = find_runs([in_tmp / "runs"])
    assert found.state == "damaged" and "metrics.json" in remarks[0]
    assert ser(*command, "run.rerun=true")[0] == 0
    assert find_runs([finished])[0][0].state == "finished"


@pytest.mark.slow
def test_weights_that_were_pruned(ser, finished, in_tmp):
    assert ser("runs", "prune", "--keep-best", "0", "--yes")[0] == 0
    for arguments in (["evaluate", f"run={finished}", "dataset=demo"], ["train", f"init_from={finished}"]):
        code, _, err = ser(*arguments)
        assert code == 2 and "ser runs prune" in err and "run.rerun=true" in err
    code, _, err = ser("evaluate", f"run={finished}")
    assert code == 0, "its figures need no weights: " + err


# ---- failures ------------------------------------------------------------------------------------------------------


def test_a_failure_is_noted_and_forgotten_when_the_run_succeeds(ser, command, in_tmp, monkeypatch):
    def crash(*_):
        raise RuntimeError("something\nbroke")

    monkeypatch.setattr("ser.training.train.score", crash)
    with pytest.raises(RuntimeError):
        ser(*command)
    run = only_run(in_tmp)
    (found,), _ = find_runs([run])
    assert (found.state, found.reason) == ("failed", "RuntimeError: something broke")
    assert "Traceback" in (run / "train.log").read_text()
    monkeypatch.undo()
    monkeypatch.chdir(in_tmp)
    code, out, err = ser(*command)
    assert code == 0 and "Continuing from" in out, err
    assert find_runs([run])[0][0].state == "finished" and not (run / "failed.json").exists()


def test_what_the_user_can_mend_is_a_failure_too(ser, quick, in_tmp):
    """The loss of the first epochs is no number."""
    bad = [
        "optimizer=sgd",
        "optimizer.lr=1000",
        "optimizer.weight_decay=1000",
        "trainer.gradient_clip_val=null",
        "scheduler=none",
    ]
    code, _, err = ser(*quick, *bad)
    (found,), _ = find_runs([in_tmp / "runs"])
    assert code == 2 and found.state == "failed" and found.reason in " ".join(err.split())


def test_what_was_interrupted_did_not_fail(ser, command, in_tmp, monkeypatch):
    def stop(*_):
        raise Interrupted(2)

    monkeypatch.setattr("ser.training.train.score", stop)
    assert ser(*command)[0] == 130
    assert find_runs([in_tmp / "runs"])[0][0].state == "interrupted"


def test_what_never_began_leaves_nothing(ser, command, in_tmp):
    assert ser(*command, "dataset.root=/nowhere")[0] == 2
    assert not list(in_tmp.glob("runs/*"))


# ---- other versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("ser", "0.0.1", "ser 0.0.1 (now "),
        ("torch", "2.11.0", "torch 2.11.0 (now "),
        (None, "0123abc", "commit 0123abc"),
    ],
)
def test_a_run_of_another_version_is_reused_with_one_note(ser, command, finished, key, value, words, monkeypatch):
    monkeypatch.setattr("ser.runs.environment._git_commit", lambda: "fedcba9")
    written = json.loads((finished / "environment.json").read_text())
    written["git_commit"] = "fedcba9"
    (finished / "environment.json").write_text(json.dumps(written))
    code, out, _ = ser(*command)
    assert code == 0 and "Note:" not in out
    written["versions"][key] = value
    written["git_commit"] = "fedcba9" if key else value
    (finished / "environment.json").write_text(json.dumps(written))
    code, out, _ = ser(*command)
    assert code == 0 and out.count("Note: It was made with") == 1 and words in out
    assert "Already trained" in out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"versions": 3}', None])
def test_an_environment_that_says_nothing_is_no_difference(ser, command, finished, text):
    (finished / "environment.json").unlink()
    if text is not None:
        (finished / "environment.json").write_text(text)
    code, out, _ = ser(*command)
    assert code == 0 and "Note:" not in out


@pytest.mark.slow
def test_a_page_that_cannot_be_written_is_no_failure_of_the_run(ser, command, finished):
    (finished / "finished.json").unlink()
    (finished / "report.html").mkdir()
    code, out, err = ser(*command, "run.report=true")
    assert code == 0 and f"Note: the run is finished, without its page: Cannot write {finished}" in out, err
    assert f"ser evaluate run={finished}" in out and not (finished / "failed.json").exists()
    (finished / "report.html").rmdir()
    assert ser("evaluate", f"run={finished}")[0] == 0 and (finished / "report.html").is_file()


NEWER = ("init_from", "published", "run", "sweep")


@pytest.mark.slow
def test_a_run_whose_config_is_older_than_some_settings(ser, command, finished, in_tmp):
    """It can be evaluated and continued; it stays the run that it was."""
    before = figures(finished)
    written = yaml.safe_load((finished / "config.yaml").read_text())
    older = {key: value for key, value in written.items() if key not in NEWER}
    (finished / "config.yaml").write_text(yaml.safe_dump(older, sort_keys=False))
    filled = load_config(finished)
    assert set(NEWER) <= set(filled) and filled["batch_size"] == written["batch_size"]
    assert {key: filled[key] for key in older} == older
    code, _, err = ser("evaluate", f"run={finished}")
    assert code == 0, err
    undone(finished)
    code, out, err = ser("train", f"run.resume={finished}")
    assert code == 0 and "Continuing from" in out, err
    assert figures(finished) == before and len(list((in_tmp / "runs").iterdir())) == 1


@pytest.mark.slow
def test_a_directory_of_another_project(ser, in_tmp):
    other = in_tmp / "theirs"
    other.mkdir()
    (other / "config.yaml").write_text("choices: {}\nlr: 1\n")
    (other / "model.pt").write_bytes(b"x")
    before = sorted(file.name for file in other.iterdir())
    for arguments in (
        ["train", f"run.resume={other}"], ["train", f"hydra.run.dir={other}"], ["evaluate", f"run={other}"],
        ["runs", str(other)], ["runs", "prune", "--last", "--yes", str(other)], ["train", f"init_from={other}"],
    ):  # fmt: skip
        code, out, err = ser(*arguments)
        assert code == 2 and re.search("theirs", err) and "Traceback" not in err, arguments
    assert sorted(file.name for file in other.iterdir()) == before
    shutil.rmtree(other)
