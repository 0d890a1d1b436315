"""A run from the command line to its results, on tiny corpora with the true file grammar."""

import contextlib
import csv
import json
import os
import subprocess

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from ser.runs.seen_recordings import read_seen
from tests.conftest import SER, only_run
from tests.tiny_corpora import write_tone


def metrics_of(folder) -> dict:
    return json.loads((only_run(folder) / "metrics.json").read_text())


def without_seconds(metrics: dict) -> dict:
    return {key: value for key, value in metrics.items() if key != "seconds"}


def test_run_directory_holds_what_it_promises(ser, quick, in_tmp):
    code, out, _ = ser(*quick, "run.report=auto")
    assert code == 0
    run = only_run(in_tmp)
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {
        "config.yaml", "metrics.json", "predictions.csv", "seen.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
        "figures/confusion_matrix.png", "report.html", "environment.json", "train.log", "finished.json",
    } <= names  # fmt: skip
    assert any(name.startswith("events.out") for name in names)
    assert not any("partial" in name for name in names)
    assert str(run) in out
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["choices"]["model"] == "mlp" and config["trainer"]["max_epochs"] == 2
    assert "${" not in (run / "config.yaml").read_text()


def test_metrics_agree_with_predictions_and_scikit_learn(ser, quick, in_tmp):
    ser(*quick)
    metrics = metrics_of(in_tmp)
    with (only_run(in_tmp) / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    true, predicted = [row["true"] for row in rows], [row["predicted"] for row in rows]
    assert len(rows) == metrics["num_test"]
    assert metrics["test/uar"] == pytest.approx(balanced_accuracy_score(true, predicted), abs=1e-12)
    assert metrics["test/wa"] == pytest.approx(accuracy_score(true, predicted), abs=1e-12)
    assert metrics["test/f1_macro"] == pytest.approx(f1_score(true, predicted, average="macro"), abs=1e-12)
    classes = list(rows[0])[list(rows[0]).index("predicted") + 1 :]
    shares = np.array([[float(row[name]) for name in classes] for row in rows])
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-7)
    assert [classes[k] for k in shares.argmax(axis=1)] == predicted
    losses = [-np.log(share[classes.index(label)]) for share, label in zip(shares, true, strict=True)]
    assert metrics["test/loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert all(row["path"].startswith("Actor_") and row["speaker"].startswith("ravdess_") for row in rows)


def test_metrics_are_flat_and_named_as_documented(ser, quick, in_tmp):
    ser(*quick)
    metrics = metrics_of(in_tmp)
    scores = {f"{part}/{name}" for part in ("val", "test") for name in ("uar", "wa", "f1_macro", "loss")}
    numbers = {"num_train", "num_val", "num_test", "num_parameters", "epochs", "best_epoch", "seconds"}
    assert scores | numbers <= set(metrics)
    assert {key for key in metrics if key.startswith("test/recall/")}
    assert all(isinstance(value, (int, float)) for value in metrics.values())
    assert metrics["num_train"] + metrics["num_val"] + metrics["num_test"] == 96
    assert metrics["epochs"] == 2


def test_same_command_twice_gives_identical_metrics(ser, quick, in_tmp):
    found = []
    for runs_dir in ("a", "b"):
        code, _, err = ser(*[word for word in quick if "hidden" not in word], "model=cnn2d", f"run.dir={runs_dir}")
        assert code == 0, err
        (run,) = (in_tmp / runs_dir).iterdir()
        found.append(json.loads((run / "metrics.json").read_text()))
    assert without_seconds(found[0]) == without_seconds(found[1])


def test_finished_run_is_found_and_rerun_forces(ser, quick, in_tmp):
    ser(*quick)
    before = (only_run(in_tmp) / "metrics.json").stat().st_mtime_ns
    code, out, _ = ser(*quick)
    assert code == 0 and "Already trained" in out
    assert (only_run(in_tmp) / "metrics.json").stat().st_mtime_ns == before
    assert ser(*quick, "run.rerun=true")[0] == 0
    assert (only_run(in_tmp) / "metrics.json").stat().st_mtime_ns > before


def test_another_place_is_the_same_run_and_another_setting_is_not(ser, quick, in_tmp, tiny_ravdess, tmp_path_factory):
    ser(*quick)
    elsewhere = tmp_path_factory.mktemp("moved") / "copy"
    elsewhere.symlink_to(tiny_ravdess)
    _, out, _ = ser(*quick, f"dataset.root={elsewhere}", "run.threads=1", "run.name=other")
    assert "Already trained" in out
    ser(*quick, "optimizer.lr=0.01")
    assert len(list((in_tmp / "runs").iterdir())) == 2


def test_hydra_run_dir_is_the_run_directory_and_refuses_another_run(ser, quick, in_tmp):
    assert ser(*quick, "hydra.run.dir=mine")[0] == 0
    assert (in_tmp / "mine" / "finished.json").is_file()
    code, _, err = ser(*quick, "hydra.run.dir=mine", "seed=1")
    assert code == 2 and "another run" in err
    (in_tmp / "foreign").mkdir()
    (in_tmp / "foreign" / "thesis.tex").write_text("my thesis")
    code, _, err = ser(*quick, "hydra.run.dir=foreign")
    assert code == 2 and "not empty" in err
    assert [path.name for path in (in_tmp / "foreign").iterdir()] == ["thesis.tex"]


def test_without_validation_the_last_epoch_is_scored(ser, quick, in_tmp):
    for checkpoint in ("best", "refit"):
        code, _, err = ser(*quick, "split.val=0", f"checkpoint={checkpoint}")
        assert code == 2 and f"which checkpoint={checkpoint} needs. Add checkpoint=auto" in err
    code, _, err = ser(*quick, "split.val=0")
    assert code == 0, err
    code, out, _ = ser(*quick, "split.val=0", "checkpoint=last")
    assert code == 0 and "Already trained" in out
    metrics = metrics_of(in_tmp)
    assert not [key for key in metrics if key.startswith("val/")]
    assert metrics["num_val"] == 0 and metrics["best_epoch"] == metrics["epochs"] - 1
    code, _, err = ser(*quick, "split.val=0", "scheduler=plateau")
    assert code == 2 and "scheduler.monitor=train/loss" in err


@pytest.mark.parametrize(
    "extra",
    [
        ["loss.class_weights=balanced", "dataset.merge={calm: neutral}", "trainer.accumulate_grad_batches=2",
         "batch_size=8", "normaliser=feature_and_frame"],
        ["scheduler=one_cycle", "optimizer=sgd"],
        ["optimizer=rmsprop", "scheduler=none", "normaliser=none", "augmentation=none", "frontend=mfcc",
         "frontend.deltas=2"],
        ["dataset.target=gender"],
        ["dataset.target=gender_emotion", "dataset.emotions=[angry,sad]", "audio=whole", "audio.level=rms"],
        ["dataset.target=intensity", "trainer.precision=bf16-mixed"],
        ["trainer.precision=64-true", "ema=0.9"],
    ],
    ids=lambda extra: extra[0],
)  # fmt: skip
def test_settings_train(ser, quick, in_tmp, extra):
    code, _, err = ser(*quick, *extra)
    assert code == 0, err
    assert np.isfinite(metrics_of(in_tmp)["test/loss"])


def test_early_stopping_ends_before_the_last_epoch(ser, quick, in_tmp):
    ser(*quick, "early_stopping.patience=1", "trainer.max_epochs=6", "optimizer.lr=1e-12")
    assert metrics_of(in_tmp)["epochs"] == 2  # nothing improves at such a rate: one epoch more than the first


def test_learns_what_can_be_learned(ser, quick, in_tmp):
    """Pitch tells the tiny corpus's emotions apart: far above chance, 1/8."""
    code, *_ = ser(*quick, "trainer.max_epochs=40", "augmentation=none", "model.hidden=[64]", "batch_size=16")
    assert code == 0
    assert metrics_of(in_tmp)["test/uar"] > 0.6


def test_checkpoint_goes_from_waveform_to_the_same_probabilities(ser, quick, in_tmp, tiny_ravdess):
    from ser.data.audio.prepare import load
    from ser.data.build import build_audio
    from ser.runs.weights import read_checkpoint
    from ser.training.build import build_classifier

    ser(*quick)
    run = only_run(in_tmp)
    checkpoint = read_checkpoint(run / "checkpoints" / "best.ckpt")
    config, classes = checkpoint["ser"]["config"], checkpoint["ser"]["classes"]
    classifier = build_classifier(config, classes).eval()
    classifier.load_state_dict(checkpoint["state_dict"])
    with (run / "predictions.csv").open() as file:
        row = next(csv.DictReader(file))
    waveform = torch.from_numpy(load(tiny_ravdess / row["path"], build_audio(config)))[None]
    with torch.no_grad():
        probabilities = classifier(waveform, torch.tensor([waveform.shape[1]])).softmax(1)[0]
    for name, share in zip(classes, probabilities.tolist(), strict=True):
        assert float(row[name]) == pytest.approx(share, abs=1e-5)


@pytest.mark.slow
def test_init_from_starts_from_another_runs_weights(ser, quick, in_tmp, tiny_tess, tiny_ravdess):
    ser(*quick)
    first = only_run(in_tmp)
    tess = [word for word in quick if not word.startswith("dataset")] + ["dataset=tess", f"dataset.root={tiny_tess}"]
    code, out, err = ser(*tess, f"init_from={first}", "optimizer.lr=1e-12", "trainer.max_epochs=1", "run.dir=second")
    assert code == 0, err
    assert "tensors" in out
    (second,) = (in_tmp / "second").iterdir()
    weights = [torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"] for run in (first, second)]
    hidden = [key for key in weights[0] if key.endswith("0.weight") and "model" in key][0]
    assert torch.allclose(weights[0][hidden], weights[1][hidden], atol=1e-9)
    assert "first weights trained on RAVDESS" in " ".join(out.split())
    seen = [read_seen(run) for run in (first, second)]
    in_both = sum(one.true != "calm" for one in seen[0].recordings)  # TESS has no calm
    code, out, err = ser("evaluate", f"run={second}", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "device=cpu")
    assert code == 0 and f"{in_both} recordings left out: the run was trained on them" in out, err
    assert "same corpus: trained on ravdess + tess, tested on ravdess" in " ".join(out.split())
    assert seen[0].hashes() < seen[1].hashes()
    code, _, err = ser(*quick, "init_from=nowhere")
    assert code == 2 and "nowhere" in err


@pytest.mark.parametrize("place", [[], ["hydra.run.dir=mine"], ["run.dir=/dev/null/x"], ["hydra.run.dir=/dev/null/x"]])
def test_dry_run_prints_and_leaves_nothing(ser, quick, in_tmp, place):
    """Also where nothing could be written."""
    code, out, err = ser(*quick, *place, "run.dry_run=true")
    assert code == 0, err
    assert "parameters" in out and "estimate" in out and "frames" in out
    assert not list(in_tmp.iterdir())


@pytest.mark.slow
def test_multirun_trains_each_combination_and_reports_failures(ser, quick, in_tmp):
    code, _, err = ser(*quick, "-m", "seed=0,1", "trainer.max_epochs=1")
    assert code == 0, err
    assert len([path for path in (in_tmp / "runs").iterdir() if path.is_dir()]) == 2
    (sweep,) = (in_tmp / "sweeps").iterdir()
    assert len([link for link in sweep.iterdir() if link.is_symlink() and link.resolve().is_dir()]) == 2
    code, _, err = ser(*quick, "-m", "seed=0,2", "audio.level=none,loud", "trainer.max_epochs=1")
    assert code == 2 and "2 of 4 combinations cannot be trained" in err and "nothing was trained" in err
    assert len([path for path in (in_tmp / "runs").iterdir() if path.is_dir()]) == 2
    words = ["-m", "seed=0,2", "audio.level=none,loud", "trainer.max_epochs=1", "sweep.bad=skip", "run.report=true"]
    code, _, err = ser(*quick, *words)
    assert code == 1 and "2 combinations skipped" in err
    assert len([path for path in (in_tmp / "runs").iterdir() if path.is_dir()]) == 3
    assert len(list((in_tmp / "runs").glob("*-s2-*/report.html"))) == 1, "of a grid only because it was asked for"
    code, _, err = ser(*quick, "-m", "seed=0,1", "trainer=ddp")
    assert code == 2 and err.count("leave out -m") == 1


def test_the_split_column_of_a_list_is_kept(ser, in_tmp):
    """The user's own division is the split, whatever `split` says; its protocol says where it comes from."""
    rows = ["path,emotion,speaker,split"]
    for k, part in enumerate(["train", "train", "val", "test"]):
        for emotion in ("angry", "sad"):
            path = write_tone(in_tmp / f"{k}_{emotion}.wav", 120 + 80 * (emotion == "angry") + 5 * k)
            rows.append(f"{path.name},{emotion},s{k},{part}")
    (in_tmp / "list.csv").write_text("\n".join(rows))
    words = ["dataset=csv", "dataset.csv=list.csv", "model=mlp", "trainer.max_epochs=1", "run.report=false"]
    code, out, err = ser("train", *words)
    assert code == 0, err
    assert "parts named by the list" in out
    with (only_run(in_tmp) / "predictions.csv").open() as file:
        assert {row["path"] for row in csv.DictReader(file)} == {"3_angry.wav", "3_sad.wav"}


def test_each_epochs_loss_stands_in_its_own_line_of_the_log(ser, quick, in_tmp):
    ser(*quick, "run.progress=false")
    lines = (only_run(in_tmp) / "train.log").read_text().splitlines()
    losses = [line.split("train/loss ")[1].split()[0] for line in lines if "epoch " in line]
    assert len(losses) == 2 and losses[0] != losses[1]


@pytest.mark.slow
def test_a_terminal_shows_a_bar_without_validation_too(quick, in_tmp):
    """On a pseudo-terminal, as a person sees it."""
    leader, follower = os.openpty()
    command = [*SER, *quick, "split.val=0", "checkpoint=last"]
    process = subprocess.Popen(
        command, cwd=in_tmp, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm"}
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is closed when the process ends
        while piece := os.read(leader, 4096):
            shown += piece
    os.close(leader)
    assert process.wait(timeout=60) == 0, shown.decode(errors="replace")
    assert b"train/loss" in shown and b"2/2" in shown


@pytest.mark.parametrize("folder", ["My corpora (old)", "café, it's", "a=b [1] #2"])
def test_any_path_may_be_typed(ser, quick, in_tmp, tiny_ravdess, folder):
    (in_tmp / folder).mkdir()
    (in_tmp / folder / "ravdess").symlink_to(tiny_ravdess)
    words = [word for word in quick if not word.startswith("dataset.root")]
    code, out, err = ser(*words, f"dataset.root={folder}/ravdess", f"hydra.run.dir={folder}/run")
    assert code == 0, err
    assert f"{folder}/run" in out.replace("\n", "")
    config = yaml.safe_load((in_tmp / folder / "run" / "config.yaml").read_text(encoding="utf-8"))
    assert config["dataset"]["root"] == str(in_tmp / folder / "ravdess")


def test_double_precision_with_class_weights(ser, quick):
    code, _, err = ser(*quick, "trainer.precision=64-true", "loss.class_weights=balanced", "trainer.max_epochs=1")
    assert code == 0, err


def test_checkpoints_behind_a_link_are_not_touched(ser, quick, in_tmp):
    """A run that somebody gave away may lead to the user's own files."""
    ser(*quick, "trainer.max_epochs=1")
    run = only_run(in_tmp)
    (run / "checkpoints").rename(in_tmp / "mine")
    (in_tmp / "mine" / "precious.ckpt").write_bytes(b"x")
    (run / "checkpoints").symlink_to(in_tmp / "mine")
    before = {path.name: path.read_bytes() for path in (in_tmp / "mine").iterdir()}
    code, _, err = ser(*quick, "trainer.max_epochs=1", "run.rerun=true")
    assert code == 2 and "link" in err
    assert {path.name: path.read_bytes() for path in (in_tmp / "mine").iterdir()} == before
