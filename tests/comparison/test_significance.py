"""Paired tests against scipy, statsmodels and pandas by hand, and against simulated pairs whose truth is known."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import PermutationMethod, binomtest, rankdata, t, wilcoxon
from sklearn.metrics import balanced_accuracy_score
from statsmodels.stats.multitest import multipletests

from ser.comparison.comparing import Question, compare
from ser.comparison.load_runs import Answered, Run
from ser.comparison.rows import Row, ranked
from ser.comparison.signed_rank import rank_sign, signed_rank
from ser.comparison.significance import compare_rows, corrected
from ser.comparison.terminal import as_text
from ser.comparison.text_tables import texts_of
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.predictions import TRAITS, Predictions
from tests.comparison.made_runs import CLASSES, answers, config_with, part_of_fold, write_run


def frame(row: Row) -> pd.DataFrame:
    """The predictions.csv of a row's runs, below each other."""
    parts = [pd.read_csv(run.path / "predictions.csv").assign(run=str(run.drawn)) for run in row.runs]
    return pd.concat(parts, ignore_index=True)


def uar(rows: pd.DataFrame) -> float:
    return balanced_accuracy_score(rows["true"], rows["predicted"])


@pytest.fixture(scope="module")
def compared(grid):
    return compare([grid], Question(pairs="all"))


def two_frames(compared, pair):
    rows = compared.sections[0].rows
    return frame(rows[pair.first - 1]), frame(rows[pair.second - 1])


def test_difference_and_wilcoxon_over_speakers_are_those_of_pandas_and_scipy(compared):
    (pairs,) = compared.pairs
    assert [(pair.first, pair.second) for pair in pairs] == [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]
    for pair in pairs:
        one, other = two_frames(compared, pair)
        expected = (one.groupby("run").apply(uar) - other.groupby("run").apply(uar)).mean()
        assert pair.difference.value == pytest.approx(expected, abs=1e-12)
        by_both = [whole.groupby(["run", "speaker"]).apply(uar) for whole in (one, other)]
        of_speakers = (by_both[0] - by_both[1]).groupby("speaker").mean()
        assert pair.test == "Wilcoxon, 12 speakers" and pair.speakers == 12 and pair.runs == 8
        kept = of_speakers.round(12)
        assert pair.p == pytest.approx(signed_rank(kept.to_numpy()), abs=1e-12)
    expected = wilcoxon(kept[kept != 0], method=PermutationMethod(n_resamples=np.inf)).pvalue
    assert pair.p == pytest.approx(expected, abs=1e-12)


def _arrays(rows, speakers):
    """Speaker, class and success of each utterance."""
    who = rows["speaker"].map(speakers.index).to_numpy()
    return who, rows["true"].to_numpy(), (rows["true"] == rows["predicted"]).to_numpy()


def _resampled_uar(who, true, right, draw):
    """Where each utterance counts as often as its speaker is drawn; 0 where none is."""
    often = draw[who]
    return np.mean([(often * right)[true == name].sum() / max(often[true == name].sum(), 1) for name in CLASSES])


@pytest.mark.parametrize("speakers", [None, 4])
def test_no_row_is_better_where_the_test_favours_the_other(speakers):
    """900 recordings of a class and 100 of the other: one has the higher UAR, the other more right answers."""
    true = np.array([0] * 900 + [1] * 100)
    balanced, plain = true.copy(), true.copy()
    balanced[:180], balanced[900:920] = 1, 0
    plain[900:960] = 0
    names = [None if speakers is None else f"s{i % speakers}" for i in range(1000)]
    pair = compared_answers(*(answered_of(true, predicted, names) for predicted in (balanced, plain)))
    assert pair.difference.value == pytest.approx(0.1) and pair.test == "McNemar, 1000 utterances"
    assert pair.corrected < 1e-20 and pair.favours == -1 and pair.difference.low is None
    assert pair.verdict == "not distinguishable" and pair.better is None
    twin = compared_answers(*(answered_of(true, predicted, names) for predicted in (true, plain)))
    assert twin.verdict == "one is better" and twin.better == 1


def test_no_row_is_better_where_most_speakers_are_for_the_other():
    """24 who speak little and two who speak most: the difference is theirs, the test counts each speaker once."""
    rng = np.random.default_rng(0)
    names, true, right = [], [], ([], [])
    for speaker in range(26):
        count = 60 if speaker < 24 else 1400
        names += [f"s{speaker:02}"] * count
        true += [i % 2 for i in range(count)]
        for found, (of_most, of_two) in zip(right, ((0.6, 0.95), (0.75, 0.8)), strict=True):
            found += (rng.random(count) < (of_most if speaker < 24 else of_two)).tolist()
    true = np.array(true)
    pair = compared_answers(*(answered_of(true, np.where(found, true, 1 - true), names) for found in right))
    assert pair.difference.value > 0.04 and pair.corrected < 0.001 and pair.favours == -1
    assert pair.verdict == "not distinguishable"


def test_numbers_of_speakers_with_one_recording_each_are_tested_by_their_errors():
    """Within a speaker no correlation is defined."""
    rng = np.random.default_rng(0)
    true, noise = rng.normal(size=(200, 1)), rng.normal(size=(200, 1))
    traits = dict.fromkeys(TRAITS, (None,) * 200) | {"corpus": ("c",) * 200}
    traits["speaker"] = tuple(f"s{i}" for i in range(200))
    keys = tuple(f"{i:03}" for i in range(200))
    near, far = (
        Answered.of(NumberPredictions(("arousal",), keys, true, true + scale * noise, traits)) for scale in (0.3, 1.2)
    )
    pair = compared_answers(far, near)
    assert pair.test == "Wilcoxon, 200 speakers" and pair.verdict == "other is better" and pair.better == 2


def answered_of(true, predicted, speakers) -> Answered:
    traits = dict.fromkeys(TRAITS, (None,) * len(true)) | {"corpus": ("c",) * len(true), "speaker": tuple(speakers)}
    keys = tuple(f"{i:05}" for i in range(len(true)))
    return Answered.of(Predictions(("a", "b"), keys, true, predicted, np.eye(2)[predicted], traits))


def compared_answers(one: Answered, other: Answered):
    """The corrected pair of two rows of one run each."""
    rows = [
        SimpleNamespace(name=name, units=lambda answered=answered: {0: SimpleNamespace(answered=answered)})
        for name, answered in (("one", one), ("other", other))
    ]
    (pair,) = corrected(compare_rows(rows))
    return pair


def test_the_sign_of_ranks_is_that_of_the_larger_sum():
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 60):
        values = np.append(rng.normal(0.3, 1, size).round(1), [0, np.nan])
        kept = values[(values != 0) & ~np.isnan(values)]
        ranks = rankdata(np.abs(kept))
        expected = np.sign(ranks[kept > 0].sum() - ranks[kept < 0].sum())
        assert rank_sign(values) == expected and rank_sign(-values) == -expected
    assert rank_sign(np.zeros(3)) == rank_sign(np.array([])) == 0


def test_rows_of_nearly_equal_settings_keep_names_of_their_own(tmp_path):
    """Settings are shown with six digits, unless they would be the same."""
    part = [row for fold in range(4) for row in part_of_fold(fold)]
    for noise, (lr, skill) in enumerate(((0.0012345671, 0.8), (0.0012345674, 0.3), (0.002, 0.3))):
        write_run(tmp_path, {"optimizer.lr": lr}, part, answers(part, skill, noise))
    found = compare([tmp_path], Question())
    assert [row.name for row in found.sections[0].rows if "00123" in row.name] == [
        "lr=0.0012345671", "lr=0.0012345674"
    ]  # fmt: skip
    (sheet,), remarks = texts_of(found)
    assert sheet.better == (1, 1) and {row[1] for row in sheet.rows} >= {"0.002"}
    text = as_text([sheet], remarks)
    assert text.count("1 is better") == 2 and "2 is better" not in text


def test_the_signed_rank_test_is_scipys():
    rng = np.random.default_rng(3)
    for n in (6, 9, 20, 50, 80):
        values = rng.normal(0.3, 1, n)
        assert signed_rank(values) == pytest.approx(wilcoxon(values).pvalue, abs=1e-12)
    for n in (6, 8, 10):  # equal values: scipy goes through all signs
        values = rng.integers(-2, 4, n).astype(float)
        every = PermutationMethod(n_resamples=np.inf)
        assert signed_rank(values) == pytest.approx(wilcoxon(values[values != 0], method=every).pvalue, abs=1e-12)
    assert signed_rank(np.zeros(9)) == 1


def test_the_interval_resamples_speakers_alike_in_both_rows(compared):
    pair = compared.pairs[0][1]
    one, other = two_frames(compared, pair)
    speakers = sorted(one["speaker"].unique())
    runs = [[_arrays(whole[whole["run"] == run], speakers) for whole in (one, other)] for run in one["run"].unique()]
    replicates = []
    for draw in np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), 2000)[:400]:
        scores = [[_resampled_uar(*arrays, draw) for arrays in pair_of_runs] for pair_of_runs in runs]
        shares = [draw[who].sum() / len(who) for (who, *_), _ in runs]
        replicates.append(np.average([ours - theirs for ours, theirs in scores], weights=shares))
    margin = t.ppf(0.975, 11) * np.sqrt(12 / 11) * np.std(replicates)
    assert pair.difference.high - pair.difference.value == pytest.approx(margin, rel=0.12)
    assert pair.difference.value - pair.difference.low == pytest.approx(margin, rel=0.12)


def test_holm_is_over_all_pairs_shown(compared):
    pairs = compared.pairs[0]
    expected = multipletests([pair.p for pair in pairs], method="holm")[1]
    assert [pair.corrected for pair in pairs] == pytest.approx(list(expected))
    for pair in pairs:
        sure = pair.corrected < 0.05 and not pair.difference.low <= 0 <= pair.difference.high
        assert pair.distinguishable is sure
        assert (pair.verdict == "not distinguishable") is not sure
    assert pairs[2].verdict == "log_mel, cnn2d is better"


def test_sections_share_one_correction(grid, tmp_path):
    for seed, skill in ((0, 0.4), (1, 0.9)):
        part = part_of_fold(0)
        write_run(tmp_path, {"split.k": 7, "optimizer.lr": skill}, part, answers(part, skill, seed))
    both = compare([grid, tmp_path], Question())
    tested = [pair for pairs in both.pairs for pair in pairs]
    assert len(both.pairs) == 2 and len(tested) == 4
    assert [pair.corrected for pair in tested] == pytest.approx(
        list(multipletests([pair.p for pair in tested], method="holm")[1])
    )


def test_where_test_ranks_all_pairs_are_corrected_for(grid):
    """The best of several on test is compared by what chose it; validation's choice is not."""
    for question, family in ((Question(), 3), (Question(sort="test/uar"), 6), (Question(sort="model"), 3)):
        found = compare([grid], question)
        raw = [pair.p for pair in found.pairs[0]]
        padded = multipletests([*raw, *[1.0] * (family - 3)], method="holm")[1][:3]
        assert [pair.corrected for pair in found.pairs[0]] == pytest.approx(list(padded))
        assert ("over all pairs of rows (6 here), not only those shown" in as_text(*texts_of(found))) == (family == 6)
    every = compare([grid], Question(sort="test/uar", pairs="all")).pairs[0]
    holm = multipletests([pair.p for pair in every], method="holm")[1]
    assert [pair.corrected for pair in every] == pytest.approx(list(holm))


def test_two_runs_of_few_speakers_are_tested_by_mcnemar(tmp_path):
    part = part_of_fold(0, each=6)
    for seed, model, skill in ((0, "mlp", 0.4), (1, "cnn1d", 0.7)):
        write_run(tmp_path, {"model": model}, part, answers(part, skill, seed))
    found = compare([tmp_path], Question())
    (pair,) = found.pairs[0]
    one, other = two_frames(found, pair)
    right = [(whole.sort_values("path")["true"] == whole.sort_values("path")["predicted"]) for whole in (one, other)]
    only_one, only_other = (right[0] & ~right[1]).sum(), (~right[0] & right[1]).sum()
    assert pair.test == f"McNemar, {len(part)} utterances"
    assert pair.p == pytest.approx(binomtest(only_one, only_one + only_other).pvalue)
    assert pair.difference.low is None and "3 speakers: too few" in pair.difference.remark


def test_six_seeds_of_few_speakers_are_tested_over_runs(tmp_path):
    part = part_of_fold(0)
    for seed in range(6):
        for noise, (model, skill) in enumerate((("mlp", 0.3), ("cnn1d", 0.8))):
            settings = {"model": model, "seed": seed, "split.seed": 0}
            write_run(tmp_path, settings, part, answers(part, skill, [seed, noise]))
    (pair,) = compare([tmp_path], Question()).pairs[0]
    assert pair.test == "Wilcoxon, 6 runs" and pair.p == pytest.approx(2 / 2**6)
    (few,) = compare([tmp_path], question_for_two_seeds()).pairs[0]
    assert few.test == f"Wilcoxon, {len(part)} utterances" and few.runs == 2


def question_for_two_seeds():
    from ser.comparison.conditions import Condition

    return Question(where=Condition("seed < 2", "--where"))


def test_nothing_shared_is_said(tmp_path):
    for seed, model in ((0, "mlp"), (1, "cnn1d")):
        write_run(tmp_path, {"model": model, "seed": seed}, part_of_fold(0), answers(part_of_fold(0), 0.5, seed))
    (pair,) = compare([tmp_path], Question()).pairs[0]
    assert pair.verdict == "no seed and fold in common: not compared" and pair.p is None and pair.corrected is None
    for fold, model in ((0, "mlp"), (1, "cnn1d")):
        part = part_of_fold(fold)
        write_run(tmp_path / "folds", {"model": model, "split.fold": fold}, part, answers(part, 0.5, fold))
    (pair,) = compare([tmp_path / "folds"], Question()).pairs[0]
    assert pair.verdict == "no shared test part: not compared"


def test_equal_answers_are_not_distinguishable(tmp_path):
    part = [row for fold in range(4) for row in part_of_fold(fold)]
    for model in ("mlp", "cnn1d"):
        write_run(tmp_path, {"model": model}, part, answers(part, 0.6, 0))
    (pair,) = compare([tmp_path], Question()).pairs[0]
    assert pair.difference.value == 0 and pair.p == 1 and pair.verdict == "not distinguishable"


def test_pooled_rows_are_paired_over_what_else_is_shared(grid):
    found = compare([grid], Question(group_by=("model",)))
    (pair,) = found.pairs[0]
    assert pair.runs == 16 and found.sections[0].rows[0].name == "cnn2d"
    means = [row.spread("test/uar").mean for row in found.sections[0].rows]
    assert pair.difference.value == pytest.approx(means[0] - means[1], abs=1e-12)


# --- simulated pairs -------------------------------------------------------------------------------------------------


def simulated(rng, skills, speakers=24, folds=6, seeds=1, each=5, differ=0.5, training=0.3) -> list[Row]:
    """Rows of runs in memory: a system is right more or less often with each speaker and each training.

    Args:
        rng: Draws.
        skills: Logit of each system's share of right answers.
        speakers, folds, seeds: Each speaker is tested in one fold of each seed.
        each: Utterances of a speaker in each class.
        differ: Standard deviation, over speakers, of a system's own ease with them, in logits.
        training: The same over trainings.
    """
    shared = rng.normal(0, 0.7, speakers)
    rows = []
    for number, skill in enumerate(skills):
        own = rng.normal(0, differ, speakers)
        runs = []
        for seed in range(seeds):
            for fold in range(folds):
                part = part_of_fold(fold, folds, speakers, each)
                who = np.array([int(name.rpartition("_")[2]) for _, name, _ in part])
                true = np.array([label for *_, label in part])
                chance = 1 / (1 + np.exp(-(skill + shared[who] + own[who] + rng.normal(0, training))))
                wrong = (true + rng.integers(1, len(CLASSES), len(true))) % len(CLASSES)
                predicted = np.where(rng.random(len(true)) < chance, true, wrong)
                tested = Answered(
                    CLASSES,
                    tuple(("c", key) for key, *_ in part),
                    true,
                    predicted,
                    tuple(n for _, n, _ in part),
                    f"{fold}",
                )
                config = config_with({"seed": seed, "split.seed": 0, "split.fold": fold, "optimizer.lr": number})
                score = {"test/uar": _uar(true, predicted)}
                runs.append(Run(Path(f"{number}"), "", "", config, score, tested))
        rows.append(Row({"optimizer.lr": number}, tuple(runs)))
    return rows


def _uar(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean([np.mean(predicted[true == label] == label) for label in np.unique(true)]))


def alarms(settings, skills, times, seed=0, pairs="best", chosen=False) -> float:
    """Share of simulated comparisons in which any pair is called distinguishable; `chosen`: test says who is first."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(times):
        rows = simulated(rng, skills, **settings)
        rows = ranked(rows, "test/uar") if chosen else rows
        found.append(corrected(compare_rows(rows, pairs), (len(rows) - 1) * (len(rows) - 2) // 2 * chosen))
    return float(np.mean([any(pair.distinguishable for pair in of_one) for of_one in found]))


def test_a_clear_difference_is_found():
    assert alarms({}, [1.2, 0.2], times=25) >= 0.9
    assert alarms({"speakers": 4, "folds": 1, "each": 30, "differ": 0}, [1.5, 0.5], times=25) >= 0.9  # McNemar
    assert alarms({"speakers": 4, "folds": 1, "seeds": 10}, [1.5, 0.0], times=25) >= 0.9  # over runs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "skills", "asked"),
    [  # over speakers the question is whether these trainings differ, so that trainings add nothing to it
        ({"training": 0.0}, [0.5, 0.5], "best"),
        ({"seeds": 3, "training": 0.0}, [0.5, 0.5], "best"),
        ({"speakers": 12, "folds": 1, "training": 0.0}, [0.5, 0.5], "best"),
        ({"speakers": 12, "folds": 12, "differ": 1.0, "training": 0.0}, [1.0, 1.0], "best"),
        ({"speakers": 4, "folds": 1, "differ": 0.0, "training": 0.0, "each": 20}, [0.5, 0.5], "best"),  # McNemar
        ({"speakers": 4, "folds": 1, "seeds": 8, "differ": 0.0}, [0.5, 0.5], "best"),  # over runs
        ({"training": 0.0}, [0.5] * 5, "all"),
        ({"training": 0.0}, [0.5] * 6, "best on test"),
    ],
)
def test_equal_systems_are_rarely_told_apart(settings, skills, asked):
    times, pairs = 400, asked.split()[0]
    assert alarms(settings, skills, times, pairs=pairs, chosen=asked == "best on test") <= 0.05 + 2.5 * np.sqrt(
        0.05 * 0.95 / times
    )
