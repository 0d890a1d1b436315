"""Configs of runs that were written before a setting was there, or when it stood at another place."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from ser.runs.defaults import with_defaults
from ser.runs.directory import RunDirectory, load_config
from ser.runs.identity import identity

IN_RUN = (
    "resume", "rerun", "dry_run", "name", "progress", "report", "threads", "cuda_graphs", "keep_features", "trust",
)  # fmt: skip


def older(config: dict) -> dict:
    """The config as it was written when all settings of a run stood at its top."""
    run, sweep = dict(config["run"]), dict(config["sweep"])
    rest = {key: value for key, value in config.items() if key not in ("run", "sweep")}
    at_the_top = {"runs_dir": run["dir"], "jobs_per_gpu": sweep.pop("jobs_per_gpu"), "sweep": sweep}
    return {**rest, **{key: run[key] for key in IN_RUN}, **at_the_top}


@pytest.fixture
def found(trained, tmp_path) -> Path:
    """A finished run whose config and checkpoints were written before there was a node `run`."""
    run = shutil.copytree(trained, tmp_path / "runs" / trained.name)
    (run / "config.yaml").write_text(yaml.safe_dump(older(load_config(run))), encoding="utf-8")
    for path in (run / "checkpoints").glob("*.ckpt"):
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["ser"]["config"] = older(checkpoint["ser"]["config"])
        torch.save(checkpoint, path)
    return run


def test_settings_at_the_top_move_into_their_nodes(trained):
    config = load_config(trained)
    config["run"] |= {"name": "mine", "dir": "elsewhere", "threads": 3, "trust": ["my_parts"]}
    config["sweep"] |= {"skip": "seed>3", "jobs_per_gpu": 2}
    before = json.dumps(older(config))
    assert with_defaults(older(config)) == config and json.dumps(older(config)) == before
    assert with_defaults(config) == config
    bare = {key: value for key, value in config.items() if key not in ("run", "sweep")}
    assert identity(config, {}, 1) == identity(bare, {}, 1), "neither node belongs to what the run is"


def test_where_there_is_a_node_nothing_moves():
    """A key at the top is another setting then, which an interpolation reads."""
    filled = with_defaults({"seed": 0, "threads": 4, "run": {"name": "mine"}, "sweep": None})
    assert filled["threads"] == 4 and filled["run"]["threads"] is None and filled["run"]["name"] == "mine"
    assert filled["sweep"] == {"skip": None, "bad": "stop", "jobs_per_gpu": 1}


def test_every_command_reads_a_run_of_before(ser, found, tiny_ravdess):
    assert found.name in ser("runs", str(found.parent), "--format", "csv")[1]
    assert ser("compare", str(found.parent))[0] == 0
    recording = str(next(tiny_ravdess.rglob("*.wav")))
    answers = [ser("predict", str(place), recording) for place in (found, found / "checkpoints" / "best.ckpt")]
    assert [code for code, *_ in answers] == [0, 0] and answers[0][1] == answers[1][1]
    code, _, err = ser("evaluate", f"run={found}")
    assert code == 0, err


def test_a_run_of_before_goes_on(ser, found):
    known = RunDirectory(found, "").recorded_identity()
    figures = json.loads((found / "metrics.json").read_text())
    for name in ("finished.json", "metrics.json", "predictions.csv"):
        (found / name).unlink()
    code, out, err = ser("train", f"run.resume={found}", "run.report=false")
    assert code == 0 and "Continuing from" in out, err
    assert json.loads((found / "metrics.json").read_text()) | {"seconds": 0} == figures | {"seconds": 0}
    assert RunDirectory(found, "").recorded_identity() == known and list(found.parent.iterdir()) == [found]
    assert yaml.safe_load((found / "config.yaml").read_text())["run"]["name"] is None
