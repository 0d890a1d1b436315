"""`scripts/reproduce`: rows of commands become runs, a results file, and a table that says what the files say."""

import json
import statistics

import pandas
import pytest

from scripts.reproduction import __main__ as reproduce
from scripts.reproduction.series import SERIES, Row
from scripts.reproduction.table import table
from ser.errors import UserError

QUICK = ("model=mlp", "trainer=cpu", "trainer.max_epochs=1", "frontend=mfcc", "augmentation=none")
MARKS = "before\n<!-- tiny begin -->\nold\n<!-- tiny end -->\nafter\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_ravdess):
    """A checkout with the results of a series of two rows, and what was printed."""
    place = tmp_path_factory.mktemp("checkout")
    (place / "README.md").write_text(MARKS)
    corpus = (f"dataset.root={tiny_ravdess}", "dataset=ravdess", *QUICK)
    published = "published={wa: 50.0, how: a split}"
    sizes = (*corpus, "split=random", "split.test=0.4", published, "batch_size=8,16")
    folds = (*corpus, "split=kfold", "split.k=2", published)
    rows = (Row("`mlp`", sizes, (0, 1), {8: 1, 16: 2}), Row("`mlp`", folds))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SERIES, "tiny", rows)
        patch.chdir(place)
        assert reproduce.main(["tiny"]) == 0
        yield place


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "docs/results/tiny.json").read_text())


@pytest.mark.slow
def test_every_seed_batch_size_and_fold_is_there(results):
    small, large, folds = results["rows"]
    assert [small["label"], large["label"], folds["label"]] == ["`mlp`, batch 8", "`mlp`, batch 16", "`mlp`"]
    assert [row["batch_size"] for row in (small, large)] == [8, 16]
    assert [row["published"]["wa"] for row in results["rows"]] == [1, 2, 50.0]
    assert [[run["seed"] for run in row["runs"]] for row in (small, large)] == [[0, 1], [0, 1]]
    assert [run["fold"] for run in folds["runs"]] == [0, 1]
    runs = [run for row in results["rows"] for run in row["runs"]]
    assert len({run["identity"] for run in runs}) == 6
    for run in runs:
        assert {"git_commit", "versions", "device", "threads"} <= set(run["environment"])
        assert run["metrics"]["seconds"] > 0
        assert {"majority class", "decision tree"} == set(run["baselines"])


@pytest.mark.slow
def test_figures_are_those_of_predictions(folder, results):
    for row in results["rows"]:
        tested = []
        for run in row["runs"]:
            (place,) = folder.glob(f"runs/tiny/*{run['identity']}")
            said = pandas.read_csv(place / "predictions.csv")
            tested.append(said)
            assert run["metrics"]["test/wa"] == pytest.approx((said["true"] == said["predicted"]).mean())
            most = said["true"].value_counts(normalize=True)
            assert run["baselines"]["majority class"]["wa"] in [pytest.approx(share) for share in most]
        if "pooled" in row:
            every = pandas.concat(tested)
            assert row["pooled"]["num_test"] == len(every) == every["path"].nunique()
            right = (every["true"] == every["predicted"]).mean()
            assert row["pooled"]["systems"]["model"]["wa"]["value"] == pytest.approx(right)


@pytest.mark.slow
def test_the_table_says_what_the_results_say(folder, results):
    readme = (folder / "README.md").read_text()
    assert readme == MARKS.replace("old", table(results))
    lines = [line for line in table(results).splitlines() if line.startswith("| `mlp`")]
    shares = [100 * run["metrics"]["test/wa"] for run in results["rows"][0]["runs"]]
    assert f"| 1.00 | {statistics.mean(shares):.1f} ± {statistics.stdev(shares):.1f} |" in lines[0]
    pooled = results["rows"][2]["pooled"]["systems"]["model"]["wa"]["value"]
    assert f"| – | {100 * pooled:.1f} (folds " in lines[2] and "2 folds pooled" in lines[2]


@pytest.mark.slow
def test_once_more_trains_nothing(folder, results, capsys):
    before = (folder / "docs/results/tiny.json").read_bytes()
    assert reproduce.main(["tiny"]) == 0
    assert "0 to train" not in (out := capsys.readouterr().out) and "trained" not in out.replace("Already trained", "")
    assert (folder / "docs/results/tiny.json").read_bytes() == before


def test_an_unknown_series_is_named():
    with pytest.raises(UserError, match="baselines"):
        reproduce.main(["baseline"])


@pytest.mark.parametrize(
    "node", ["51.04", "{wa: high, how: x}", "{wa: 51.04}", "{wa: 50, how: x, who: y}", "{wa: 50, how: x, about: y}"]
)
def test_a_published_figure_that_is_none(ser, in_tmp, node):
    code, _, err = ser("train", f"published={node}", "run.dry_run=true")
    assert code == 2 and "published figure" in err


def test_a_run_prints_the_published_figure(ser, tiny_ravdess, in_tmp):
    published = "published={wa: 51.04, how: random 80/20}"
    words = [f"dataset.root={tiny_ravdess}", "dataset=ravdess", *QUICK, "split=random", "run.report=false", published]
    code, out, err = ser("train", *words)
    assert code == 0, err
    assert "Published: WA 51.04 % (random 80/20); WA " in out and "speaker-dependent" in out
    assert "Published: WA 51.04 %" in ser("train", *words)[1], "also when it is found finished"
    assert "Published" not in ser("train", *words[:-1])[1], "the same run without it: it does not count"


def test_cross_validations_with_several_seeds_are_one_line():
    estimate = {"low": 0.4, "high": 0.6}

    def pooled(uar, wa):
        run = {"metrics": {"seconds": 120}, "environment": {"device": "some CPU", "threads": 2}}
        systems = {"model": {"uar": {"value": uar, **estimate}, "wa": {"value": wa, **estimate}}}
        return {"pooled": {"systems": systems}, "runs": [run, run]}

    row = {"label": "`mlp`", "seeds": [{"seed": 0, **pooled(0.5, 0.6)}, {"seed": 1, **pooled(0.52, 0.6)}]}
    shown = table({"series": "tiny", "rows": [row]})
    assert "| `mlp` | 2 seeds × 2 folds | 51.0 ± 1.4 | 60.0 ± 0.0 | 2.0 |" in shown and "some CPU, 2 threads" in shown
    assert Row("r", ("experiment=small",), (3, 4), pooled=True).commands == [
        ["crossval", "experiment=small", "seed=3"],
        ["crossval", "experiment=small", "seed=4"],
    ]


@pytest.mark.slow
def test_seeds_of_a_cross_validation_and_their_ensemble(tmp_path, monkeypatch, tiny_ravdess):
    (tmp_path / "README.md").write_text(MARKS)
    monkeypatch.chdir(tmp_path)
    words = (f"dataset.root={tiny_ravdess}", "dataset=ravdess", *QUICK, "split=kfold", "split.k=2", "split.seed=0")
    monkeypatch.setitem(SERIES, "tiny", (Row("`mlp`", words, (0, 1), pooled=True),))
    assert reproduce.main(["tiny"]) == 0
    seeds, ensemble = json.loads((tmp_path / "docs/results/tiny.json").read_text())["rows"]
    assert [seed["seed"] for seed in seeds["seeds"]] == [0, 1]
    assert ensemble["label"] == "`mlp`, ensemble of 2 seeds"
    (place,) = tmp_path.glob("runs/tiny/*-ensemble-crossval-*")
    averaged = pandas.read_csv(place / "predictions.csv")
    assert len(averaged) == averaged["path"].nunique() == 96
    recalls = (averaged["true"] == averaged["predicted"]).groupby(averaged["true"]).mean()
    assert ensemble["pooled"]["systems"]["model"]["uar"]["value"] == pytest.approx(recalls.mean())
    readme = (tmp_path / "README.md").read_text()
    assert "| `mlp` | 2 seeds × 2 folds |" in readme and "| `mlp`, ensemble of 2 seeds | 2 folds |" in readme


def test_what_was_tried_is_judged_by_validation():
    runs = [
        {
            "metrics": {"val/uar": uar, "test/uar": 0.9, "seconds": 60, "num_parameters": 1234},
            "environment": {"device": "some CPU", "threads": 1},
        }
        for uar in (0.5, 0.6)
    ]
    shown = table({"series": "tried", "rows": [{"label": "`mlp`, wider", "runs": runs}]})
    assert "| `mlp`, wider | 2 | 55.0 | 1,234 | 1.0 |" in shown and "90" not in shown


def test_rows_are_chosen_by_words_and_the_others_stay(tmp_path, monkeypatch):
    first, second, third = (Row(f"`{name}`", (f"model={name}",)) for name in ("mlp", "cnn1d", "cnn2d"))
    monkeypatch.setitem(SERIES, "tiny", (first, second, third))
    path = tmp_path / "tiny.json"
    kept = [{"label": "old", "command": "ser crossval gone"}, {"label": "`cnn2d`", "command": third.command}]
    path.write_text(json.dumps({"rows": kept}))
    made = [{"label": "`mlp`", "command": first.command}, {"label": "`mlp`, ensemble", "command": first.command}]
    rows = reproduce._with_row("tiny", path, first, made)
    assert [row["label"] for row in rows] == ["`mlp`", "`mlp`, ensemble", "`cnn2d`"]
    with pytest.raises(UserError, match="No row of tiny has transformer in its label. There are: `mlp`; `cnn1d`"):
        reproduce.reproduce("tiny", ["transformer", "run.threads=1"], tmp_path)
