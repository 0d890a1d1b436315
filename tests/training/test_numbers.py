"""`dataset.target` as numbers, from the list to the prediction of a new recording, as a user types it."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

import ser
from ser.augmentations.mixing import Mixup
from ser.cli import main
from ser.errors import UserError
from ser.evaluation.predictions import read_predictions
from ser.training.task import Regression, TargetScale, ccc_loss
from tests.conftest import only_run
from tests.tiny_corpora import write_rated

MODEL = [
    "frontend=time_stats", "model=mlp", "model.hidden=[32]", "augmentation=none", "optimizer.lr=0.01", "trainer=cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """12 speakers, 96 tones; arousal is the pitch and valence the level."""
    return write_rated(tmp_path_factory.mktemp("rated"))


@pytest.fixture
def words(rated):
    """Arguments of a run of a second."""
    return ["train", "dataset=csv", f"dataset.csv={rated}", *MODEL, "run.report=false"]


@pytest.fixture(scope="module")
def both(rated, tmp_path_factory):
    """A finished run of two numbers, tested on ten speakers, with its page; only to be read."""
    folder = tmp_path_factory.mktemp("both")
    parts = ["split.test=0.5", "split.val=0.2"]
    words = ["dataset=csv", f"dataset.csv={rated}", "dataset.target=[arousal,valence]", *MODEL, *parts]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", *words, "trainer.max_epochs=30"]) == 0
    return only_run(folder)


def metrics_of(run):
    return json.loads((run / "metrics.json").read_text())


def test_pitch_and_level_are_learned_for_speakers_that_were_not_seen(both):
    metrics = metrics_of(both)
    assert metrics["test/ccc"] > 0.6 and metrics["test/arousal/ccc"] > 0.6 and metrics["test/valence/ccc"] > 0.5
    assert metrics["val/ccc"] == pytest.approx(1 - metrics["val/loss"], abs=1e-6)
    assert metrics["test/ccc"] == pytest.approx(np.mean([metrics["test/arousal/ccc"], metrics["test/valence/ccc"]]))
    systems = json.loads((both / "evaluation.json").read_text())["systems"]
    assert systems["training mean"]["overall"]["ccc"]["value"] == pytest.approx(0, abs=1e-9)
    assert systems["training mean"]["overall"]["mae"]["value"] > 1.2 > metrics["test/mae"]
    assert not (both / "figures" / "confusion_matrix.png").exists() and Image.open(both / "figures" / "scatter.png")


def test_predictions_are_in_the_units_of_the_list(both, rated):
    with rated.open(encoding="utf-8") as file:
        listed = {row["path"]: row for row in csv.DictReader(file)}
    part = read_predictions(both / "predictions.csv")
    assert part.targets == ("arousal", "valence")
    assert part.true[:, 0].tolist() == [float(listed[key]["Arousal"]) for key in part.keys]
    assert 1 < part.predicted.mean() < 7 and part.traits["gender"][0] in ("male", "female")


def test_the_page_has_scatters_and_no_classes(both):
    page = (both / "report.html").read_text(encoding="utf-8")
    assert "Predicted and true" in page and "Largest errors" in page and "By speaker" in page
    assert "Confusion" not in page and "Calibration" not in page
    assert {"scatter_arousal.png", "scatter_valence.png", "learning_scores.png"} <= {
        file.name for file in (both / "figures").iterdir()
    }


def test_a_recording_gets_the_number_of_predictions_csv(both, rated, ser, capsys):
    part = read_predictions(both / "predictions.csv")
    files = [str(rated.parent / key) for key in part.keys[:3]]
    code, out, _ = ser("predict", str(both), *files, "--format", "csv")
    rows = list(csv.reader(out.splitlines()))
    assert code == 0 and rows[0] == ["path", "arousal", "valence", "error"]
    assert np.array(rows[1:])[:, 1:3].astype(float) == pytest.approx(part.predicted[:3], abs=1e-4)
    _, out, _ = ser("predict", str(both), files[0], str(rated), "--format", "jsonl")
    first, second = map(json.loads, out.splitlines())
    assert first["numbers"].keys() == {"arousal", "valence"} and second.keys() == {"path", "error"}
    _, out, _ = ser("predict", str(both), *files)
    assert f"{part.predicted[0, 0]:.3f}" in out and "3 files" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "a,b"], "only is about classes"),
        (["--unsure-below", "0.5"], "unsure_below is about classes"),
        (["--calibrated"], "calibrated is about probabilities"),
        (["--timeline"], "A timeline is about emotions, and this run predicts numbers"),
    ],
)
def test_options_about_classes_are_refused(both, rated, ser, options, words):
    code, _, err = ser("predict", str(both), str(rated.parent / "s00_0.wav"), *options)
    assert code == 2 and words in err


def test_what_ends_in_probabilities_is_refused_in_one_sentence(both, rated, ser):
    assert "predicts numbers" in ser("export", str(both))[2]
    code, _, err = ser("explore", "dataset=csv", f"dataset.csv={rated}", "+dataset.target=arousal")
    assert code == 2 and "leave out dataset.target" in err


def test_in_python(both, rated):
    run = ser.open_run(both)
    assert repr(run).count("test CCC 0.") == 1 and "MAE" in repr(run)
    assert list(run.predictions)[-4:] == ["true_arousal", "predicted_arousal", "true_valence", "predicted_valence"]
    assert {"scatter_arousal", "scatter_valence"} <= run.figures.keys()
    found = run.predict(rated.parent / "s00_0.wav")
    assert list(found) == ["path", "arousal", "valence", "error"] and found["arousal"][0] > 0
    alone = ser.load(both)(np.sin(np.arange(8000) / 5).astype(np.float32), 16000)
    assert alone.numbers.keys() == {"arousal", "valence"} and not alone.probabilities and alone.probability is None


@pytest.mark.slow
def test_it_is_scored_again_and_on_another_list(both, rated, ser, tmp_path):
    before = metrics_of(both)["test/ccc"]
    code, out, _ = ser("evaluate", f"run={both}")
    assert code == 0 and f"{before:.3f}" in out and "training mean" in out
    other = write_rated(tmp_path / "other", speakers=3, takes=4, prefix="new")
    other.write_text(other.read_text().replace("Arousal", "activation"))
    words = [f"run={both}", "dataset=csv", f"dataset.csv={other}"]
    assert "has no column for the arousal" in ser("evaluate", *words)[2]
    code, out, err = ser("evaluate", *words, "dataset.columns={arousal: activation}")
    assert code == 0 and "test: 12 utterances, 3 speakers" in out and "training mean" in out, err


@pytest.mark.slow
def test_a_grid_its_comparison_and_its_average(words, ser, in_tmp):
    grid = [*words, "dataset.target=arousal", "split.test=0.84", "split.val=0.08", "trainer.max_epochs=4"]
    code, out, err = ser(*grid, "-m", "loss.numbers=ccc,mse", "seed=0,1", "split.seed=0")
    assert code == 0 and "best val/ccc" in out, err
    code, out, _ = ser("compare", "runs", "--html", "page.html")
    assert code == 0 and "test/ccc" in out and "Difference: CCC" in out and "Wilcoxon, 10 speakers" in out
    assert "val/ccc" in (in_tmp / "page.html").read_text(encoding="utf-8")
    code, _, err = ser("leaderboard", "runs")
    assert code == 2 and "4 runs predict numbers" in err
    code, out, _ = ser("runs")
    assert "test CCC" in out and "UAR" not in out
    code, out, err = ser("ensemble", *map(str, sorted((in_tmp / "runs").glob("*s0-*"))))
    assert code == 0 and "2 runs averaged" in out, err
    made = next((in_tmp / "runs").glob("*-ensemble-*"))
    parts = [read_predictions(run / "predictions.csv") for run in sorted((in_tmp / "runs").glob("*s0-*"))]
    mean = np.mean([part.predicted for part in parts], axis=0)
    assert read_predictions(made / "predictions.csv").predicted == pytest.approx(mean)
    recording = parts[0].keys[0]
    csv_file = next(word for word in words if word.startswith("dataset.csv=")).partition("=")[2]
    _, out, _ = ser("predict", str(made), csv_file.replace("rated.csv", recording), "--format", "jsonl")
    assert json.loads(out)["numbers"]["arousal"] == pytest.approx(mean[0, 0], abs=1e-4)


@pytest.mark.slow
def test_folds_are_pooled(words, ser, in_tmp):
    words = [word for word in words[1:] if word != "run.report=false"]
    code, out, err = ser("crossval", *words, "dataset.target=arousal", "split=speaker_kfold", "split.k=2",
                         "trainer.max_epochs=2")  # fmt: skip
    assert code == 0 and "2 folds pooled" in out, err
    metrics = metrics_of(next((in_tmp / "runs").glob("*crossval*")))
    assert metrics["num_test"] == 96 and metrics["test/ccc/low"] < metrics["test/ccc"] < metrics["test/ccc/high"]
    assert "test/ccc/fold_mean" in metrics


@pytest.mark.slow
def test_a_search_by_ccc(words, ser, in_tmp):
    words = [*words[1:], "dataset.target=arousal", "trainer.max_epochs=2", "tune.trials=2"]
    code, out, err = ser("tune", *words, "optimizer.lr=interval(1e-3,1e-2)")
    assert code == 0 and "Search for the highest val/ccc" in out and "Best val/ccc" in out, err
    code, _, err = ser("tune", *words, "optimizer.lr=interval(1e-3,1e-2)", "tune.metric=val/uar")
    assert code == 2 and "val/uar cannot guide a search" in err


def test_what_else_training_can_do(words, ser, in_tmp):
    """Mixing, an auxiliary target, averaged weights, views at test, another metric of torchmetrics, a refit."""
    code, out, err = ser(
        *words, "dataset.target=arousal", "augmentation=cutmix", "loss.auxiliary={gender: 0.2}", "ema=0.9",
        "+evaluation.views={speeds: [0.9, 1.1]}", "+metrics.r2._target_=torchmetrics.regression.R2Score",
        "monitor=val/r2", "checkpoint=refit", "trainer.max_epochs=2", "loss.numbers=mse", "scheduler=none",
    )  # fmt: skip
    assert code == 0, err
    run = only_run(in_tmp)
    metrics = metrics_of(run)
    assert {"test/r2", "val/r2", "test/ccc"} <= metrics.keys() and metrics["num_views"] == 2
    # one more run begins with its weights, and the last layer is kept, for it has the same target
    last = ["split.val=0", "checkpoint=last", "trainer.max_epochs=1"]  # the refit was trained on what would validate
    code, out, err = ser(*words, "dataset.target=arousal", *last, f"init_from={run}")
    assert code == 0 and "weights of" in out, err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["loss.class_weights=balanced"], "loss.class_weights=balanced is of classes"),
        (["loss.label_smoothing=0.1"], "loss.label_smoothing=0.1 is of classes"),
        (["loss={label_smoothing: 0.1}"], "loss.label_smoothing=0.1 is of classes"),
        (["loss.numbers=mae"], "Did you mean 'mse'"),
        (["monitor=val/uar"], "monitor=val/uar must be val/ccc"),
        (["dataset.merge={calm: neutral}"], "dataset.merge is about classes"),
        (["dataset.emotions=[calm,sad]"], "dataset.emotions is about classes"),
        (["metrics=[kappa]"], "not a metric of torchmetrics.regression, and this run predicts numbers"),
        (["dataset.target=dominance"], "has no column for the dominance"),
        (["dataset.target=emotoin"], "Did you mean 'emotion'"),
        (["dataset.target=speaker"], "is no number of a recording"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(words, ser, more, message):
    code, _, err = ser(*words, *(["dataset.target=arousal"] if "target" not in more[0] else []), *more)
    assert code == 2 and message in err and len(err.strip().splitlines()) == 1


def test_the_loss_of_numbers_is_of_no_class(quick, ser):
    code, _, err = ser(*quick, "loss.numbers=mse")
    assert code == 2 and "loss.numbers is of numbers, and dataset.target=emotion is a class" in err


@pytest.mark.parametrize(
    ("cell", "words"),
    [("n/a", "row 3: the arousal 'n/a' is not a number"), ("", "row 3: the arousal is empty"), ("inf", "'inf' is not")],
)
def test_a_cell_without_a_number_is_named(tmp_path, ser, cell, words):
    file = write_rated(tmp_path, speakers=2, takes=2)
    lines = file.read_text().splitlines()
    path, speaker, gender, _, valence = lines[2].split(",")
    lines[2] = ",".join([path, speaker, gender, cell, valence])
    file.write_text("\n".join(lines) + "\n")
    code, _, err = ser("train", "dataset=csv", f"dataset.csv={file}", "dataset.target=arousal")
    assert code == 2 and words in err
    code, _, err = ser("train", "dataset=csv", f"dataset.csv={file}", "dataset.target=valence", "run.dry_run=true",
                       "split=random", "split.val=0.25", "split.test=0.25", *MODEL)  # fmt: skip
    assert code == 0, err  # the other column is whole


def test_a_number_that_is_always_the_same_teaches_nothing():
    with pytest.raises(UserError, match="The valence of all 3 training recordings is 2"):
        Regression(("arousal", "valence")).check_train(np.array([[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]]))


def test_ccc_loss_is_one_less_ccc_and_learns_scale_and_offset():
    rng = torch.Generator().manual_seed(0)
    true = torch.randn(64, 2, generator=rng)
    assert float(ccc_loss(true, true)) == pytest.approx(0, abs=1e-6)
    assert float(ccc_loss(-true, true)) == pytest.approx(2, abs=0.1)
    assert float(ccc_loss(torch.zeros(64, 2), true)) == pytest.approx(1, abs=1e-6)
    assert torch.isfinite(ccc_loss(true[:1], true[:1]))
    factor, offset = (torch.full((2,), value, requires_grad=True) for value in (0.2, 3.0))
    optimizer = torch.optim.Adam([factor, offset], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        ccc_loss(true * factor + offset, true).backward()
        optimizer.step()
    assert torch.cat([factor, offset]).tolist() == pytest.approx([1, 1, 0, 0], abs=0.02)


def test_the_scale_is_that_of_the_training_part_and_mixes_as_features_do():
    scale = TargetScale(2)
    numbers = np.array([[1.0, 10.0], [3.0, 30.0]])
    scale.fit(numbers)
    standardised = scale.standardised(torch.as_tensor(numbers))
    assert standardised.tolist() == [[-1, -1], [1, 1]] and scale(standardised).tolist() == numbers.tolist()
    features, frames = torch.ones(2, 1, 4), torch.tensor([4, 4])
    _, _, mixed = Mixup(alpha=1.0)(features, frames, standardised.float(), torch.Generator().manual_seed(1))
    assert mixed.abs().max() <= 1
