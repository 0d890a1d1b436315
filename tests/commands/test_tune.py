"""`ser tune` as a user types it: as many trials as asked for, ordinary runs, a line that finds the best again."""

import csv
import json
import os
import shlex
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
import yaml

from ser.commands.tune import _listed
from ser.training import train as training
from tests.conftest import SER

SPACE = ["model.hidden=[16],[32,16]", "optimizer.lr=tag(log,interval(1e-4,1e-1))", "model.dropout=interval(0,0.5)"]

FIGURES = ["history.png", "importance.png"]


@pytest.fixture
def fixed(quick) -> list[str]:
    """What all trials share: a run of a second."""
    return [word for word in quick[1:] if not word.startswith("model.hidden")]


@pytest.fixture
def trained(monkeypatch):
    """Directories whose training began."""
    begun, fit = [], training._train

    def counting(job, *arguments):
        begun.append(job.directory.path.name)
        return fit(job, *arguments)

    monkeypatch.setattr(training, "_train", counting)
    return begun


def the_search(folder: Path) -> Path:
    (found,) = (folder / "searches").iterdir()
    return found


def rows(folder: Path) -> list[dict[str, str]]:
    with (the_search(folder) / "trials.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def uar_of(run: Path) -> float:
    return json.loads((run / "metrics.json").read_text())["val/uar"]


def states(folder: Path) -> Counter:
    return Counter(row["state"] for row in rows(folder))


class EveryThird(optuna.pruners.BasePruner):
    """Gives each third trial up."""

    def prune(self, study, trial):
        return trial.number % 3 == 1


@pytest.mark.slow
def test_a_search_from_end_to_end(ser, fixed, in_tmp, trained, monkeypatch):
    """Pruned runs are marked and never finished; the printed line and the experiment both find the best run again."""
    monkeypatch.setattr("ser.sweeps.search.study.build_pruner", lambda *arguments: EveryThird())
    search = ["tune", *fixed, *SPACE, "tune.trials=6", "tune.startup_trials=2"]
    code, out, err = ser(*search)
    assert code == 0, err
    assert states(in_tmp) == {"complete": 4, "pruned": 2}
    assert "6 trials: 4 complete, 2 pruned; 0 failed" in out and "pruned at" in out
    for row in rows(in_tmp):
        run = in_tmp / "runs" / row["runs"]
        assert (run / "finished.json").is_file() == (row["state"] == "complete")
        assert (run / "pruned.json").is_file() == (row["state"] == "pruned")
        assert (the_search(in_tmp) / row["runs"] / "config.yaml").samefile(run / "config.yaml")  # a link
        config = yaml.safe_load((run / "config.yaml").read_text())
        assert config["optimizer"]["lr"] == float(row["optimizer.lr"]) and "tune" not in config
        assert config["model"]["hidden"] == json.loads(row["model.hidden"])
        if row["state"] == "complete":
            metrics = json.loads((run / "metrics.json").read_text())
            assert float(row["val/uar"]) == metrics["val/uar"]
    best = max((row for row in rows(in_tmp) if row["state"] == "complete"), key=lambda row: float(row["val/uar"]))
    assert f"Best val/uar: {float(best['val/uar']):.4f}" in out
    assert all((the_search(in_tmp) / "figures" / name).read_bytes()[:4] == b"\x89PNG" for name in FIGURES)

    begun = len(trained)
    (line,) = [line for line in out.splitlines() if line.startswith("To train it again: ")]
    words = shlex.split(line.removeprefix("To train it again: "))
    assert words[:2] == ["ser", "train"]
    code, said, err = ser(*words[1:])
    assert code == 0 and f"Already trained: {in_tmp / 'runs' / best['runs']}" in said, err
    code, said, err = ser("train", "--config-dir", str(the_search(in_tmp)), "experiment=best")
    assert code == 0 and f"Already trained: {in_tmp / 'runs' / best['runs']}" in said, err
    code, said, err = ser(*search)  # nothing is left to do
    assert code == 0 and "Continuing: 6 of 6 trials are done." in said and len(rows(in_tmp)) == 6
    assert len(trained) == begun
    code, said, err = ser(*search, "tune.trials=7")  # the same search, one more
    assert code == 0 and len(rows(in_tmp)) == 7 and len(trained) == begun + 1, err


@pytest.mark.slow
def test_mean_over_seeds_groups_and_a_yaml_space(ser, fixed, in_tmp, trained):
    """Runs that `ser train` has finished are not trained again; the value is the mean of what the runs say."""
    fixed = [word for word in fixed if word != "model=mlp"]
    (in_tmp / "mine" / "experiment").mkdir(parents=True)
    node = {"tune": {"space": {"model": ["mlp", "cnn1d"], "model.dropout": "choice(0.1)"}, "seeds": [0, 3]}}
    (in_tmp / "mine" / "experiment" / "space.yaml").write_text("# @package _global_\n" + yaml.safe_dump(node))
    once = ["trainer.max_epochs=1", "tune.sampler=random", "tune.pruner=none", "tune.trials=3", "tune.seed=2"]
    for model in ("mlp", "cnn1d"):
        assert ser("train", *fixed, "trainer.max_epochs=1", f"model={model}", "model.dropout=0.1", "seed=3")[0] == 0
    assert len(trained) == 2
    code, out, err = ser("tune", "--config-dir", "mine", "experiment=space", *fixed, *once)
    assert code == 0, err
    assert "mean over 2 seeds" in out and "the space has only 2 combinations" in out
    models = {row["model"] for row in rows(in_tmp)}
    assert len(trained) == 2 + len(models)  # of each, seed 0 alone
    for row in rows(in_tmp):
        values = [uar_of(in_tmp / "runs" / name) for name in row["runs"].split()]
        assert len(values) == 2 and float(row["val/uar"]) == pytest.approx(sum(values) / 2)
        assert float(row["std"]) == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


@pytest.mark.slow
def test_mean_over_folds(ser, fixed, in_tmp, trained):
    fixed = [word for word in fixed if not word.startswith("split")]
    folds = ["split=speaker_kfold", "split.k=3", "split.val=0.25", "tune.folds=2", "trainer.max_epochs=1"]
    code, out, err = ser("tune", *fixed, *folds, "model.dropout=0.1,0.2", "tune.trials=1")
    assert code == 0, err
    assert "mean over 2 folds" in out and "who is validated in one is tested in another" in " ".join(out.split())
    configs = [yaml.safe_load((in_tmp / "runs" / name / "config.yaml").read_text()) for name in trained]
    assert [config["split"]["fold"] for config in configs] == [0, 1]


@pytest.mark.slow
def test_the_same_search_draws_the_same_settings_interrupted_or_not(ser, fixed, in_tmp, monkeypatch):
    """Ctrl-C in the third trial; the same command continues that run and draws what it would have drawn."""
    search = ["tune", *fixed, *SPACE, "tune.trials=4", "tune.startup_trials=1", "tune.pruner=none"]
    assert ser(*search, "run.dir=elsewhere", "tune.dir=whole")[0] == 0
    with (in_tmp / "whole" / "trials.csv").open() as file:
        whole = [(row["optimizer.lr"], row["model.hidden"], row["val/uar"]) for row in csv.DictReader(file)]
    fit, begun = training._train, []

    def stopped_in_the_third(job, interruption, *arguments):
        begun.append(job)
        if len(begun) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return fit(job, interruption, *arguments)

    monkeypatch.setattr(training, "_train", stopped_in_the_third)
    code, out, _ = ser(*search)
    assert code == 130 and "continue by the same command: ser tune" in out
    assert len(rows(in_tmp)) == 2
    code, out, err = ser(*search)
    assert code == 0 and "Continuing: 2 of 4 trials are done." in out, err
    again = [(row["optimizer.lr"], row["model.hidden"], row["val/uar"]) for row in rows(in_tmp)]
    assert again[:3] == whole[:3] and len(again) == 4
    assert len(list((in_tmp / "runs").iterdir())) == 4


@pytest.mark.slow
def test_failed_trials_are_tried_once_more_listed_and_not_counted(ser, fixed, in_tmp, monkeypatch):
    fit, begun = training._train, []

    def crashing(job, *arguments):
        begun.append(job.directory.path.name)
        if len(set(begun)) == 2 and job.directory.path.name == begun[-1] == [*dict.fromkeys(begun)][1]:
            raise RuntimeError("the network is too wide")
        return fit(job, *arguments)

    monkeypatch.setattr(training, "_train", crashing)
    search = ["tune", *fixed, "model.dropout=interval(0,0.5)", "tune.trials=4", "trainer.max_epochs=1"]
    code, out, err = ser(*search)
    assert code == 0, err
    assert states(in_tmp) == {"complete": 4, "failed": 1}
    assert "RuntimeError: the network is too wide" in out
    (failed,) = [row for row in rows(in_tmp) if row["state"] == "failed"]
    assert "too wide" in failed["reason"]
    assert begun[1:3] == [failed["runs"]] * 2 and len(begun) == 6  # tried twice, one after the other


@pytest.mark.slow
def test_a_search_in_which_everything_fails_ends(ser, fixed, in_tmp, monkeypatch):
    def crashing(*arguments):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(training, "_train", crashing)
    code, _, err = ser("tune", *fixed, *SPACE, "tune.trials=50")
    assert code == 2 and "5 trials failed and 0 succeeded" in err and "no such thing" in err
    assert states(in_tmp) == {"failed": 5}


@pytest.mark.slow
def test_a_folder_of_another_search_is_refused(ser, fixed, in_tmp, monkeypatch):
    monkeypatch.setattr("ser.sweeps.search.run.work", lambda plan, study, progress: None)
    assert ser("tune", *fixed, "model.dropout=interval(0,0.5)", "tune.dir=mine")[0] == 0
    assert ser("tune", *fixed, "model.dropout=interval(0,0.5)", "tune.dir=mine", "tune.sampler=random")[0] == 0
    code, _, err = ser("tune", *fixed, "model.dropout=interval(0,0.6)", "tune.dir=mine")
    assert code == 2 and "holds another search" in err
    code, _, err = ser("tune", *fixed, "model.dropout=interval(0,0.5)", "seed=1", "tune.dir=mine")
    assert code == 2 and "holds another search" in err
    (in_tmp / "taken").mkdir()
    (in_tmp / "taken" / "letter.txt").write_text("dear")
    code, _, err = ser("tune", *fixed, "model.dropout=interval(0,0.5)", "tune.dir=taken")
    assert code == 2 and "is not empty and holds no search" in err
    assert [path.name for path in (in_tmp / "taken").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Nothing to search"),
        (["model.dropout=interval(0.5,0)"], "reversed"),
        (["optimizer.lr=tag(log,interval(0,1))"], "no logarithm of 0"),
        (["model.dropuot=interval(0,0.5)"], "Did you mean 'model.dropout'?"),
        (["modle=mlp,cnn1d"], "modle"),
        (["model=mlp,cnn3d"], "With model=cnn3d: model=cnn3d is not a choice"),
        (["model=mlp,cnn2d", "model.hidden=[16],[32]"], "With model=cnn2d"),
        (["model.dropout=interval(0,1.5)"], "With model.dropout=1.5"),
        (["batch_size=interval(8,64)"], "int(interval(8,64))"),
        (["model.dropout=0.1,0.2", "model.dropout=0.3,0.4"], "searched twice"),
        (["model.dropout=0.1,0.2", "tune.trials=0"], "tune.trials=0 must be a whole number"),
        (["model.dropout=0.1,0.2", "tune.trials=many"], "tune.trials=many must be a whole number"),
        (["model.dropout=0.1,0.2", "tune.trails=3"], "Did you mean 'tune.trials'?"),
        (["model.dropout=0.1,0.2", "tune.sampler=tpee"], "Did you mean 'tpe'?"),
        (["model.dropout=0.1,0.2", "tune.pruner=medain"], "Did you mean 'median'?"),
        (["model.dropout=0.1,0.2", "tune.metric=test/uar"], "would choose settings by the test part"),
        (["model.dropout=0.1,0.2", "tune.seeds=0,1"], "tune.seeds=[0,1]"),
        (["model.dropout=0.1,0.2", "tune.seeds=[0,1]", "seed=1"], "leave one of them out"),
        (["model.dropout=0.1,0.2", "tune.folds=all"], "has no folds"),
        (["model.dropout=0.1,0.2", "split.val=0", "checkpoint=last"], "no validation part"),
        (["monitor=val/uar,val/wa"], "cannot be searched"),
        (["model.dropout=0.1,0.2", "run.resume=runs/x"], "Leave out run.resume"),
        (["model.dropout=0.1,0.2", "run.rerun=true"], "Leave out run.rerun=true"),
        (["model.dropout=0.1,0.2", "hydra/launcher=joblib"], "Leave out hydra/launcher=joblib"),
        (["-m", "model.dropout=0.1,0.2"], "leave out -m"),
        (["--config-dir", "nowhere", "model.dropout=0.1,0.2"], "there is no such folder"),
        (["model.dropout=0.1,0.2", "tune.storage=postgresql://me:hush-hush@127.0.0.1:1/x"], "server running"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_trial(ser, fixed, in_tmp, trained, words, said):
    code, out, err = ser("tune", *fixed, *words)
    assert code == 2 and said in err, err
    assert "Traceback" not in err and not trained and "hush" not in err + out
    assert not (in_tmp / "runs").exists()


def test_a_space_of_nothing_lists_and_words():
    """As YAML has them."""
    space = {"ema": [None, 0.9], "model": ["mlp", "cnn1d"], "augmentation.waveform.0.rate": [[0.9, 1.1], [0.8, 1.2]]}
    assert _listed({**space, "optimizer.lr": "interval(1e-4,1e-2)"}) == [
        "ema=null,0.9", "model=mlp,cnn1d", "augmentation.waveform.0.rate=[0.9,1.1],[0.8,1.2]",
        "optimizer.lr=interval(1e-4,1e-2)",
    ]  # fmt: skip


def test_dry_run_and_help_write_nothing(ser, fixed, in_tmp):
    code, out, _ = ser("tune", *fixed, *SPACE, "run.dry_run=true")
    assert code == 0 and "optimizer.lr   0.0001 to 0.1, logarithmic" in out
    code, out, _ = ser("tune", "--help")
    assert code == 0 and "tune.storage" in out and "trials: 50" in out
    code, out, _ = ser("tune", *fixed, *SPACE, "--cfg", "job", "tune.trials=7")
    assert code == 0 and "trials: 7" in out and "max_epochs: 2" in out
    assert list(in_tmp.iterdir()) == []


def started(words: list[str], folder: Path) -> subprocess.Popen:
    return subprocess.Popen([*SER, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def until(process: subprocess.Popen, runs: Path, finished: int) -> None:
    """Waits until so many runs are finished and one more has begun."""
    deadline = time.monotonic() + 400
    while len(list(runs.glob("*/finished.json"))) < finished or len(list(runs.glob("*"))) <= finished:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.02)


def check_whole(folder: Path, wanted: int) -> None:
    """Exactly so many trials are done, each with a run of its own that is finished or pruned."""
    assert states(folder)["complete"] + states(folder)["pruned"] == wanted == len(rows(folder))
    names = [row["runs"] for row in rows(folder)]
    assert len(set(names)) == wanted
    assert {path.name for path in (folder / "runs").iterdir()} == set(names)


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["null", "sqlite:///study.db"])
def test_killed_in_the_middle_and_continued_by_two_workers(ser, fixed, in_tmp, storage):
    """kill -9 of the only process; what it had in work is continued and counted once."""
    fixed = [*fixed, f"tune.storage={storage}"]
    search = ["tune", *fixed, *SPACE, "tune.trials=5", "tune.startup_trials=3", "run.dir=runs", "tune.dead_after_s=10"]
    process = started(search, in_tmp)
    until(process, in_tmp / "runs", finished=1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    code, out, err = ser(*search, "tune.workers=2")
    assert code == 0, err
    assert "Continuing: " in out
    check_whole(in_tmp, 5)


@pytest.mark.slow
def test_parents_and_workers_killed_at_random_moments(fixed, in_tmp):
    """Parent killed twice (its workers end by themselves), a worker killed once, then to the end: exactly 12."""
    search = ["tune", *fixed, *SPACE, "tune.trials=12", "tune.workers=2", "tune.pruner=none", "tune.dead_after_s=10"]
    for finished in (1, 3):
        process = started(search, in_tmp)
        until(process, in_tmp / "runs", finished)
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = started(search, in_tmp)
    until(process, in_tmp / "runs", 6)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
            break
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err  # the other worker did the rest
    check_whole(in_tmp, 12)


@pytest.mark.slow
def test_two_commands_at_once_share_one_search(fixed, in_tmp):
    search = ["tune", *fixed, *SPACE, "tune.trials=12", "tune.startup_trials=5"]
    both = [started(search, in_tmp) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    check_whole(in_tmp, 12)
