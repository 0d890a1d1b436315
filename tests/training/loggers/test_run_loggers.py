"""Loggers through the command line: several at once, of the user's own, outside a run's identity, always closed."""

import json
import os
import re
import shlex
import sys
import threading
from pathlib import Path

import pytest
import yaml

from ser.errors import Interrupted
from ser.reports.events import curves_of
from tests.conftest import only_run

RECORDER = '''
import pytorch_lightning.loggers

class Recorder(pytorch_lightning.loggers.Logger):
    """Records its calls; fails for epochs in `lost`."""
    calls = []
    name, version = "recorder", None

    def __init__(self, about=None, version=None, lost=(), refuses=False):
        self.version, self.lost, self.refuses = version or "first", list(lost), refuses
        self.calls.append(("about", about, version))

    def log_hyperparams(self, params):
        if self.refuses:
            raise ConnectionError("nobody is at home.")
        self.calls.append(("hparams", dict(params)))

    def log_metrics(self, metrics, step=None):
        if step in self.lost:
            self.lost.remove(step)
            raise ConnectionError("the line is dead.")
        self.calls.append((step, dict(metrics)))

    def finalize(self, status):
        self.calls.append(("end", status))

class NoLogger:
    pass
'''


@pytest.fixture
def own(in_tmp, monkeypatch):
    """Overrides for a logger of the user's own, and its calls."""
    (in_tmp / "own_loggers.py").write_text(RECORDER)
    monkeypatch.syspath_prepend(in_tmp)
    import own_loggers

    words = [
        "run.trust=[own_loggers]",
        "+logger.mine._target_=own_loggers.Recorder",
        "+logger.mine.version='{version}'",
    ]
    yield words, own_loggers.Recorder.calls
    del sys.modules["own_loggers"]


def kinds(calls):
    return [kind for kind, *_ in calls]


def fails(monkeypatch, error):
    """All epochs are trained, and then it ends so."""

    def fail(*_):
        raise error

    monkeypatch.setattr("ser.training.train.score", fail)


def test_several_at_once_and_the_same_run(ser, quick, in_tmp, own):
    words, calls = own
    about = "+logger.mine.about=['{name}','{identity}','{directory}','{first_epoch}','{protocol}!']"
    code, _, err = ser(*quick, "logger=[tensorboard,csv]", *words, about)
    assert code == 0, err
    run = only_run(in_tmp)
    metrics = json.loads((run / "metrics.json").read_text())
    recorded = json.loads((run / "run.json").read_text())
    assert list(run.glob("events.out.*")) and len((run / "curves.csv").read_text().splitlines()) == 3
    assert kinds(calls) == ["about", "hparams", 0, 1, 2, "end"] and calls[-1] == ("end", "success")
    facts = [run.name, recorded["identity"], str(run), 0, recorded["protocol"] + "!"]
    assert calls[0] == ("about", facts, None)
    assert calls[1][1]["optimizer.lr"] and calls[1][1]["identity"] == recorded["identity"]
    assert {"train/loss", "val/uar", "train/learning_rate"} <= calls[2][1].keys()
    assert calls[4][1]["test/uar"] == metrics["test/uar"] and calls[4][1]["final/val/uar"] == metrics["val/uar"]
    assert "logger" not in yaml.safe_load((run / "config.yaml").read_text()), (
        "addresses and keys stay out of a run's files"
    )
    assert "Already trained" in ser(*quick)[1], "loggers are no part of the run"
    assert "Already trained" in ser(*quick, "logger=csv")[1]


def test_no_loggers_at_all(ser, quick, in_tmp):
    assert ser(*quick, "logger=[]")[0] == 0
    for words in ("logger=none", "logger=null", "~logger"):
        assert "Already trained" in ser(*quick, words)[1]
    run = only_run(in_tmp)
    assert (run / "metrics.json").is_file() and curves_of(run) == {}
    assert not list(run.glob("events.out.*")) and not (run / "curves.csv").exists()


@pytest.mark.parametrize("error", [RuntimeError("broken"), Interrupted(2)])
def test_closed_however_a_run_ends_and_continued(ser, quick, in_tmp, own, monkeypatch, error):
    words, calls = own
    with monkeypatch.context() as patch:
        fails(patch, error)
        if isinstance(error, Interrupted):
            code, out, _ = ser(*quick, "logger=csv", *words)
            command = out[out.index("ser train run.resume=") :]
            assert code == 130 and shlex.split(command)[3:] == ["logger=csv", *words], "who sends where stands in it"
        else:
            with pytest.raises(type(error)):
                ser(*quick, "logger=csv", *words)
    assert kinds(calls) == ["about", "hparams", 0, 1, "end"] and calls[-1] == ("end", "failed")
    calls.clear()
    assert ser("train", f"run.resume={only_run(in_tmp)}", "logger=csv", *words)[0] == 0
    assert calls[0] == ("about", None, "first") and kinds(calls) == ["about", 2, "end"], "it goes on in the same"
    assert [epoch for epoch, _ in curves_of(only_run(in_tmp))["val/uar"]] == [0, 1]


def test_a_run_found_somewhere_chooses_no_logger(ser, quick, in_tmp, own, monkeypatch):
    """Its config may name an address to send to; the command line alone says where to log."""
    words, calls = own
    with monkeypatch.context() as patch:
        fails(patch, Interrupted(2))
        ser(*quick)
    run = only_run(in_tmp)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["logger"] = {"theirs": {"_target_": "own_loggers.Recorder"}}
    config["run"]["trust"] = ["own_loggers"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert ser("train", f"run.resume={run}")[0] == 0
    assert calls == []


@pytest.mark.slow
def test_a_server_that_goes_away_costs_no_training(ser, quick, own, in_tmp):
    words, calls = own
    code, out, _ = ser(*quick, *words, "+logger.mine.lost=[1]")
    assert code == 0 and "Note: logger=mine: the line is dead. The run goes on, and sending is tried again." in out
    assert kinds(calls) == ["about", "hparams", 0, 1, 2, "end"], "sent later"
    assert "logger=mine: the line is dead" in (only_run(in_tmp) / "train.log").read_text()
    calls.clear()
    code, out, _ = ser(*quick, *words, "+logger.mine.lost=[2,2,2]", "seed=1")
    assert code == 0 and "Note: logger=mine: 1 of this run's points could not be sent." in out
    assert kinds(calls) == ["about", "hparams", 0, 1, "end"]


def test_one_that_cannot_begin_stops_the_run_at_its_start(ser, quick, own, in_tmp):
    words, calls = own
    code, _, err = ser(*quick, "logger=csv", *words, "+logger.mine.refuses=true")
    assert code == 2 and "Error: logger=mine cannot begin: nobody is at home. Fix it, or choose" in err
    assert kinds(calls) == ["about", "end"] and "Traceback" not in err
    assert not (only_run(in_tmp) / "curves.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["logger=tensorbord"], "logger=tensorbord is not a choice. Did you mean 'tensorboard'?"),
        (["logger=[csv,tensorbord]"], "logger=[tensorbord] is not a choice. Did you mean 'tensorboard'?"),
        (["logger=csv", "+logger.csv.foldr=x"], "logger.csv has no setting 'foldr'. Did you mean 'folder'?"),
        (
            ["logger=mlflow", "+logger.mlflow.run_nam=x"],
            "logger.mlflow has no setting 'run_nam'. Did you mean 'run_name'?",
        ),
        (["logger=wandb", "+logger.wandb.grup=x"], "logger.wandb has no setting 'grup'. Did you mean 'group'?"),
        (["+logger.mine._target_=os.system"], "logger.mine._target_=os.system lies outside the trusted packages"),
        (["+logger.mine.version=1"], "'logger.mine' names no _target_"),
        (
            ["+logger.mine._target_=own_loggers.NoLogger", "run.trust=own_loggers"],
            "is not a pytorch_lightning.loggers.Logger",
        ),
        (["+model.logger._target_=ser.reports.curves_csv.CurvesCsv"], "lies outside the trusted packages"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(ser, quick, own, words, message):
    code, _, err = ser(*quick, *words)
    assert code == 2 and message in err and len(err.splitlines()) == 1, err


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_named_with_its_extra(ser, quick, monkeypatch, name):
    monkeypatch.setattr("ser.training.loggers.run_loggers.find_spec", lambda package: None)
    code, _, err = ser(*quick, f"logger={name}")
    assert code == 2 and err == f"Error: logger={name} needs a package: pip install 'ser[{name}]'\n"


def test_an_experiment_keeps_the_settings_of_its_loggers(ser, quick, in_tmp):
    (in_tmp / "conf" / "experiment").mkdir(parents=True)
    (in_tmp / "conf" / "experiment" / "logged.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /logger: [csv, wandb]\nlogger: {wandb: {project: mine}}\n"
    )
    words = [*quick, "--config-dir", str(in_tmp / "conf"), "experiment=logged"]
    code, out, err = ser(*words, "--cfg", "job")
    assert code == 0 and "project: mine" in out, err
    assert "tensorboard" not in str(yaml.safe_load(out)["logger"])
    code, _, err = ser(*words, "logger=[csv]", "run.dry_run=true")
    assert code == 0, f"settings of a logger that is not chosen are no mistake: {err}"


# ---- the real ones -------------------------------------------------------------------------------------------------


def left_behind():
    """Sockets, files of runs and databases that are open, threads, and processes of this process."""
    files = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = {os.readlink(file) for file in files if os.path.islink(file)}
    kept = re.compile(r"^(socket|anon_inode):|/runs/|mlflow")
    return {name for name in names if kept.search(name)}, set(threading.enumerate()), set(children)


def offline_records(folder):
    """What W&B wrote of a run while it was offline, file by file: LevelDB's log format around messages."""
    import struct

    from wandb.proto.wandb_internal_pb2 import Record

    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        data, place, record, found = file.read_bytes(), 7, b"", []
        while place + 7 <= len(data):
            _, size, kind = struct.unpack_from("<IHB", data, place)
            if kind == 0 or 32768 - place % 32768 < 7:  # the rest of a block
                place += 32768 - place % 32768
                continue
            record, place = record + data[place + 7 : place + 7 + size], place + 7 + size
            if kind in (1, 4):  # whole, or its last piece
                found.append(Record.FromString(record))
                record = b""
        yield found


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files as Linux shows them")
def test_wandb_offline_and_mlflow_in_a_database(ser, quick, in_tmp, monkeypatch):
    """Interrupted and continued, beside another run of one grid: one run each there, and nothing stays open."""
    import mlflow

    words = ["logger=[wandb,mlflow]"]
    assert ser(*quick, "seed=5")[0] == 0  # imports what there is to import
    before = left_behind()
    with monkeypatch.context() as patch:
        fails(patch, Interrupted(2))
        code, out, err = ser(*quick, *words)
        assert code == 130 and err == "" and "wandb:" not in out
    code, out, err = ser(*quick, "-m", "seed=0,1", *words)
    assert code == 0 and "wandb:" not in out + err and "mlflow." not in out + err, out + err
    assert left_behind() == before

    client = mlflow.MlflowClient(f"sqlite:///{in_tmp / 'mlflow.db'}")
    (experiment,) = [found for found in client.search_experiments() if found.name == "ser"]
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert len(runs) == 2
    for name, logged in runs.items():
        run = in_tmp / "runs" / name
        metrics = json.loads((run / "metrics.json").read_text())
        recorded = json.loads((run / "run.json").read_text())
        assert logged.info.status == "FINISHED" and logged.data.metrics["test/uar"] == metrics["test/uar"]
        assert logged.data.tags["identity"] == recorded["identity"]
        assert logged.data.tags["protocol"] == recorded["protocol"]
        assert logged.data.params["model"] == "mlp" and "optimizer.lr" in logged.data.params
        curve = client.get_metric_history(logged.info.run_id, "val/uar")
        assert [point.step for point in curve] == [0, 1] and max(point.value for point in curve) == metrics["val/uar"]

        processes = list(offline_records(run))
        assert len(processes) == (2 if "-s0-" in name else 1)
        assert len({record.run.run_id for found in processes for record in found if record.run.run_id}) == 1
        exits = [record.exit.exit_code for found in processes for record in found if record.HasField("exit")]
        assert exits == [1, 0][-len(processes) :]
        points = [
            {("/".join(item.nested_key) or item.key): json.loads(item.value_json) for item in record.history.item}
            for found in processes for record in found if record.HasField("history")
        ]  # fmt: skip
        assert [point["epoch"] for point in points] == [0, 1, 2]
        assert points[2]["test/uar"] == metrics["test/uar"] and "train/loss" in points[0]
