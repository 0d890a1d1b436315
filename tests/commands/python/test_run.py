"""Runs as objects, and comparisons as tables."""

import builtins
import csv
import json
import shutil

import numpy as np
import pandas
import pytest
import soundfile

import ser as package
from ser.commands.python.run import Run
from ser.errors import UserError
from ser.evaluation.predictions import TRAITS
from tests.comparison.made_runs import write_folds


@pytest.fixture(scope="module")
def run(trained) -> Run:
    return package.open_run(trained)


def test_what_a_run_has(run, trained):
    assert run.path == trained and run.config["choices"]["model"] == "mlp"
    assert run.metrics == json.loads((trained / "metrics.json").read_text())
    assert package.open_run(str(trained)).metrics == run.metrics
    assert f"test UAR {run.metrics['test/uar']:.3f}" in repr(run) and run.protocol in repr(run)


def test_predictions_are_those_of_the_file(run, trained):
    with (trained / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = run.predictions
    assert list(table) == list(rows[0]) and len(table) == len(rows)
    assert table.to_dict("records") == [
        {
            key: cell or None if key in ("path", *TRAITS, "true", "predicted") else float(cell)
            for key, cell in row.items()
        }
        for row in rows
    ]
    assert (table.true == table.predicted).mean() == pytest.approx(run.metrics["test/wa"])


def test_figures_are_shown(run):
    assert {"learning_loss", "learning_scores", "confusion_matrix", "classes", "reliability"} < set(run.figures)
    png, size = run.figures["confusion_matrix"]._repr_png_()
    assert png.startswith(b"\x89PNG") and size["width"] * 2 == int.from_bytes(png[16:20], "big")
    assert b"PNG" not in repr(run.figures["confusion_matrix"]).encode() and "classes" in repr(run.figures)
    page = run.figures._repr_html_()
    assert page.count("<img") == len(run.figures) and page.count('alt="') == len(run.figures)
    card = run._repr_html_()
    assert card.count("<img") == 2 and f"{run.metrics['test/uar']:.3f}" in card and run.path.name in card


def test_shown_outside_of_a_notebook(run, capsys):
    run.show()
    assert capsys.readouterr().out == f"{run}\n"


def test_names_in_a_card_are_text(run):
    strange = Run(run.path, run.config, "<script>")
    strange.figures = run.figures
    assert "&lt;script&gt;" in strange._repr_html_() and "<script>" not in strange._repr_html_()


def test_predicting(run, tiny_ravdess, in_tmp):
    paths = sorted(tiny_ravdess.rglob("*.wav"))[:3]
    (in_tmp / "empty.wav").write_bytes(b"")
    table = run.predict([*paths, in_tmp / "empty.wav"])
    classes = [name for name in run.predictions if name in run.config["choices"] or name in table]
    assert list(table) == ["path", "emotion", "probability", *classes[1:], "error"]
    assert table.path.tolist()[:3] == [str(path) for path in paths]
    assert table.error.notna().tolist() == [False, False, False, True] and table.emotion.isna().tolist()[3]
    np.testing.assert_allclose(table.iloc[:3][classes[1:]].sum(axis=1).astype(float), 1, atol=1e-6)
    waveform, rate = soundfile.read(paths[0], always_2d=True)
    assert run.predict(waveform.T, rate).emotion == table.emotion[0] == run.predict(str(paths[0])).emotion[0]
    assert run.predict(tiny_ravdess / "Actor_01").shape[0] == len(list((tiny_ravdess / "Actor_01").iterdir()))
    with pytest.raises(UserError, match="together with its sample_rate"):
        run.predict(waveform.T)
    assert "no such file" in run.predict("nowhere.wav").error[0]
    with pytest.raises(UserError, match="Name the recordings"):
        run.predict([])


def test_runs_that_cannot_be_opened(trained, tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        package.open_run(tmp_path / "none")
    copy = shutil.copytree(trained, tmp_path / "copy")
    (copy / "finished.json").unlink()
    with pytest.raises(UserError, match="did not finish"):
        package.open_run(copy)
    (copy / "finished.json").write_text("{}")
    (copy / "metrics.json").write_text("{")
    with pytest.raises(UserError, match="metrics.json"):
        package.open_run(copy)


def test_a_comparison_is_that_of_the_command(ser, in_tmp):
    for noise, (model, skill) in enumerate({"mlp": 0.4, "cnn2d": 0.9}.items()):
        write_folds(in_tmp / "runs", {"model": model}, skill, noise)
    table = package.compare("runs", pairs="all")
    told = json.loads(ser("compare", "runs", "--format", "json", "--pairs", "all")[1])["sections"]
    (section,) = told
    assert table["name"].tolist() == [row["name"] for row in section["rows"]]
    assert table["test/uar"].tolist() == [row["metrics"]["test/uar"]["mean"] for row in section["rows"]]
    assert table["test/uar/std"].tolist() == [row["metrics"]["test/uar"]["std"] for row in section["rows"]]
    (pair,) = section["pairs"]
    assert {key: table[key][1] for key in ("difference", "low", "high", "p", "p_holm", "verdict", "test")} == {
        key: pair[key] for key in ("difference", "low", "high", "p", "p_holm", "verdict", "test")
    }
    assert table["difference"].isna().tolist() == [True, False] and table["verdict"][0] == ""
    assert [{key: it[key] for key in pair} for it in table.attrs["pairs"]] == [pair]
    assert table["directories"].map(len).tolist() == [4, 4] and table.attrs["remarks"]
    pandas.testing.assert_frame_equal(package.compare(), package.compare(["runs"]))


def test_questions_of_a_comparison(in_tmp):
    models = ("mlp", "cnn1d", "cnn2d")
    runs = [write_folds(in_tmp / "runs", {"model": model}, 0.5, noise)[0] for noise, model in enumerate(models)]
    assert set(package.compare("runs", where="model=mlp or model=cnn1d")["model"]) == {"mlp", "cnn1d"}
    assert list(package.compare("runs", metrics="test/wa", sort="model")["model"]) == ["cnn1d", "cnn2d", "mlp"]
    opened = package.compare(Run(runs[0], {}, ""), Run(runs[1], {}, ""))
    assert set(opened["model"]) == {"mlp", "cnn1d"}
    for mistake, part in ({"where": "modle=mlp"}, "modle"), ({"pairs": "both"}, "pairs"), ({"metrics": ["uar"]}, "uar"):
        with pytest.raises(UserError, match=part):
            package.compare("runs", **mistake)
    with pytest.raises(UserError, match="nowhere"):
        package.compare("nowhere")


def test_without_pandas(run, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UserError, match=r"pip install 'ser\[notebook\]'"):
        _ = package.open_run(run.path).predictions
