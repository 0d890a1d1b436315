"""Cross-validation: every recording tested once, nothing finished trained again, one pooled result."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from ser.training import train as training


@pytest.fixture
def folds(tiny_ravdess) -> list[str]:
    """Arguments of a cross-validation over six actors that takes seconds."""
    return [
        "dataset=ravdess", f"dataset.root={tiny_ravdess}", "model=mlp", "model.hidden=[16]", "trainer=cpu",
        "trainer.max_epochs=2", "split=speaker_kfold", "split.k=3", "split.val=0.25", "frontend=mfcc",
    ]  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """Seeds the list of folds whose training began."""
    begun, fit = [], training._train

    def counting(job, *arguments):
        begun.append(job.config["split"]["fold"])
        return fit(job, *arguments)

    monkeypatch.setattr(training, "_train", counting)
    return begun


def pooled(folder):
    (found,) = folder.glob("runs/*-crossval-*")
    return found


def test_each_recording_is_tested_once_and_the_figures_are_those_of_the_file(ser, folds, in_tmp, trained):
    code, out, err = ser("crossval", *folds, "metrics=kappa")
    assert code == 0, err
    assert trained == [0, 1, 2]
    folder = pooled(in_tmp)
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["path"] for row in rows}) == 96
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["num_test"] == 96 and metrics["num_folds"] == 3
    true, predicted = ([row[name] for row in rows] for name in ("true", "predicted"))
    assert metrics["test/uar"] == pytest.approx(balanced_accuracy_score(true, predicted), abs=1e-9)
    assert metrics["test/kappa"] == pytest.approx(cohen_kappa_score(true, predicted), abs=1e-6)
    of_folds = [json.loads((run / "metrics.json").read_text()) for run in (in_tmp / "runs").glob("*-speaker_kfold-s0-*")
                if "crossval" not in run.name]  # fmt: skip
    assert len(of_folds) == 3
    assert metrics["test/uar/fold_mean"] == pytest.approx(np.mean([fold["test/uar"] for fold in of_folds]))
    assert metrics["test/kappa/fold_mean"] == pytest.approx(np.mean([fold["test/kappa"] for fold in of_folds]))
    assert {"crossval.json", "evaluation.json", "report.html", "figures"} <= {path.name for path in folder.iterdir()}
    assert "3 folds pooled" in out and "decision tree" in out and str(folder) in out
    assert json.loads((folder / "crossval.json").read_text())["protocol"].startswith("speaker-independent, 3 folds")


@pytest.mark.slow
def test_what_is_finished_is_kept(ser, folds, in_tmp, trained):
    assert ser("train", *folds, "split.fold=1")[0] == 0
    assert ser("crossval", *folds)[0] == 0 and trained == [1, 0, 2]
    before = (pooled(in_tmp) / "predictions.csv").read_text()
    assert ser("crossval", *folds)[0] == 0 and trained == [1, 0, 2]
    assert (pooled(in_tmp) / "predictions.csv").read_text() == before


@pytest.mark.slow
def test_nothing_is_pooled_while_a_fold_is_missing(ser, folds, in_tmp, monkeypatch):
    def fails_once(job, *arguments, _fit=training._train):
        if job.config["split"]["fold"] == 1:
            raise RuntimeError("a crash")
        return _fit(job, *arguments)

    monkeypatch.setattr(training, "_train", fails_once)
    code, _, err = ser("crossval", *folds)
    assert code == 1 and "Not pooled: of 3 folds 1 did not finish" in err
    assert not list(in_tmp.glob("runs/*-crossval-*"))
    monkeypatch.undo()
    monkeypatch.chdir(in_tmp)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["split=random"], "split=random has no folds"),
        (["split=file", "split.file=lists"], "split=file has a single fold to go through, and a"),
        (["split=emobox", "split.speakers=[[1,2,3,4,5,6]]"], "split=emobox has a single fold"),
        (["split.fold=1"], "leave out split.fold"),
        (["seed=0,1"], "takes one configuration, and seed=0,1 is several"),
        (["-m"], "leave out -m"),
        (["run.dry_run=true"], "leave out run.dry_run=true"),
        (["split.k=1"], "split.k"),
        (["modle=mlp"], "modle"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(ser, folds, in_tmp, arguments, said):
    if arguments[0].startswith("split="):
        folds = [word for word in folds if not word.startswith("split")]
    if "split.file=lists" in arguments:  # EmoBox's folder of a corpus, of which one fold was downloaded
        root = Path(next(word for word in folds if word.startswith("dataset.root=")).partition("=")[2])
        (in_tmp / "lists/fold_1").mkdir(parents=True)
        for part, actors in {"train": "1234", "valid": "5", "test": "6"}.items():
            lines = [json.dumps({"wav": path.name}) for path in root.rglob("*.wav") if path.stem[-1] in actors]
            (in_tmp / f"lists/fold_1/ravdess_{part}_fold_1.jsonl").write_text("\n".join(lines))
    code, _, err = ser("crossval", *folds, *arguments)
    assert code == 2 and said in err and "Traceback" not in err
    assert not list(in_tmp.glob("runs/*"))
