"""`checkpoint=refit`: validation chooses the number of epochs, then all but test is trained on."""

import csv
import json
import math
import subprocess
from types import SimpleNamespace

import pytest

from ser.training.callbacks.checkpoints import Checkpoints
from ser.training.refit import Chosen, read_chosen
from tests.conftest import SER, only_run
from tests.training.test_train import metrics_of, without_seconds

REFIT = ("checkpoint=refit", "trainer.max_epochs=4", "optimizer.lr=0.01")


def test_validation_chooses_and_is_trained_on(ser, quick, in_tmp):
    ser(*quick, "trainer.max_epochs=4", "optimizer.lr=0.01", "hydra.run.dir=plain")
    plain = json.loads((in_tmp / "plain" / "metrics.json").read_text())
    code, out, err = ser(*quick, *REFIT)
    assert code == 0, err
    metrics = metrics_of(in_tmp)
    assert metrics["val/uar"] == plain["val/uar"], "of the training that chose"
    assert metrics["epochs"] == plain["best_epoch"] + 1 and metrics["best_epoch"] == plain["best_epoch"]
    assert metrics["num_train"] == plain["num_train"] + plain["num_val"] and metrics["num_val"] == 0
    assert metrics["num_test"] == plain["num_test"]
    assert "val (first training)" in out
    assert f"{metrics['epochs']} epochs chosen on validation, then trained on it too" in " ".join(out.split())
    run = only_run(in_tmp)
    assert "trained on it too" in json.loads((run / "run.json").read_text())["protocol"]
    assert sorted(file.name for file in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert not (run / "predictions_val.csv").exists()
    code, out, _ = ser("train", f"run.resume={run}")
    assert code == 0 and "Already trained" in out


class Killed(Exception):
    pass


@pytest.mark.parametrize("saves_before", [2, 5])  # while it chooses, and while it trains anew
def test_interrupted_it_goes_on_where_it_was(ser, quick, in_tmp, monkeypatch, saves_before):
    ser(*quick, *REFIT, "hydra.run.dir=whole")
    original, saves = Checkpoints.on_train_epoch_end, []

    def killed(self, *args):
        if len(saves) == saves_before:
            raise Killed
        self.every_s = 0
        original(self, *args)
        saves.append(1)

    monkeypatch.setattr(Checkpoints, "on_train_epoch_end", killed)
    with pytest.raises(Killed):
        ser(*quick, *REFIT)
    monkeypatch.setattr(Checkpoints, "on_train_epoch_end", original)
    run = only_run(in_tmp)
    assert (run / "chosen.json").exists() == (saves_before > 4)
    code, out, err = ser("train", f"run.resume={run}")
    assert code == 0 and "Continuing from" in out, err
    whole = json.loads((in_tmp / "whole" / "metrics.json").read_text())
    assert without_seconds(metrics_of(in_tmp)) == without_seconds(whole)


@pytest.mark.slow
def test_curves_are_those_of_the_training_that_chose(ser, quick, in_tmp):
    ser(*quick, *REFIT, "logger=[csv]")
    with (only_run(in_tmp) / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3] and all(row["val/uar"] for row in rows)


def test_a_score_that_is_not_defined_is_not_kept(tmp_path):
    """Such as a correlation over one speaker's one age; JSON has no word for it."""
    checkpoints = SimpleNamespace(
        best_scores={"val/ccc": 0.5, "val/pearson": math.nan, "train/loss": 1.0}, best_epoch=3, seconds=lambda: 1.5
    )
    Chosen.of(checkpoints).write(tmp_path)
    assert read_chosen(tmp_path) == Chosen(4, {"val/ccc": 0.5}, 1.5)


def test_a_damaged_choice_says_what_to_do(ser, quick, in_tmp):
    ser(*quick, *REFIT)
    run = only_run(in_tmp)
    (run / "finished.json").unlink()
    (run / "chosen.json").write_text('{"epochs": "many"}')
    code, _, err = ser("train", f"run.resume={run}")
    assert code == 2 and "chosen.json is damaged: remove it" in err


@pytest.mark.slow
def test_two_ranks_choose_and_train_anew_together(quick, in_tmp):
    command = [*SER, *quick, *REFIT, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    command += ["loss.auxiliary={gender: 0.2}", "evaluation.views={speeds: [1, 0.9]}"]
    done = subprocess.run(command, cwd=in_tmp, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = metrics_of(in_tmp)
    assert metrics["num_val"] == 0 and metrics["num_views"] == 2
    assert metrics["epochs"] == json.loads((only_run(in_tmp) / "chosen.json").read_text())["epochs"]
