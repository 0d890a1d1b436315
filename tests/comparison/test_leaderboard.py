"""Recipes and published systems of one protocol: figures, tests, places beside intervals, and what is left out."""

import csv
import re

import numpy as np
import pytest
import yaml
from scipy.stats import wilcoxon
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from ser.comparison import load_runs
from ser.comparison.conditions import Condition
from ser.comparison.leaderboard import Choice, Recipe, leaderboard, position
from ser.comparison.leaderboard_table import sheet_of
from ser.comparison.load_runs import Gathered
from ser.comparison.protocols import incomplete_remarks, trials_of
from ser.comparison.text_tables import difference_cell
from ser.errors import UserError
from ser.evaluation.confidence import Estimate
from ser.evaluation.evaluate import Fold, evaluate
from ser.evaluation.predictions import pool, read_predictions
from ser.reports.leaderboard import write_leaderboard
from tests.browser import Browser
from tests.comparison.made_runs import answers, part_of_fold, write_folds, write_run
from tests.comparison.test_numbers import rows_of, systems

FOLDS = [[speaker for speaker in range(12) if speaker % 4 == fold] for fold in range(4)]
PROTOCOL = {"name": "four", "about": "four folds", "corpus": "ravdess", "recordings": 96, "speakers": FOLDS,
            "emotions": ["sadness", "anger", "neutral", "joy"]}  # fmt: skip
SYSTEM = {"source": "A <b>", "year": 2020, "corpus": "ravdess", "protocol": "four", "pretrained": True}
SYSTEMS = [
    {**SYSTEM, "system": "High", "figures": {"uar": 99}},
    {**SYSTEM, "system": "Near", "figures": {"uar": 86.5, "wa": 87}},
    {**SYSTEM, "system": "Accurate", "figures": {"wa": 50.0}},
    {**SYSTEM, "system": "Leaky", "figures": {"uar": 99.5}, "aside": "test was in training"},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two recipes, one of them of two seeds; a fold of a third; two runs of another split; and a list of systems."""
    folder = tmp_path_factory.mktemp("made")
    write_folds(folder / "runs", {"model": "mlp"}, 0.5, 1, seeds=(0, 1))
    write_folds(folder / "runs", {"model": "cnn2d"}, 0.85, 2)
    write_run(folder / "runs", {"model": "cnn1d"}, part_of_fold(0), answers(part_of_fold(0), 1.0, 3))
    random = {"split": "random", "split._target_": "ser.data.splits.RandomSplit"}
    for seed in range(2):
        part = part_of_fold(seed)
        write_run(
            folder / "runs", {**random, "seed": seed}, part, answers(part, 0.9, seed), protocol="speaker-dependent"
        )
    (folder / "mine.yaml").write_text(yaml.safe_dump({"protocols": [PROTOCOL], "systems": SYSTEMS}), encoding="utf-8")
    return folder


def of_protocol(made, **others):
    return leaderboard([made / "runs"], Choice(protocol="four", published=(made / "mine.yaml",), **others))


@pytest.fixture(scope="module")
def board(made):
    return of_protocol(made)


def table(made, model):
    """(seed, speaker, true, predicted) of every prediction of a model."""
    rows = []
    for path in (made / "runs").glob(f"*-{model}-speaker_kfold-*"):
        seed = int(re.search(r"-s(\d)-", path.name)[1])
        with (path / "predictions.csv").open(encoding="utf-8") as file:
            rows += [(seed, row["speaker"], row["true"], row["predicted"]) for row in csv.DictReader(file)]
    return rows


def uar(rows):
    return balanced_accuracy_score([row[2] for row in rows], [row[3] for row in rows])


def test_figures_are_means_of_pooled_seeds(made, board):
    recipes = {line.name: line for line in board.lines if isinstance(line, Recipe)}
    assert set(recipes) == {"log_mel-mlp", "log_mel-cnn2d"}
    rows = table(made, "mlp")
    means = [uar([row for row in rows if row[0] == seed]) for seed in (0, 1)]
    assert recipes["log_mel-mlp"].figures["uar"].value == pytest.approx(np.mean(means), abs=1e-12)
    assert len(recipes["log_mel-mlp"].runs) == 8
    single = table(made, "cnn2d")
    accuracy = accuracy_score([row[2] for row in single], [row[3] for row in single])
    assert recipes["log_mel-cnn2d"].figures["wa"].value == pytest.approx(accuracy, abs=1e-12)


def test_the_interval_of_one_seed_is_that_of_its_cross_validation(made, board):
    paths = sorted((made / "runs").glob("*-cnn2d-speaker_kfold-*"))
    pooled = pool([read_predictions(path / "predictions.csv") for path in paths])
    assert board.best.name == "log_mel-cnn2d"
    expected = evaluate([Fold(pooled)]).systems["model"].overall
    for name, estimate in board.best.figures.items():
        assert estimate.low == pytest.approx(expected[name].low, abs=1e-9)
        assert estimate.high == pytest.approx(expected[name].high, abs=1e-9)


def test_recipes_are_tested_over_speakers_whatever_their_seeds(made, board):
    (pair,) = board.pairs
    differences = []
    for speaker in sorted({row[1] for row in table(made, "mlp")}):
        theirs, ours = ([row for row in table(made, model) if row[1] == speaker] for model in ("mlp", "cnn2d"))
        means = [uar([row for row in theirs if row[0] == seed]) for seed in (0, 1)]
        differences.append(uar(ours) - np.mean(means))
    assert pair.p == pytest.approx(wilcoxon(np.round(differences, 12)).pvalue, abs=1e-3)
    assert pair.test == "Wilcoxon, 12 speakers" and pair.corrected == pair.p
    places = {line.name: i for i, line in enumerate(board.lines, 1) if isinstance(line, Recipe)}
    assert [pair.first, pair.second] == [places["log_mel-cnn2d"], places["log_mel-mlp"]]


def test_published_figures_have_a_place_beside_the_interval_of_ours(board):
    sheet = sheet_of(board)
    names = [row[1] for row in sheet.rows]
    assert names[0] == "High" and names[-1] == "Accurate" and "Leaky" not in names
    to_ours, to_high = (sheet.header.index(name) for name in sheet.header if name.startswith("to "))
    cells = {row[1]: row for row in sheet.rows}
    ours = 100 * board.best.figures["uar"].value
    assert cells["High"][to_ours] == f"{99 - ours:+.1f}: above the interval" and cells["High"][to_high] == "–"
    assert cells["Near"][to_ours].endswith(": inside the interval") and cells["Near"][to_high] == "-12.5"
    assert cells["Accurate"][to_ours] == "–" and cells["Accurate"][3] == "50.0"
    assert cells["log_mel-mlp"][to_high].endswith(": published above the interval")
    assert re.fullmatch(r"-\d+\.\d, p 0\.\d{3}|-\d+\.\d, p <0.001", cells["log_mel-mlp"][to_ours].partition(":")[0])
    assert "8 = 2 seeds × 4 folds" in cells["log_mel-mlp"]
    assert sheet.pairs[0][3] == difference_cell(board.pairs[0], 100, "+.1f") and "[" in sheet.pairs[0][3]


@pytest.mark.parametrize(("value", "word"), [(70.1, "above"), (70, "inside"), (50, "inside"), (49.9, "below")])
def test_position(value, word):
    assert position(value, Estimate(0.6, 0.5, 0.7)) == word and position(value, Estimate(0.6)) == ""


def test_what_is_left_out_is_named_with_the_reason(board):
    words = "\n".join(board.asides)
    assert "log_mel-cnn1d-speaker_kfold-s0-" in words and "1 of 4 folds are finished" in words
    assert "Left out: ravdess, random, 4 classes (2 runs). The protocol four is another: its test speakers" in words
    assert "since test was in training: Leaky (A <b> 2020)" in words
    assert "since it has 8 emotions" in words and "Whisper large-v3" in words


def test_folds_that_test_a_recording_twice_are_of_no_cross_validation(tmp_path):
    part = part_of_fold(0)
    for fold in range(4):
        write_run(tmp_path, {"split.fold": fold}, part, answers(part, 0.9, fold))
    trials, incomplete = trials_of(load_runs.gather([tmp_path]).runs)
    (words,) = incomplete_remarks(incomplete)
    assert trials == [] and words.endswith("is left out: its folds are not of one cross-validation.")


def test_folds_whose_stamps_do_not_say_which_are_not_taken_for_one(tmp_path):
    for fold in range(4):
        part = part_of_fold(fold)
        settings = {"split.fold": fold}
        write_run(tmp_path, settings, part, answers(part, 0.9, fold), protocol="speaker-independent; no validation")
    trials, incomplete = trials_of(load_runs.gather([tmp_path]).runs)
    (words,) = incomplete_remarks(incomplete)
    assert trials == [] and words.endswith("is left out: its folds are not of one cross-validation.")


def test_another_metric_ranks_and_another_system_is_measured_to(made):
    board = of_protocol(made, metric="wa", against="accur")
    assert board.against.system == "Accurate" and sheet_of(board).rows[-1][1] == "High"
    assert "points of WA" in sheet_of(board).notes[0]
    with pytest.raises(UserError, match="none of the published systems .* High; Near"):
        of_protocol(made, against="nothing")
    with pytest.raises(UserError, match="2 of the published"):
        of_protocol(made, metric="wa", against="a")


def test_runs_of_several_protocols_are_refused(made):
    with pytest.raises(UserError, match="2 protocols: ravdess, .* Choose one with --corpus and --protocol"):
        leaderboard([made / "runs"], Choice())
    board = leaderboard([made / "runs"], Choice(where=Condition("split=random", "--where")))
    assert board.group.name == "random" and board.against is None
    assert "No published system" in sheet_of(board).notes[-1]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(corpus="ravdes"), "Did you mean 'ravdess'"),
        (Choice(corpus="tess"), "--corpus tess: no complete run is of it. Choose from: ravdess"),
        (Choice(protocol="emobox"), "Choose from: random, speaker_kfold"),
        (Choice(where=Condition("model=cnn1d", "--where")), "No recipe is complete.*1 of 4 folds"),
    ],
)
def test_what_there_is_not(made, choice, message):
    with pytest.raises(UserError, match=message):
        leaderboard([made / "runs"], choice)


def test_other_folds_of_the_same_speakers_are_another_protocol(made, tmp_path):
    other = {**PROTOCOL, "name": "other", "speakers": [FOLDS[0][:2] + FOLDS[1][:1], *FOLDS[1:]]}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"protocols": [other], "systems": [
        {**SYSTEM, "protocol": "other", "system": "X", "figures": {"uar": 70}}]}), encoding="utf-8")  # fmt: skip
    board = leaderboard([made / "runs"], Choice(protocol="speaker_kfold", published=(tmp_path / "a.yaml",)))
    assert any("since its folds test other speakers: X" in words for words in board.asides)


def test_few_speakers_have_neither_interval_nor_test(tmp_path):
    part = part_of_fold(0)
    for model in ("mlp", "cnn2d"):
        write_run(tmp_path, {"model": model}, part, answers(part, 0.7, len(model)), protocol="speaker-independent")
    board = leaderboard([tmp_path], Choice())
    (pair,) = board.pairs
    assert pair.p is None and board.best.figures["uar"].low is None
    assert "not tested (3 speakers: too few" in sheet_of(board).pairs[0][-1]


def test_a_browser_shows_the_page_on_a_telephone_and_on_a_desk(board, tmp_path):
    write_leaderboard(tmp_path / "a.html", board)
    browser = Browser(tmp_path / "profile")
    try:
        for width in (390, 1280):
            look = browser.look((tmp_path / "a.html").as_uri(), width)
            assert look.errors == [] and look.overflow == 0 and look.wide == []
            assert look.images == 1 and look.broken == [] and look.mute == 0
            assert "A <b> 2020" in look.text and "Left out" in look.text and "log_mel-cnn2d" in look.text
    finally:
        browser.close()


def test_runs_that_predict_numbers_are_left_out(made, monkeypatch):
    numeric = tuple(row.runs[0] for row in rows_of(systems(4)))
    gathered = load_runs.gather([made / "runs"])
    found = Gathered((*gathered.runs, *numeric), ())
    monkeypatch.setattr("ser.comparison.leaderboard.gather", lambda places, where: found)
    board = of_protocol(made)
    assert any("2 runs predict numbers" in words for words in board.asides) and len(board.pairs) == 1
    found = Gathered(numeric, ())
    with pytest.raises(UserError, match="2 runs predict numbers.* ser compare"):
        leaderboard([], Choice())
