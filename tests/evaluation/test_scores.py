"""Figures against scikit-learn, on random predictions in which classes are missing and probabilities are equal."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from ser.evaluation.confidence import Speakers
from ser.evaluation.scores import score_part
from tests.evaluation.simulated import made_of

EXACT = {"abs": 1e-9, "rel": 0, "nan_ok": True}


@st.composite
def parts(draw):
    """Predictions of a few speakers or of unknown ones; some classes missing, logits with few or many levels."""
    num_classes = draw(st.integers(2, 9))
    occurring = draw(st.lists(st.integers(0, num_classes - 1), min_size=1, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    true = rng.choice(occurring, draw(st.integers(1, 120)))
    logits = rng.standard_normal((len(true), num_classes)) * draw(st.sampled_from([0.1, 1, 5, 40]))
    if draw(st.booleans()):
        logits = np.round(logits)  # ties, between classes and between utterances
    names = [draw(st.sampled_from([None, "a", "b"])), "c", "d"]
    speakers = tuple(names[i] for i in rng.integers(0, 3, len(true)))
    return made_of(true, logits, [f"class {k}" for k in range(num_classes)], speaker=speakers)


@settings(max_examples=200)
@given(parts())
def test_figures_are_scikit_learns(part):
    true, shares, labels = part.true, part.probabilities, range(len(part.classes))
    scores = score_part(part, Speakers.of(part))
    mirrored = len(labels) - 1 - true  # of equal probabilities scikit-learn takes the last class, `ser` the first
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on classes that only the predictions have
        expected = {
            "uar": reference.balanced_accuracy_score(true, part.predicted),
            "wa": reference.accuracy_score(true, part.predicted),
            "f1_macro": reference.f1_score(true, part.predicted, average="macro"),
            "top2": 1.0
            if len(labels) == 2
            else reference.top_k_accuracy_score(mirrored, shares[:, ::-1], k=2, labels=labels),
        }
    assert {name: scores.overall[name].value for name in expected} == pytest.approx(expected, **EXACT)
    np.testing.assert_array_equal(scores.confusion, reference.confusion_matrix(true, part.predicted, labels=labels))


@settings(max_examples=200)
@given(parts())
def test_figures_of_each_class_are_scikit_learns(part):
    labels = range(len(part.classes))
    by_class = score_part(part, Speakers.of(part)).by_class
    columns = reference.precision_recall_fscore_support(part.true, part.predicted, labels=labels, zero_division=np.nan)
    for label, name in enumerate(part.classes):
        found = {figure: estimate.value for figure, estimate in by_class[name].items()}
        one_against_rest = part.true == label
        area = np.nan
        if 0 < one_against_rest.sum() < len(part):
            area = reference.roc_auc_score(one_against_rest, part.probabilities[:, label])
        precision, recall, f1 = (column[label] for column in columns[:3])
        expected = {"recall": recall, "precision": precision, "f1": f1, "auroc": area}
        assert found == pytest.approx(expected, **EXACT)
        assert np.isnan(found["recall"]) == (name in part.absent())


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(3, 8))
def test_mean_auroc_is_scikit_learns_where_all_classes_occur(seed, num_classes):
    rng = np.random.default_rng(seed)
    true = np.concatenate([np.arange(num_classes), rng.integers(0, num_classes, 60)])
    part = made_of(true, rng.standard_normal((len(true), num_classes)), map(str, range(num_classes)))
    expected = reference.roc_auc_score(true, part.probabilities, multi_class="ovr", average="macro")
    assert score_part(part, Speakers.of(part)).overall["auroc"].value == pytest.approx(expected, abs=1e-9, rel=0)


def test_absent_classes_are_named_and_left_out_of_means():
    part = made_of(np.array([0, 0, 2, 2]), np.eye(4)[[0, 1, 2, 2]], ("sad", "angry", "calm", "happy"))
    scores = score_part(part, Speakers.of(part))
    assert part.absent() == ("angry", "happy") and part.absent(part.true == 2) == ("sad", "angry", "happy")
    assert scores.overall["uar"].value == 0.75
    assert scores.overall["f1_macro"].value == pytest.approx((2 / 3 + 0 + 1) / 3)  # angry is predicted, happy is not
    assert scores.by_class["angry"]["recall"].remark == "not defined" and scores.by_class["happy"]["f1"].low is None


@pytest.mark.parametrize("num_speakers", [None, 5, 24])
def test_perfect_predictions_score_one(num_speakers):
    true = np.tile(np.arange(4), 60)
    speakers = None if num_speakers is None else tuple(f"s{i % num_speakers}" for i in range(len(true)))
    part = made_of(true, 50 * np.eye(4)[true], "abcd", **({"speaker": speakers} if speakers else {}))
    overall = score_part(part, Speakers.of(part)).overall
    assert {name: overall[name].value for name in overall} == pytest.approx(
        {"uar": 1, "wa": 1, "f1_macro": 1, "auroc": 1, "top2": 1, "ece": 0}, abs=1e-12
    )
    assert all(estimate.low is None and estimate.remark for estimate in overall.values())  # [1, 1] would be a boast
