"""`ser compare` as a user types it."""

import csv
import json
import shutil

import pytest
import pytorch_lightning  # noqa: F401  before TensorBoard loads TensorFlow, where that is installed: else triton crashes
from sklearn.metrics import balanced_accuracy_score

from tests.comparison.made_runs import answers, part_of_fold, write_folds, write_run


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two models of four folds."""
    folder = tmp_path_factory.mktemp("written") / "runs"
    write_folds(folder, {"model": "mlp"}, 0.4, 0)
    write_folds(folder, {"model": "cnn2d"}, 0.9, 1)
    return folder


@pytest.fixture
def runs(written, in_tmp):
    """The same in ./runs, to be damaged."""
    return shutil.copytree(written, in_tmp / "runs")


@pytest.mark.slow
def test_trained_runs_are_compared_as_their_predictions_say(ser, quick, in_tmp):
    assert ser(*quick, "-m", "seed=0,1", "model.dropout=0.1,0.4")[0] == 0
    code, out, err = ser("compare", "--format", "json")
    assert code == 0, err
    (section,) = json.loads(out)["sections"]
    assert len(section["rows"]) == 2 and "2 seeds varied both" in section["varied"]
    assert section["protocol"].startswith("speaker-dependent")
    for row in section["rows"]:
        scores = []
        for run in row["runs"]:
            with open(f"{run['path']}/predictions.csv", encoding="utf-8") as file:
                table = list(csv.DictReader(file))
            scores.append(balanced_accuracy_score([r["true"] for r in table], [r["predicted"] for r in table]))
        assert row["metrics"]["test/uar"]["mean"] == pytest.approx(sum(scores) / 2, abs=1e-9)
        assert row["settings"] == {"model.dropout": row["settings"]["model.dropout"]}
    (pair,) = section["pairs"]
    assert pair["runs"] == 2 and pair["test"].startswith("Wilcoxon")
    (sweep,) = (in_tmp / "sweeps").iterdir()
    assert json.loads(ser("compare", str(sweep), "--format=json")[1])["sections"][0]["rows"] == section["rows"]
    code, out, _ = ser("compare", "--html", "page.html")
    assert code == 0 and "Learning curves, val/uar" in (in_tmp / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_folds_of_a_cross_validation_are_a_row(ser, tiny_ravdess, in_tmp):
    arguments = ["dataset=ravdess", f"dataset.root={tiny_ravdess}", "model=mlp", "model.hidden=[16]", "trainer=cpu",
                 "trainer.max_epochs=1", "split=speaker_kfold", "split.k=3", "split.val=0.25"]  # fmt: skip
    assert ser("crossval", *arguments)[0] == 0
    (crossval,) = (in_tmp / "runs").glob("*-crossval-*")
    for place in (str(crossval), "runs"):
        code, out, err = ser("compare", place)
        assert code == 0 and "3 folds" in out and "One row only" in out, err
    shutil.rmtree(next(path for path in (in_tmp / "runs").iterdir() if path != crossval))
    assert "2 folds" in ser("compare", str(crossval))[1]


def test_the_table_the_ranking_and_the_verdict(ser, runs):
    code, out, err = ser("compare")
    assert code == 0 and err == ""
    lines = [line.split() for line in out.splitlines()]
    assert [line[1] for line in lines if line[:1] in (["1"], ["2"]) and "folds" in line] == ["cnn2d", "mlp"]
    assert "1 is better" in out and "Wilcoxon, 12 speakers" in out


@pytest.mark.parametrize("name", ["a.csv", "b.md", "c.tex", "d.json", "e.TXT", "größe & x.csv"])
def test_files_by_their_suffix(ser, runs, name):
    code, out, _ = ser("compare", "--output", name)
    assert code == 0 and out == f"Written: {name}\n"
    written = (runs.parent / name).read_text(encoding="utf-8")
    kind = {"md": "markdown", "tex": "latex", "TXT": "table"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
    assert written == ser("compare", "--format", kind)[1]


def test_machine_formats_stay_clean_beside_a_page(ser, runs):
    code, out, err = ser("compare", "--format", "json", "--html", "p.html")
    assert code == 0 and json.loads(out)["sections"] and "Page: p.html" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["empty"], "empty"),
        (["run*/none-*"], "run*/none-*"),
        (["--wher", "seed=1"], "Did you mean '--where'"),
        (["--where"], "expected one argument"),
        (["--where", "modle=mlp"], "Did you mean 'model'"),
        (["--where", "seed>99"], "matches none of 8 finished runs: seed is 0"),
        (["--where", "__import__('os').system('touch hacked')"], "--where"),
        (["--sort", "test/uarr"], "Did you mean 'test/uar'"),
        (["--metrics", "test/uar,val/uarr"], "Did you mean 'val/uar'"),
        (["--group-by", "modell"], "Did you mean 'model'"),
        (["--pairs", "al"], "Did you mean 'all'"),
        (["--format", "jsn"], "Did you mean 'json'"),
        (["--output", "x.pdf"], "the suffix selects the format"),
        (["--output", "x.html"], "for a page use --html"),
        (["--output", "no/x.csv"], "there is no folder no"),
        (["--output", "empty"], "not a folder"),
        (["--html", "x.pdf"], "call it x.pdf.html"),
        (["--heat", "model,seed"], "--html"),
        (["--html", "x.html", "--heat", "model"], "two keys"),
        (["--html", "x.html", "--heat", "model,frontend"], "all runs have the same value"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(ser, runs, arguments, message):
    (runs.parent / "empty").mkdir()
    before = sorted(path.name for path in runs.parent.iterdir())
    code, out, err = ser("compare", *arguments)
    assert code == 2 and out == "" and message in err and err.startswith("Error: ") and err.count("\n") == 1
    assert sorted(path.name for path in runs.parent.iterdir()) == before


def test_damage_is_named_and_the_rest_is_compared(ser, runs):
    first, second, *_ = sorted(runs.iterdir())
    (first / "metrics.json").write_text('{"test/uar": 0.', encoding="utf-8")
    (second / "predictions.csv").write_bytes((second / "predictions.csv").read_bytes()[:200])
    (runs / "holiday pictures").mkdir()
    (runs / "holiday pictures" / "sea.txt").write_text("blue")
    code, out, _ = ser("compare")
    assert code == 0 and first.name in out and second.name in out and "holiday pictures" in out
    assert "2 of 4 = " in out or "2 folds" in out


def test_protocols_are_never_in_one_ranking(ser, runs):
    part = part_of_fold(0)
    write_run(runs, {"split": "random", "split._target_": "ser.data.splits.RandomSplit"}, part, answers(part, 1.0, 0),
              protocol="speaker-dependent")  # fmt: skip
    code, out, _ = ser("compare")
    assert code == 0 and "they are not ranked together" in out
    assert out.index("speaker-independent") < out.index("speaker-dependent")
    assert len([line for line in out.splitlines() if line.split()[:1] == ["1"]]) == 2


def test_help(ser):
    code, out, _ = ser("compare", "--help")
    assert code == 0 and "--group-by" in out


def test_an_infinite_setting_is_text_in_json(ser, in_tmp):
    for lr in (float("inf"), 0.1):
        write_run(in_tmp / "runs", {"optimizer.lr": lr}, part_of_fold(0), answers(part_of_fold(0), 0.9, 0))
    code, out, err = ser("compare", "--format", "json")
    assert code == 0, err
    (section,) = json.loads(out)["sections"]
    assert {str(row["settings"]["optimizer.lr"]) for row in section["rows"]} == {"inf", "0.1"}
