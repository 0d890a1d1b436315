"""Metrics that a config adds, all the way: logged, in metrics.json, chosen by, compared, found again."""

import json
import re

import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ser.commands.composing import Composer
from ser.runs.directory import load_config
from ser.runs.identity import identity
from ser.training.augment import without_augmentation
from tests.conftest import only_run

KAPPA = "+metrics.kappa._target_=torchmetrics.classification.MulticlassCohenKappa"
OWN = '''
import torch
from torchmetrics import Metric


class Error(Metric):
    """Share of wrong predictions; not defined the second time that it is computed, in the first epoch."""

    higher_is_better = False

    def __init__(self, factor: float = 1.0):
        super().__init__()
        self.add_state("wrong", torch.tensor(0.0))
        self.factor, self.times = factor, 0

    def update(self, probabilities, labels):
        self.wrong = self.factor * (probabilities.argmax(dim=1) != labels).double().mean()

    def compute(self):
        self.times += 1
        return self.wrong if self.times != 2 else torch.tensor(float("nan"))
'''


@pytest.fixture
def own_metric(in_tmp, monkeypatch):
    (in_tmp / "own_metrics.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(in_tmp))
    return ["run.trust=[own_metrics]", "+metrics.error._target_=own_metrics.Error"]


def test_added_metrics_are_everywhere_that_uar_is(ser, quick, in_tmp, own_metric):
    command = [*quick, *own_metric, KAPPA, "metrics=[mcc]", "monitor=val/error", "early_stopping.patience=9"]
    command += ["trainer.max_epochs=4", "scheduler=plateau", "scheduler.monitor=val/error", "optimizer.lr=0.01"]
    code, out, err = ser(*command)
    assert code == 0, err
    run = only_run(in_tmp)
    metrics = json.loads((run / "metrics.json").read_text())
    table = pd.read_csv(run / "predictions.csv")
    assert metrics["test/kappa"] == pytest.approx(cohen_kappa_score(table["true"], table["predicted"]), abs=1e-6)
    assert {"val/mcc", "val/kappa", "test/mcc", "val/error"} <= metrics.keys()
    assert metrics["test/error"] == pytest.approx(1 - metrics["test/wa"])
    errors = [float(value) for value in re.findall(r"val/error (\S+)", (run / "train.log").read_text())]
    assert len(errors) == 4 and errors[0] != errors[0], "no number is no end of training"
    assert metrics["best_epoch"] == errors.index(min(errors[1:])), "the class says that less is better"
    assert metrics["val/error"] == pytest.approx(min(errors[1:]), abs=1e-4) and "kappa" in out
    events = EventAccumulator(str(run)).Reload()
    assert len(events.Scalars("val/kappa")) == 4 and "final/test/kappa" in events.Tags()["scalars"]
    code, again, err = ser(*command)
    assert "Already trained" in again and "kappa" in again, err
    code, compared, err = ser("compare", "runs", "--sort", "val/error", "--format", "csv")
    assert code == 0 and "test/kappa" in compared and "test/mcc" in compared, err
    assert without_augmentation(load_config(run))["metrics"] == {}, "who looks at a run that ended builds none"


def test_metrics_belong_to_the_identity_and_none_is_the_same_as_before():
    choices = ["metrics=null", "metrics=kappa", "metrics=[kappa]", "metrics=mcc"]
    plain, *configs = (Composer("train", tuple(words))() for words in ([], *([word] for word in choices)))
    assert "metrics" not in plain
    none, kappa, listed, mcc = (identity(config, {}, 1) for config in configs)
    assert none == identity(plain, {}, 1) and kappa == listed and len({none, kappa, mcc}) == 3


def test_a_search_goes_the_metrics_own_way(ser, quick, in_tmp):
    words = ["tune", *quick[1:], "run.dry_run=true", "metrics=calibration_error", "model.dropout=0,0.5"]
    code, out, err = ser(*words, "tune.metric=val/calibration_error")
    assert code == 0 and "Search for the lowest val/calibration_error" in out, err
    code, _, err = ser(*words, "tune.metric=val/calibration_eror")
    assert code == 2 and "Did you mean 'val/calibration_error'?" in err
