"""TensorBoard, started for real, shows what a run leaves behind."""

import json
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


@pytest.fixture
def board(ser, quick, in_tmp):
    """Two runs with different keys, and TensorBoard on their folder: its address."""
    assert ser(*quick)[0] == 0
    other = [word for word in quick if "hidden" not in word]
    assert ser(*other, "model=cnn2d", "model.width=4", "model.stages=[1]", "frontend=mfcc")[0] == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", "runs", "--port", str(port), "--host", "127.0.0.1",
         "--load_fast=false"],
        cwd=in_tmp, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(timeout=20)


@pytest.mark.slow
def test_hparams_page_opens_in_a_browser(board, tmp_path):
    """Headless Chromium draws the HParams page: no blank picture, no error on the page."""
    if (browser := shutil.which("chromium")) is None:
        pytest.skip("chromium is not installed")
    wait_for_runs(board, 2)
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


def ask(address: str, path: str, body: dict | None = None, seconds: float = 60):
    """The answer to a GET, or to a POST of `body`; waits until the server is up and has read the runs."""
    data = None if body is None else json.dumps(body).encode()
    end = time.monotonic() + seconds
    while True:
        try:
            request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                found = json.load(answer)
            if found:
                return found
        except (urllib.error.URLError, ConnectionError):
            pass
        assert time.monotonic() < end, f"no answer from {path}"
        time.sleep(0.3)


def wait_for_runs(address: str, count: int) -> list[str]:
    end = time.monotonic() + 60
    while len(runs := ask(address, "/data/runs")) < count:
        assert time.monotonic() < end
        time.sleep(0.3)
    return runs


def test_hparams_table_has_both_runs_with_their_own_keys_and_metrics(board, in_tmp):
    runs = wait_for_runs(board, 2)
    path = "/data/plugin/hparams"
    experiment = ask(board, f"{path}/experiment", {"experimentName": "", "hparamsLimit": 1000})
    keys = {info["name"] for info in experiment["hparamInfos"]}
    assert {"model", "frontend", "model.hidden", "model.width", "optimizer.lr", "seed"} <= keys
    metrics = [info["name"] for info in experiment["metricInfos"]]
    assert {"final/test/uar", "final/val/uar"} <= {name["tag"] for name in metrics}
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_SUCCESS", "STATUS_UNKNOWN", "STATUS_RUNNING"],
        "colParams": [{"metric": name} for name in metrics],
        "startIndex": 0,
        "sliceSize": 100,
    }
    groups = ask(board, f"{path}/session_groups", body)["sessionGroups"]
    assert len(groups) == 2
    shown = {}
    for group in groups:
        values = {value["name"]["tag"]: value["value"] for value in group["metricValues"]}
        shown[group["sessions"][0]["name"]] = values["final/test/uar"]
    for run in runs:
        written = json.loads((in_tmp / "runs" / run / "metrics.json").read_text())["test/uar"]
        assert shown[run] == pytest.approx(written, abs=1e-6)


def test_curves_confusion_matrix_and_config_are_there(board):
    (first, _) = sorted(wait_for_runs(board, 2))
    scalars = ask(board, "/data/plugin/scalars/tags")
    assert {"train/loss", "val/uar", "val/loss", "train/learning_rate", "test/uar"} <= set(scalars[first])
    points = ask(board, f"/data/plugin/scalars/scalars?run={first}&tag=val%2Fuar")
    assert [step for _, step, _ in points] == [0, 1]
    assert "confusion_matrix" in ask(board, "/data/plugin/images/tags")[first]
    assert any("config" in tag for tag in ask(board, "/data/plugin/text/tags")[first])
