"""Ensembles of made-up runs: what is averaged, what is left out, how folds fall into groups, and what the files say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.optimize import minimize_scalar
from sklearn.metrics import balanced_accuracy_score, log_loss

from ser.comparison.load_runs import gather
from ser.comparison.rows import rows_of
from ser.comparison.sections import sections_of
from ser.errors import UserError
from ser.evaluation.predictions import TRAITS, Predictions, read_predictions, write_predictions
from ser.inference.ensemble import make_ensemble
from ser.inference.ensemble_members import by_test_part, find_members
from tests.comparison.made_runs import CLASSES, part_of_fold, write_run

PART = part_of_fold(0)
VAL = part_of_fold(1)


def member(runs: Path, test=PART, val=(), noise: int = 0, **settings) -> Path:
    """A finished run with random probabilities and weights of its own."""
    rng = np.random.default_rng([noise, settings.get("seed", 0), settings.get("split.fold", 0)])
    predictions = {name: probable(part, rng) for name, part in (("test", test), ("val", val)) if len(part)}
    path = write_run(runs, {"split.seed": 0, **settings}, test, predictions["test"].predicted)
    write_predictions(path / "predictions.csv", predictions["test"])
    if len(val):
        write_predictions(path / "predictions_val.csv", predictions["val"])
        metrics = json.loads((path / "metrics.json").read_text()) | {"num_val": len(val)}
        (path / "metrics.json").write_text(json.dumps(metrics))
    torch.save({"state_dict": {"weight": torch.tensor(rng.normal(size=3))}}, path / "checkpoints" / "best.ckpt")
    return path


def probable(part, rng: np.random.Generator) -> Predictions:
    true = np.array([label for *_, label in part])
    logits = rng.normal(0, 1, (len(part), len(CLASSES))) + 2 * np.eye(len(CLASSES))[true]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    keys, speakers = (tuple(row[column] for row in part) for column in (0, 1))
    traits = dict.fromkeys(TRAITS, (None,) * len(part)) | {"corpus": ("ravdess",) * len(part), "speaker": speakers}
    return Predictions(CLASSES, keys, true, logits.argmax(axis=1), shares, traits)


def made(places, folder: Path, **more):
    members, _ = find_members(places)
    (group,) = by_test_part(members)
    return make_ensemble(group, folder, report=False, **more)


def logits_in(runs, name: str = "predictions.csv") -> np.ndarray:
    return np.mean([np.log(read_predictions(run / name).probabilities) for run in runs], axis=0)


def test_test_is_the_mean_of_logits_and_the_temperature_that_of_validation(tmp_path):
    runs = [member(tmp_path, val=VAL, seed=seed) for seed in range(3)]
    ensemble = made(runs, tmp_path)
    path, logits = ensemble.run.path, logits_in(runs)
    predictions = read_predictions(path / "predictions.csv")
    np.testing.assert_allclose(predictions.probabilities, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    metrics = json.loads((path / "metrics.json").read_text())
    assert metrics["test/uar"] == pytest.approx(balanced_accuracy_score(predictions.true, logits.argmax(axis=1)))
    assert (metrics["num_test"], metrics["num_val"]) == (len(PART), len(VAL))
    assert metrics["seconds"] == 6.0 and metrics["num_parameters"] == 9000 and "epochs" not in metrics
    of_val, true = logits_in(runs, "predictions_val.csv"), read_predictions(path / "predictions_val.csv").true
    assert metrics["val/uar"] == pytest.approx(balanced_accuracy_score(true, of_val.argmax(axis=1)))

    def nll(temperature):
        scaled = np.exp(of_val / temperature)
        return log_loss(true, scaled / scaled.sum(axis=1, keepdims=True), labels=range(len(CLASSES)))

    assert metrics["temperature"] == pytest.approx(
        minimize_scalar(nll, bounds=(0.05, 20), method="bounded").x, rel=1e-3
    )
    assert ensemble.notes == () and metrics["test/ece_scaled"] != metrics["test/ece"]
    for file in ("config.yaml", "evaluation.json", "environment.json", "figures/confusion_matrix.png", "finished.json"):
        assert (path / file).is_file(), file


def test_it_holds_copies_of_its_members_and_says_what_they_are(tmp_path):
    runs = [member(tmp_path / "runs", seed=seed) for seed in range(2)]
    path = made(runs, tmp_path / "elsewhere", name="mine").run.path
    assert path.name.startswith("mine-log_mel-mlp-speaker_kfold-ensemble-")
    config = yaml.safe_load((path / "config.yaml").read_text())
    assert config["ensemble"] == "seeds 0, 1" and config["seed"] == 0 and config["choices"]["model"] == "mlp"
    for run, entry in zip(runs, config["members"], strict=True):
        assert (path / entry["run"]).resolve() == run and run.name.endswith(entry["identity"])
        copy = path / "members" / entry["folder"]
        for file in ("config.yaml", "predictions.csv", "checkpoints/best.ckpt", "finished.json"):
            assert (copy / file).read_bytes() == (run / file).read_bytes()


def test_what_any_member_was_trained_on_is_left_out(tmp_path):
    """Two random splits of one corpus: what one tests the other may have trained on, or chosen its epoch on."""
    everything = [row for fold in range(4) for row in part_of_fold(fold)]
    one, two = everything[:30], everything[20:50]
    runs = [member(tmp_path, one, everything[50:70], seed=0), member(tmp_path, two, everything[60:80], seed=1)]
    ensemble = made(runs, tmp_path)
    assert ensemble.fold.test.keys == tuple(key for key, *_ in everything[20:30])
    assert ensemble.fold.val.keys == tuple(key for key, *_ in everything[60:70])
    assert ensemble.notes == (
        "40 recordings left out, which not all of the runs have in their test part",
        "temperature fitted on 10 recordings, which all runs have in their validation part",
    )
    metrics = ensemble.run.directory.metrics()
    assert "temperature" in metrics and "val/uar" not in metrics, "of ten recordings, where others have twenty"


def test_without_common_validation_there_is_no_temperature_and_it_is_said(tmp_path):
    for name, vals in {"none": ((), ()), "one": (VAL, ()), "apart": (VAL, part_of_fold(2))}.items():
        runs = [member(tmp_path / name, val=val, seed=seed) for seed, val in enumerate(vals)]
        ensemble = made(runs, tmp_path / name)
        assert "temperature" not in ensemble.run.directory.metrics() and ensemble.evaluation.temperatures == ()
        assert ensemble.notes == ("no temperature: the runs have no validation recordings in common to fit it on",)
        assert not (ensemble.run.path / "predictions_val.csv").exists()


def test_the_same_runs_are_the_same_ensemble_and_other_weights_another(tmp_path):
    runs = [member(tmp_path, seed=seed) for seed in range(2)]
    first, again = made(runs, tmp_path), made(runs[::-1], tmp_path)
    assert first.is_new and not again.is_new and again.run.path == first.run.path
    (first.run.path / "finished.json").unlink()
    assert made(runs, tmp_path).is_new and first.run.directory.finished, "one that was cut off is made anew"
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, runs[0] / "checkpoints" / "best.ckpt")
    assert made(runs, tmp_path).run.path != first.run.path


def test_several_seeds_of_folds_are_an_ensemble_a_fold(tmp_path):
    for seed in range(2):
        for fold in (2, 0, 3, 1):
            member(tmp_path, part_of_fold(fold), seed=seed, **{"split.fold": fold})
    groups = by_test_part(find_members([tmp_path])[0])
    assert [[it.run.drawn[::2] for it in sorted(group, key=lambda it: it.run.drawn)] for group in groups] == [
        [(0, fold), (1, fold)] for fold in range(4)
    ]
    for group in groups:
        make_ensemble(group, tmp_path, report=False)
    gathered = gather([tmp_path])
    (section,) = sections_of(gathered.runs)
    _, rows, _ = rows_of(gathered.runs, ())
    assert sorted((str(row.cells["ensemble"]), len(row.runs)) for row in rows) == [("None", 8), ("seeds 0, 1", 4)]
    assert section.columns == ("ensemble",) and "fold" not in section.stamp
    members, remarks = find_members([tmp_path])
    assert len(members) == 8 and sum("is an ensemble, and is left out" in remark for remark in remarks) == 4


def test_recipes_that_differ_are_told_by_what_they_are(tmp_path):
    recipes = [{"model": "mlp"}, {"model": "cnn2d", "optimizer.lr": 0.01}, {"model": "mlp", "frontend": "mfcc"}]
    paths = [member(tmp_path, noise=noise, **recipe) for noise, recipe in enumerate(recipes)]
    ensembles = [made(some, tmp_path) for some in (paths, paths[:2])]
    config = ensembles[0].run.config
    assert (
        set(config["choices"]["model"].split("+")) == {"mlp", "cnn2d"} and config["choices"]["split"] == "speaker_kfold"
    )
    assert set(config["optimizer"]["lr"].split(" + ")) == {"0.001", "0.01"} and config["batch_size"] == 32
    names = [it.run.config["ensemble"] for it in ensembles]
    assert names[0].startswith("3 runs of 3 configurations, ") and names[1].startswith("2 runs of 2 configurations, ")
    assert len(gather([tmp_path]).runs) == 5


def test_folds_need_equal_members(tmp_path):
    runs = [member(tmp_path, part_of_fold(f), seed=s, **{"split.fold": f}) for s in range(2) for f in range(2)]
    with pytest.raises(
        UserError, match="Each fold needs the same seeds and settings, and here are: seeds 0, seeds 0, 1"
    ):
        by_test_part(find_members(runs[:3])[0])
    with pytest.raises(UserError, match="Nothing is left to score"):
        by_test_part(find_members(runs[:2])[0])
