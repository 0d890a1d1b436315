"""TensorBoard, started for real, shows what runs leave behind: in the folder of runs, and in a sweep's of links."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import matplotlib.image
import numpy as np
import pytest

from ser.errors import Interrupted

pytestmark = pytest.mark.slow  # TensorBoard is started, and five runs are trained for it
HPARAMS = "/data/plugin/hparams"
KINDS = {  # what is trained beside the shortest run, by the name it is given
    "shallow": [],
    "wide": ["model.hidden=[32]", "optimizer=sgd", "ema=0.9"],
    "image": ["model=cnn2d", "model.width=4", "model.stages=[1]", "frontend=mfcc"],
    "broken": ["seed=1"],
    "stopped": ["seed=2"],
}
FINISHED = ("image", "shallow", "wide")


def _train(quick, monkeypatch, name, overrides):
    """One run; `broken` fails and `stopped` is stopped when all epochs are done and test would be scored."""
    from ser.cli import main

    def crash(*_):
        raise RuntimeError("broken") if name == "broken" else Interrupted(2)

    words = [word for word in quick if "hidden" not in word or name != "image"]
    with monkeypatch.context() as patch:
        if name in ("broken", "stopped"):
            patch.setattr("ser.training.train.score", crash)
        try:
            assert main([*words, *overrides, f"run.name={name}"]) == (130 if name == "stopped" else 0)
        except RuntimeError:
            assert name == "broken"


@pytest.fixture(scope="module")
def folder(tiny_ravdess, tmp_path_factory):
    """`runs/` with three finished runs of different keys, a failed and an interrupted one; a sweep of links to all."""
    folder = tmp_path_factory.mktemp("board")
    quick = [
        "train", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "model=mlp", "model.hidden=[16]", "trainer=cpu",
        "trainer.max_epochs=2", "split=random", "run.report=false",
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, overrides in KINDS.items():
            _train(quick, patch, name, overrides)
    sweep = folder / "sweeps" / "grid-0123456789"
    sweep.mkdir(parents=True)
    (sweep / "sweep.json").write_text("{}")
    for run in (folder / "runs").iterdir():
        (sweep / run.name).symlink_to(os.path.relpath(run, sweep))
    return folder


@pytest.fixture(scope="module", params=["runs", "sweeps/grid-0123456789"])
def board(request, folder):
    """TensorBoard as it is started by hand: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", request.param, "--port", str(port), "--host",
         "127.0.0.1", *(["--load_fast=false"] if request.param == "runs" else [])],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: len(ask(address, "/data/runs")) == len(KINDS))
        wait_until(lambda: len(sessions(address)) == len(FINISHED))
        yield address
    finally:
        server.kill()
        server.wait()


def wait_until(holds, seconds=90):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "TensorBoard did not get so far"
        time.sleep(0.3)


def ask(address: str, path: str, body: dict | None = None, seconds: float = 90):
    """The answer to a GET, or to a POST of `body`; waits until the server is up and has read the runs."""
    data = None if body is None else json.dumps(body).encode()
    end = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                found = json.load(answer)
            if found:
                return found
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        assert time.monotonic() < end, f"no answer from {path}"
        time.sleep(0.3)


def experiment(address):
    return ask(address, f"{HPARAMS}/experiment", {"experimentName": "", "hparamsLimit": 1000})


def sessions(address) -> dict[str, dict]:
    """The rows of the HParams table by run name: settings and metrics."""
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_SUCCESS", "STATUS_UNKNOWN", "STATUS_RUNNING", "STATUS_FAILURE"],
        "colParams": [{"metric": info["name"]} for info in experiment(address).get("metricInfos", [])],
        "startIndex": 0,
        "sliceSize": 100,
    }
    found = ask(address, f"{HPARAMS}/session_groups", body).get("sessionGroups", [])
    return {
        group["sessions"][0]["name"]: {
            "settings": group["hparams"],
            "metrics": {value["name"]["tag"]: value["value"] for value in group["metricValues"]},
        }
        for group in found
    }


def written(folder, run):
    return json.loads((folder / "runs" / run / "metrics.json").read_text())


def named(runs, kind):
    (run,) = [run for run in runs if run.startswith(f"{kind}-")]
    return run


def test_runs_have_readable_names(board, folder):
    runs = ask(board, "/data/runs")
    assert sorted(runs) == sorted(run.name for run in (folder / "runs").iterdir())
    assert named(runs, "image").startswith("image-mfcc-cnn2d-random-s0-")


def test_the_table_has_every_key_that_any_run_has(board):
    keys = {info["name"] for info in experiment(board)["hparamInfos"]}
    wanted = {"model", "frontend", "model.hidden", "model.width", "model.stages", "optimizer.lr", "optimizer.momentum",
              "frontend.n_mfcc", "ema", "seed", "batch_size", "split", "protocol"}  # fmt: skip
    assert wanted <= keys, wanted - keys
    assert not {"run.dir", "run.threads", "run.name", "dataset.root", "model._target_"} & keys


def test_the_columns_that_are_shown_first_are_the_final_figures(board):
    shown = [info["name"]["tag"] for info in experiment(board)["metricInfos"]][:8]
    assert {"final/test/uar", "final/test/wa", "final/val/uar"} <= set(shown)
    assert all(tag.startswith("final/") for tag in shown)


def test_each_finished_run_has_a_row_with_its_final_figures(board, folder):
    rows = sessions(board)
    assert sorted(run.split("-")[0] for run in rows) == sorted(FINISHED)
    for run, row in rows.items():
        metrics = written(folder, run)
        for name in ("val/uar", "val/loss", "test/uar", "test/wa", "test/f1_macro", "test/loss"):
            assert row["metrics"][f"final/{name}"] == pytest.approx(metrics[name], abs=1e-6), (run, name)
        assert row["metrics"]["test/uar"] == pytest.approx(metrics["test/uar"], abs=1e-6)
        assert "speakers" in row["settings"]["protocol"] or "speaker" in row["settings"]["protocol"]
    wide = rows[named(rows, "wide")]["settings"]
    assert (wide["model"], wide["model.hidden"], wide["optimizer"], wide["ema"]) == ("mlp", "[32]", "sgd", 0.9)
    assert rows[named(rows, "image")]["settings"]["model.width"] == 4


def test_what_did_not_finish_shows_its_curves_and_no_result(board):
    scalars = ask(board, "/data/plugin/scalars/tags")
    for kind in ("broken", "stopped"):
        tags = set(scalars[named(scalars, kind)])
        assert {"train/loss", "val/uar"} <= tags
        assert not [tag for tag in tags if tag.startswith(("test/", "final/"))]
        assert named(scalars, kind) not in sessions(board)


def test_curves_do_not_collide(board):
    """Each run has its own points, an epoch each, and the same tags mean the same."""
    scalars = ask(board, "/data/plugin/scalars/tags")
    values = {}
    for run, tags in scalars.items():
        assert {"train/loss", "val/uar", "val/loss", "train/learning_rate"} <= set(tags)
        for tag in ("train/loss", "val/uar"):
            points = ask(board, f"/data/plugin/scalars/scalars?run={run}&tag={tag.replace('/', '%2F')}")
            assert [step for _, step, _ in points] == [0, 1]
            values[run, tag] = tuple(value for _, _, value in points)
    losses = [value for (_, tag), value in values.items() if tag == "train/loss"]
    assert len(set(losses)) == len(losses), "no run shows another's curve"
    once = ask(board, f"/data/plugin/scalars/scalars?run={named(scalars, 'wide')}&tag=final%2Ftest%2Fuar")
    assert len(once) == 1


def test_confusion_matrices_and_configs_are_there(board):
    images, texts = ask(board, "/data/plugin/images/tags"), ask(board, "/data/plugin/text/tags")
    for kind in FINISHED:
        assert "confusion_matrix" in images[named(images, kind)]
        assert any("config" in tag for tag in texts[named(texts, kind)])
    run = named(images, "wide")
    (picture,) = ask(board, f"/data/plugin/images/images?run={run}&tag=confusion_matrix&sample=0")
    with urllib.request.urlopen(f"{board}/data/plugin/images/individualImage?{picture['query']}", timeout=60) as answer:
        assert answer.read()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_continued_run_shows_each_point_once(folder, tmp_path, tiny_ravdess, monkeypatch):
    """What failed before test was scored, trained on; and what is trained again."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from ser.cli import main
    from ser.reports.events import curves_of

    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder / "runs", tmp_path / "runs")
    (run,) = (tmp_path / "runs").glob("broken-*")
    assert main(["train", f"run.resume={run}"]) == 0
    assert [step for step, _ in curves_of(run)["val/uar"]] == [0, 1]
    for file in (run / "checkpoints").glob("*.ckpt"):  # removed: it begins again
        file.unlink()
    (run / "finished.json").unlink()
    assert main(["train", f"run.resume={run}"]) == 0
    assert [step for step, _ in curves_of(run)["val/uar"]] == [0, 1]
    events = EventAccumulator(str(run)).Reload()
    assert len(events.Scalars("final/test/uar")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("board", ["runs"], indirect=True)  # that of a sweep differs in links only
def test_hparams_page_opens_in_a_browser(board, tmp_path):
    """Headless Chromium draws the HParams page: no blank picture."""
    if (browser := shutil.which("chromium")) is None:
        pytest.skip("chromium is not installed")
    picture = tmp_path / "hparams.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    subprocess.run(
        [browser, *flags, "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         "--window-size=1400,900", "--virtual-time-budget=20000", f"--screenshot={picture}", f"{board}/#hparams"],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    pixels = matplotlib.image.imread(picture)
    assert pixels.shape[:2] == (900, 1400)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50, "a blank page has few colours"
