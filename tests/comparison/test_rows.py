"""Rows: which runs make one, which settings tell them apart, and what the spread is over."""

import json

import numpy as np
import pandas as pd
import pytest

from ser.comparison.comparing import Question, compare
from ser.comparison.conditions import Condition
from ser.comparison.load_runs import gather
from ser.comparison.sections import runs_in_words, sections_of
from ser.comparison.terminal import as_text
from ser.comparison.text_tables import texts_of
from ser.errors import UserError
from tests.comparison.made_runs import answers, part_of_fold, write_folds, write_run

PART = part_of_fold(0)


def write(runs, seed=0, noise=0, protocol="", **settings):
    return write_run(runs, {"seed": seed, **settings}, PART, answers(PART, 0.6, [seed, noise]), protocol)


def only_section(runs, group_by=()):
    (section,) = sections_of(gather([runs]).runs, group_by)
    return section


def test_a_choice_stands_by_its_name_and_not_by_what_comes_with_it(tmp_path):
    write(tmp_path), write(tmp_path, model="cnn1d"), write(tmp_path, model="cnn2d")
    assert only_section(tmp_path).columns == ("model",)


def test_a_setting_that_varies_within_a_choice_stands_beside_it(tmp_path):
    write(tmp_path), write(tmp_path, model="cnn1d"), write(tmp_path, **{"model.dropout": 0.5})
    section = only_section(tmp_path)
    assert section.columns == ("model", "model.dropout")
    assert {row.name for row in section.rows} == {"mlp, dropout=0.3", "mlp, dropout=0.5", "cnn1d, dropout=0.2"}


def test_a_setting_that_follows_another_is_shown_once(tmp_path):
    write(tmp_path), write(tmp_path, **{"audio.sample_rate": 8000, "frontend.sample_rate": 8000})
    assert only_section(tmp_path).columns == ("audio.sample_rate",)


def test_names_places_and_devices_tell_nothing_apart(tmp_path):
    write(tmp_path), write(tmp_path, seed=1, trainer="gpu", **{"trainer.accelerator": "gpu", "dataset.root": "/b"})
    section = only_section(tmp_path)
    assert section.columns == () and len(section.rows) == 1 and section.rows[0].name == "ravdess-log_mel-mlp"


def test_equal_numbers_are_one_setting_and_a_text_is_another(tmp_path):
    write(tmp_path, **{"optimizer.lr": 1}), write(tmp_path, seed=1, **{"optimizer.lr": 1.0})
    write(tmp_path, seed=2, **{"optimizer.lr": "1"})
    assert sorted(len(row.runs) for row in only_section(tmp_path).rows) == [1, 2]


def test_means_and_deviations_are_those_of_pandas(grid):
    section = only_section(grid)
    frame = pd.DataFrame([{**run.metrics, **run.choices} for run in gather([grid]).runs])
    table = frame.groupby(["model", "frontend"])[["test/uar", "val/uar", "seconds"]].agg(["mean", "std"])
    assert len(section.rows) == len(table) == 4
    for row in section.rows:
        for metric in ("test/uar", "val/uar", "seconds"):
            expected = table.loc[(row.cells["model"], row.cells["frontend"]), metric]
            spread = row.spread(metric)
            assert spread.mean == pytest.approx(expected["mean"], abs=1e-12) and spread.count == 8
            assert spread.deviation == pytest.approx(expected["std"], abs=1e-12)
    assert {runs_in_words(row.runs) for row in section.rows} == {"8 = 2 seeds × 4 folds"}


def test_other_recordings_classes_and_splits_are_sections_of_their_own(tmp_path):
    write(tmp_path), write(tmp_path, model="cnn1d"), write(tmp_path, **{"split.k": 5})
    write(tmp_path, dataset="tess", **{"dataset._target_": "ser.data.corpora.tess.Tess"})
    write(tmp_path, **{"dataset.emotions": ["angry", "happy"]})
    sections = sections_of(gather([tmp_path]).runs)
    assert [len(section.rows) for section in sections] == [2, 1, 1, 1]
    assert "emotions=['angry', 'happy']" in " ".join(section.title for section in sections)


def test_equal_draws_that_tested_other_recordings_are_not_ranked_together(tmp_path):
    write(tmp_path), write(tmp_path, seed=1)
    other = [(key.replace("Actor", "Speaker"), speaker, label) for key, speaker, label in PART]
    write_run(tmp_path, {"model": "cnn1d"}, other, answers(other, 0.9, 0))
    sections = sections_of(gather([tmp_path]).runs)
    assert [len(section.rows) for section in sections] == [1, 1]
    assert [section.title for section in sections] == [f"ravdess, split=speaker_kfold ({i})" for i in (1, 2)]


def test_a_run_that_repeats_a_draw_is_left_out_and_named(tmp_path):
    write(tmp_path / "a")
    path = write(tmp_path / "b", noise=1)
    (path / "run.json").write_text('{"identity": "0123456789", "protocol": "speaker-independent"}')
    (path / "finished.json").write_text('{"identity": "0123456789"}')
    runs = gather([tmp_path / "a", tmp_path / "b"]).runs
    (section,) = sections_of(runs)
    assert len(section.rows[0].runs) == 1 and "repeat seed and fold" in section.remarks[0]


@pytest.mark.parametrize(
    ("draws", "words"),
    [
        ([(0, 0, 0)], "One seed and one split"),
        ([(0, 7, 0), (1, 7, 0)], "2 seeds varied the initial weights .*the split was the same .split.seed=7"),
        ([(0, 0, 0), (1, 1, 0)], "2 seeds varied the initial weights .*all were tested on the same recordings"),
        ([(0, 0, 1), (1, 1, 2)], "2 seeds varied both .*2 folds"),
        ([(0, 3, 0), (0, 4, 0)], "2 seeds of the split varied the split; the initial weights had one seed"),
        ([(0, 0, 0), (0, 0, 1)], "^2 folds test other recordings each"),
    ],
)
def test_what_the_seed_varied_is_said(tmp_path, draws, words):
    for seed, of_split, fold in draws:
        part = part_of_fold(fold if "both" not in words else seed)
        settings = {"seed": seed, "split.seed": of_split, "split.fold": 0 if "both" in words else fold}
        write_run(tmp_path, settings, part, answers(part, 0.5, seed))
    words = words.replace(" .*2 folds", "")
    assert pd.Series([only_section(tmp_path).varied]).str.contains(words).all()


def test_unequal_rows_are_said_to_be(tmp_path):
    write_folds(tmp_path, {"model": "mlp"}, 0.5, seeds=(0, 1))
    write_folds(tmp_path, {"model": "cnn1d"}, 0.6)
    section = only_section(tmp_path)
    assert any("cnn1d (4 of 8)" in remark for remark in section.remarks)
    assert sorted(runs_in_words(row.runs) for row in section.rows) == ["4 folds", "8 = 2 seeds × 4 folds"]


def test_an_incomplete_set_says_how_many_of_how_many(tmp_path):
    paths = write_folds(tmp_path, {}, 0.5, seeds=(0, 1))
    (paths[0] / "finished.json").unlink()
    assert runs_in_words(only_section(tmp_path).rows[0].runs) == "7 of 8 = 2 seeds × 4 folds"


def test_rows_pool_by_any_key(grid):
    section = only_section(grid, ("model",))
    assert section.columns == ("model",) and [len(row.runs) for row in section.rows] == [16, 16]
    assert any("different frontend" in remark for remark in section.remarks)
    for row in section.rows:
        scores = [run.metrics["test/uar"] for run in gather([grid]).runs if run.choices["model"] == row.cells["model"]]
        assert row.spread("test/uar").mean == pytest.approx(np.mean(scores))
    by_fold = only_section(grid, ("split.fold", "seed"))
    assert len(by_fold.rows) == 8 and all(len(row.runs) == 4 for row in by_fold.rows)


@pytest.mark.parametrize(
    ("monitors", "figures", "order", "message"),
    [  # in the order of test/uar: lr=1, 2, 3
        (["val/uar"] * 3, ["val/uar"], [3, 2, 1], "Sorted by val/uar, best first, the runs' monitor"),
        (["val/loss"] * 3, ["val/uar", "val/loss"], [1, 2, 3], "Sorted by val/loss, best first, the runs' monitor"),
        (["val/error"] * 3, ["val/uar", "val/error"], [1, 2, 3], "Sorted by val/error, best first, the runs' monitor"),
        (["val/loss", "val/uar", "val/loss"], ["val/uar", "val/loss"], [3, 2, 1],
         "Sorted by val/uar, best first, since the runs' monitors differ (val/loss, val/uar)"),
        (["val/uar"] * 3, [], [1, 2, 3], "Sorted by test/uar, best first, since none of the runs has val/uar"),
    ],
)  # fmt: skip
def test_validation_ranks_where_nobody_asks_for_test(tmp_path, monitors, figures, order, message):
    for rate, monitor in zip((1, 2, 3), monitors, strict=True):
        right = answers(PART, 1.0, 0)
        right[: 2 * rate] = (right[: 2 * rate] + 1) % 4
        path = (
            write_run(tmp_path, {"optimizer.lr": rate, "monitor": monitor, "lower_is_better": ["error"]}, PART, right)
            / "metrics.json"
        )
        metrics = {name: value for name, value in json.loads(path.read_text()).items() if not name.startswith("val/")}
        path.write_text(json.dumps(metrics | dict.fromkeys(figures, rate / 10)))
    compared = compare([tmp_path], Question())
    (section,) = compared.sections
    assert [row.runs[0].flat["optimizer.lr"] for row in section.rows] == order
    assert [(pair.first, pair.second) for pair in compared.pairs[0]] == [(1, 2), (1, 3)]
    text = as_text(*texts_of(compared))
    assert message in text and section.sort in compared.question.metrics
    assert ("(3 here), not only those shown" in text) == section.sort.startswith("test/")


def test_a_recipe_that_validates_nothing_is_compared_with_one_that_does(tmp_path):
    write_folds(tmp_path, {"model": "mlp"}, 0.5)
    for path in write_folds(tmp_path, {"model": "cnn1d", "split.val": 0.0}, 0.9):
        metrics = json.loads((path / "metrics.json").read_text())
        (path / "metrics.json").write_text(json.dumps({k: v for k, v in metrics.items() if not k.startswith("val/")}))
    compared = compare([tmp_path], Question())
    (section,), (pair,) = compared.sections, compared.pairs[0]
    assert [row.cells["split.val"] for row in section.rows] == [0.0, 0.15] and pair.verdict == "cnn1d, val=0 is better"
    text = as_text(*texts_of(compared))
    assert "Sorted by test/uar, best first, since the runs have different validation parts (split.val)" in text
    assert "split.val differs: what is not validated is trained on" in text


def test_a_condition_on_test_is_remarked_on(grid):
    remarks = compare([grid], Question(where=Condition("test/uar > 0.1", "--where"), pairs="none")).remarks
    assert "--where selects runs by figures of test" in remarks[-1]
    assert not compare([grid], Question(where=Condition("val/uar > 0.1", "--where"), pairs="none")).remarks


def test_order_and_unknown_names(grid):
    def names(**question):
        return [row.name for row in compare([grid], Question(**question, pairs="none")).sections[0].rows]

    assert names()[0] == "log_mel, cnn2d" and names(sort="test/loss") == sorted(names())
    assert names(sort="model")[0].endswith("cnn2d") and names(sort="frontend")[-1].startswith("mfcc")
    for question, message in {
        "sort": "--sort test/ua: no run has it. Did you mean 'test/uar'",
        "metrics": "--metrics test/ua: no run has this figure. Did you mean 'test/uar'",
        "group_by": "--group-by test/ua: no run has this setting",
    }.items():
        with pytest.raises(UserError, match=message):
            names(**{question: "test/ua" if question == "sort" else ("test/ua",)})
    with pytest.raises(UserError, match="do not differ in it. Settings that differ: frontend, model"):
        names(sort="batch_size")


def test_settings_that_go_with_a_row_do_not_keep_it_from_being_paired(tmp_path):
    """Rows that each are one configuration: what differs between them only is no part of what pairs their runs."""
    for seed in (0, 1):
        write(tmp_path, seed, model="mlp", **{"optimizer.lr": 0.1})
        write(tmp_path, seed, model="cnn1d", trainer="gpu", **{"optimizer.lr": 0.2})
    section = only_section(tmp_path, ("model",))
    assert all(row.apart == () for row in section.rows)
    first, second = (set(row.units()) for row in section.rows)
    assert first == second and len(first) == 2
    write(tmp_path, model="mlp", **{"optimizer.lr": 0.3})
    assert all(row.apart == ("optimizer.lr",) for row in only_section(tmp_path, ("model",)).rows)
