"""The whole evaluation: of one run, of folds, as JSON, as metrics, and how long it takes."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from ser.errors import UserError
from ser.evaluation.baselines import majority
from ser.evaluation.calibration import fit_temperature
from ser.evaluation.confidence import Speakers
from ser.evaluation.evaluate import Fold, evaluate
from ser.evaluation.predictions import pool
from ser.evaluation.scores import score_part
from tests.evaluation.simulated import TRUTHS, simulate
from tests.evaluation.test_scores import parts


def fold(first=0, num_speakers=24, seed=0):
    """Test speakers `first`, …, and six for validation."""
    rng = np.random.default_rng(seed)
    test, val = (simulate(TRUTHS[1], count, rng) for count in (num_speakers, 6))
    keys = tuple(f"{first}/{key}" for key in test.keys)
    genders = tuple("fm"[int(name.split("_")[1]) % 2] for name in test.traits["speaker"])
    names = tuple(f"s{first + int(name.split('_')[1]):02}" for name in test.traits["speaker"])
    test = replace(test, keys=keys, traits=test.traits | {"speaker": names, "gender": genders})
    return Fold(test, val, {"majority": majority(val.true, test)})


def test_json_gives_it_back():
    data = evaluate([fold()]).as_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert set(data["systems"]) == {"model", "majority"} and data["num_speakers"] == 24
    assert data["systems"]["majority"]["by_class"]["a"]["precision"]["value"] is None  # never predicted
    assert len(data["reliability"]["after"]["counts"]) == 15
    assert [division["trait"] for division in data["divisions"]] == ["gender", "speaker"]


@settings(max_examples=100)
@given(parts())
@pytest.mark.filterwarnings("error")
def test_json_takes_whatever_is_evaluated(part):
    evaluation = evaluate([Fold(part, part, {"majority": majority(part.true, part)})], resamples=50)
    assert json.loads(json.dumps(evaluation.as_dict(), allow_nan=False)) == evaluation.as_dict()
    json.dumps(evaluation.as_metrics(), allow_nan=False)


def test_all_figures_but_calibration_have_intervals_and_metrics():
    evaluation = evaluate([fold()])
    figures = evaluation.systems["model"].overall
    assert list(figures) == ["uar", "wa", "f1_macro", "auroc", "top2", "ece", "ece_scaled"]
    assert figures["ece"].low is figures["ece"].high is figures["ece_scaled"].low is None
    assert all(it.low <= it.value <= it.high for name, it in figures.items() if not name.startswith("ece"))
    metrics = evaluation.as_metrics()
    assert metrics["test/uar"] == figures["uar"].value and metrics["test/uar/high"] == figures["uar"].high
    assert metrics["temperature"] == evaluation.temperatures[0] == pytest.approx(fit_temperature(fold().val))
    assert metrics["test/recall/a"] == evaluation.systems["model"].by_class["a"]["recall"].value
    assert all(type(value) is float for value in metrics.values())
    assert evaluation.remark == "" and evaluation.absent == ()


def test_temperature_is_the_validation_parts_alone():
    one = fold()
    silent = replace(one, test=replace(one.test, true=np.roll(one.test.true, 7)))
    assert evaluate([one]).temperatures == evaluate([silent]).temperatures


def test_scaling_mends_overconfidence():
    figures = evaluate([fold()]).systems["model"].overall
    assert figures["ece_scaled"].value < figures["ece"].value or figures["ece"].value < 0.05


def test_without_validation_there_is_no_scaling():
    evaluation = evaluate([replace(fold(), val=None)])
    assert evaluation.temperatures == () and list(evaluation.reliability) == ["before"]
    assert "ece_scaled" not in evaluation.systems["model"].overall and "temperature" not in evaluation.as_metrics()


def test_folds_are_one_part_each_at_its_temperature():
    folds = [fold(0, 8, seed=1), fold(8, 8, seed=2), fold(16, 8, seed=3)]
    evaluation = evaluate(folds)
    assert evaluation.num_speakers == 24 and evaluation.num_utterances == 24 * 60
    assert evaluation.temperatures == tuple(fit_temperature(one.val) for one in folds)
    pooled = pool([one.test for one in folds])
    assert evaluation.systems["model"].overall["uar"] == score_part(pooled, Speakers.of(pooled)).overall["uar"]
    assert evaluate(folds[:1]).remark == "8 speakers: too few; use crossval"
    assert "test/uar/low" not in evaluate(folds[:1]).as_metrics()


def test_folds_with_other_baselines_are_refused():
    with pytest.raises(UserError, match="different baselines"):
        evaluate([fold(0, 4), replace(fold(4, 4), baselines={})])


def test_systems_of_equal_predictions_have_equal_intervals():
    one = fold()
    evaluation = evaluate([replace(one, baselines={"twin": one.test})])
    model, twin = evaluation.systems["model"].overall, evaluation.systems["twin"].overall
    assert all(model[figure] == twin[figure] for figure in twin)


def test_ravdess_takes_less_than_three_seconds():
    one = fold()
    one = replace(one, baselines={"majority": one.baselines["majority"], "tree": one.test})
    seconds = []
    for _ in range(3):
        start = time.process_time()
        evaluate([one])
        seconds.append(time.process_time() - start)
    assert min(seconds) < 3, seconds
