"""Figures by group and the gaps between groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from ser.evaluation.confidence import Speakers
from ser.evaluation.groups import divide
from tests.evaluation.simulated import TRUTHS, made_of, simulate


def divided(part):
    return {division.trait: division for division in divide(part, Speakers.of(part))}


def ravdess_like(seed=0, num_speakers=24, **traits):
    """24 speakers, half of them women; each utterance normal or strong, of statement kids or dogs."""
    part = simulate(TRUTHS[1], num_speakers, np.random.default_rng(seed))
    numbers = np.arange(len(part)) // 60
    known = {
        "speaker": part.traits["speaker"],
        "gender": tuple(np.where(numbers % 2, "male", "female").tolist()),
        "intensity": tuple(np.where((np.arange(len(part)) % 2 > 0) & (part.true > 0), "strong", "normal").tolist()),
        "statement": tuple(np.where(np.arange(len(part)) % 4 < 2, "kids", "dogs").tolist()),
    }
    return made_of(part.true, np.log(part.probabilities), part.classes, **(known | traits))


@settings(max_examples=6)
@given(st.integers(0, 2**32))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_groups_are_scored_as_scikit_learn_scores_their_rows(seed):
    part = ravdess_like(seed)
    for trait, division in divided(part).items():
        names = np.array(part.traits[trait])
        for group in division.groups:
            true, predicted = part.true[names == group.name], part.predicted[names == group.name]
            expected = {
                "uar": balanced_accuracy_score(true, predicted),
                "wa": accuracy_score(true, predicted),
                "f1_macro": f1_score(true, predicted, average="macro"),
            }
            found = {name: estimate.value for name, estimate in group.figures.items()}
            assert found == pytest.approx(expected, abs=1e-9) and group.count == len(true)
        for figure, gap in division.gaps.items():
            values = [group.figures[figure].value for group in division.groups]
            assert gap.value == pytest.approx(max(values) - min(values), abs=1e-12)


def test_divisions_are_those_in_which_groups_differ():
    found = divided(ravdess_like(corpus=("ravdess",) * 1440))
    assert list(found) == ["gender", "speaker", "intensity", "statement"]  # one corpus is no division
    assert [group.name for group in found["gender"].groups] == ["female", "male"]
    assert len(found["speaker"].groups) == 24


def test_groups_without_a_class_say_so():
    intensity = divided(ravdess_like())["intensity"]
    normal, strong = intensity.groups
    assert normal.absent == () and strong.absent == ("a",)
    assert intensity.remark == "the groups have different classes"


def test_intervals_follow_the_speakers_of_a_group():
    found = divided(ravdess_like())
    assert all(group.figures["uar"].low is not None for group in found["gender"].groups)  # 12 speakers each
    assert {group.figures["uar"].remark for group in found["speaker"].groups} == {"1 speaker: too few; use crossval"}
    few = divided(ravdess_like(num_speakers=18, corpus=("x",) * 1080))["gender"]
    assert {group.figures["uar"].remark for group in few.groups} == {"9 speakers: too few; use crossval"}
    assert few.gaps["uar"].remark == "9 speakers: too few; use crossval"


def test_the_gap_of_two_groups_has_an_interval_that_may_hold_zero():
    found = divided(ravdess_like())
    gap = found["statement"].gaps["wa"]
    assert gap.low < 0 <= gap.value < gap.high, "statements were dealt out by chance"
    assert found["speaker"].gaps["wa"].remark == "largest less smallest of 24 groups"
    assert found["speaker"].gaps["wa"].low is None


def test_a_real_gap_is_found():
    part = ravdess_like()
    women = np.array(part.traits["gender"]) == "female"
    logits = np.log(part.probabilities)
    logits[women, part.true[women]] += 6
    part = made_of(part.true, logits, part.classes, **{trait: part.traits[trait] for trait in ("speaker", "gender")})
    gap = divided(part)["gender"].gaps["uar"]
    assert 0 < gap.low < gap.value < gap.high


def test_unknown_words_are_a_group_and_hundreds_are_not_listed():
    true = np.tile(np.arange(4), 120)
    logits = np.random.default_rng(0).standard_normal((480, 4))
    part = made_of(
        true, logits, "abcd", gender=("female", None) * 240, statement=tuple(f"say {i % 160}" for i in range(480))
    )
    found = divided(part)
    assert [group.name for group in found["gender"].groups] == ["female", "unknown"]
    assert found["gender"].groups[0].figures["uar"].remark == "speakers unknown: no interval"
    assert found["statement"].groups == () and found["statement"].remark == "160 groups: too many to list"
