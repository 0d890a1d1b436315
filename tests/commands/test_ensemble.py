"""`ser ensemble` as it is typed: seeds, folds, and what cannot be averaged."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tests.comparison.made_runs import part_of_fold
from tests.inference.test_ensemble import logits_in, member
from tests.runs.made_runs import made_run


def test_the_other_commands_find_it(ser, in_tmp):
    for seed in range(3):
        member(in_tmp / "runs", val=part_of_fold(1), seed=seed)
    code, out, err = ser("ensemble", "runs/*-s[0-2]-*")
    assert (code, err) == (0, "") and "3 runs averaged; speaker-independent, fold 1 of 4" in out
    (made,) = (in_tmp / "runs").glob("*-ensemble-*")
    uar = json.loads((made / "metrics.json").read_text())["test/uar"]
    assert f"{uar:.3f}" in out and f"Directory: {made}" in out and (made / "report.html").is_file()
    assert "No learning curves" not in (made / "report.html").read_text()
    before = (made / "finished.json").read_text()
    code, out, _ = ser("ensemble", "runs")
    assert code == 0 and f"Directory (found there): {made}" in out and "is an ensemble, and is left out" in out
    assert (made / "finished.json").read_text() == before
    rows = json.loads(ser("runs", "--format", "json")[1])
    assert {row["name"]: row["test_uar"] for row in rows}[made.name] == uar and len(rows) == 4
    code, out, _ = ser("compare")
    assert code == 0 and "seeds 0, 1, 2" in out and "3 seeds" in out


def test_the_views_of_its_members_are_counted(ser, in_tmp):
    for seed in range(2):
        member(in_tmp / "runs", seed=seed)
    with_views = member(in_tmp / "runs", seed=2)
    figures = json.loads((with_views / "metrics.json").read_text())
    (with_views / "metrics.json").write_text(json.dumps(figures | {"num_views": 5}))
    for runs, expected in (("runs/*-s[01]-*", None), ("runs/*-s[0-2]-*", 7)):
        code, out, err = ser("ensemble", runs)
        assert (code, err) == (0, "")
        made = out.partition("Directory: ")[2].split()[0]
        assert json.loads((Path(made) / "metrics.json").read_text()).get("num_views") == expected


def test_training_does_not_begin_with_it(ser, in_tmp, tiny_ravdess):
    for seed in range(2):
        member(in_tmp / "runs", seed=seed)
    ser("ensemble", "runs")
    (made,) = (in_tmp / "runs").glob("*-ensemble-*")
    code, _, err = ser("train", "dataset=ravdess", f"dataset.root={tiny_ravdess}", f"init_from={made}")
    assert code == 2 and err.count("\n") == 1
    assert "is an ensemble, and training begins with the weights of one network: name one of its members" in err
    (in_tmp / "pooled").mkdir()
    (in_tmp / "pooled" / "crossval.json").write_text("{}")
    code, _, err = ser("train", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "init_from=pooled")
    assert code == 2 and "pooled pools the folds of a cross-validation" in err and err.count("\n") == 1


def test_folds_are_pooled_as_those_of_a_cross_validation(ser, in_tmp):
    runs = [
        member(in_tmp / "runs", part_of_fold(fold), seed=seed, **{"split.fold": fold})
        for fold in range(4)
        for seed in range(2)
    ]
    code, out, err = ser("ensemble", "runs", "--name", "mine")
    assert (code, err) == (0, "") and "8 runs averaged, an ensemble a fold; speaker-independent, 4 folds pooled" in out
    (pooled,) = in_tmp.glob("runs/mine-*-ensemble-crossval-*")
    about = json.loads((pooled / "crossval.json").read_text())
    assert len(about["folds"]) == len(list(in_tmp.glob("runs/mine-*-ensemble-??????????"))) == 4
    expected = np.concatenate([logits_in(runs[2 * fold : 2 * fold + 2]).argmax(axis=1) for fold in range(4)])
    with (pooled / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [key for fold in range(4) for key, *_ in part_of_fold(fold)]
    true = [label for fold in range(4) for *_, label in part_of_fold(fold)]
    metrics = json.loads((pooled / "metrics.json").read_text())
    assert metrics["test/uar"] == pytest.approx(balanced_accuracy_score(true, expected))
    assert metrics["num_folds"] == 4 and metrics["num_test"] == 96 and metrics["seconds"] == 16.0
    _, out, _ = ser("runs", str(pooled), "--format", "json")
    assert sorted(row["name"] for row in json.loads(out)) == sorted(about["folds"])


def test_mistakes(ser, in_tmp):
    one, two = (member(in_tmp / "runs", seed=seed) for seed in range(2))
    made_run(in_tmp / "unfinished", "interrupted")
    (in_tmp / "folder").mkdir()
    shutil.copytree(one, in_tmp / "copy")
    other = Path(shutil.copytree(two, in_tmp / "other"))
    text = (other / "predictions.csv").read_text()
    (other / "predictions.csv").write_text(text.replace("happy", "bored"))
    damaged = Path(shutil.copytree(two, in_tmp / "damaged"))
    (damaged / "metrics.json").write_text(
        (damaged / "metrics.json").read_text().replace('"test/uar": 0', '"test/uar": 1')
    )
    apart = member(in_tmp / "runs", part_of_fold(2), seed=2, **{"split.fold": 2})
    files = sorted(in_tmp.rglob("*"))
    for arguments, words in (
        ([], "Name the runs to average"),
        ([one], "An ensemble takes 2 to 100 finished runs, and here are 1."),
        ([one, one, two], "is named twice"),
        ([one, "copy"], "is the same run as"),
        ([one, "unfinished"], "is not finished (interrupted): finish it with ser train run.resume="),
        ([one, other], "an ensemble needs runs of the same classes"),
        ([one, damaged], "is damaged: metrics.json has test/uar"),
        ([one, apart], "Nothing is left to score"),
        ([one, "folder"], "There is no run in folder"),
        ([one, "nowhere"], "There is no folder nowhere"),
        ([one, two, "--nmae", "x"], "Did you mean '--name'?"),
        ([one, two, "--trust", "a b"], "'a b' is not the name of a package"),
    ):
        code, _, err = ser("ensemble", *map(str, arguments))
        assert code == 2 and words in err and err.count("\n") == 1, err
    assert sorted(in_tmp.rglob("*")) == files


def test_help_imports_nothing_heavy_and_names_every_option(ser):
    code, out, _ = ser("ensemble", "--help")
    assert code == 0 and all(option in out for option in ("--name", "--dir", "--trust"))


@pytest.mark.slow
def test_evaluate_reads_it_and_scores_it_on_other_recordings(ser, in_tmp, trained, tiny_ravdess, tiny_tess):
    from tests.inference.trained import trained_run

    words = ["frontend=mfcc", "audio.sample_rate=8000", "seed=1", "split.seed=0"]
    other = trained_run(in_tmp / "runs", tiny_ravdess, *words)
    assert ser("ensemble", str(trained), str(other), "--dir", "made")[0] == 0
    (made,) = (in_tmp / "made").iterdir()
    figures = json.loads((made / "evaluation.json").read_text())
    code, out, err = ser("evaluate", f"run={made}")
    assert code == 0 and "decision tree" in out, err
    again = json.loads((made / "evaluation.json").read_text())
    assert again["systems"]["model"] == figures["systems"]["model"] and again["temperatures"] == figures["temperatures"]
    for run in (trained, other, made):
        assert ser("evaluate", f"run={run}", "dataset=tess", f"dataset.root={tiny_tess}")[0] == 0
    runs = [next(run.glob("evaluations/tess-*")) for run in (trained, other, made)]
    np.testing.assert_allclose(logits_in(runs[2:]), logits_in(runs[:2]) - _constant(logits_in(runs[:2])), atol=1e-5)
    code, _, err = ser("evaluate", f"run={made}", "dataset=ravdess", f"dataset.root={tiny_ravdess}")
    assert code == 0, err
    facts = json.loads(next(made.glob("evaluations/ravdess-*/about.json")).read_text())
    assert any("recordings left out: the run was trained on them" in note for note in facts["notes"])


def _constant(logits: np.ndarray) -> np.ndarray:
    return np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_what_names_do_not_show(ser, quick, in_tmp, tiny_ravdess):
    """Two corpora that call different recordings, or each other's, by one name."""
    swapped = Path(shutil.copytree(tiny_ravdess, in_tmp / "swapped"))
    one, other, away = (swapped / name for name in ("Actor_01", "Actor_05", "away"))  # the second is tested
    one.rename(away)
    other.rename(one)
    away.rename(other)
    for folder, number in ((one, "01"), (other, "05")):
        for path in sorted(folder.iterdir()):
            path.rename(folder / f"{path.stem[:-2]}{number}.wav")
    own = [word for word in quick if not word.startswith("dataset.root")]
    for seed, root in enumerate((tiny_ravdess, swapped, tiny_ravdess)):
        split = ["split=speaker_kfold", "split.k=3", "split.seed=0", f"seed={seed}", "trainer.max_epochs=1"]
        assert ser(*own, f"dataset.root={root}", *split)[0] == 0
    code, _, err = ser("ensemble", "runs/*-s[01]-*")
    assert code == 2 and "is another recording in" in err and err.count("\n") == 1
    code, out, err = ser("ensemble", "runs/*-s[02]-*")
    assert code == 0 and "2 runs averaged" in out, err
