"""What is scored each epoch, against scikit-learn and torchmetrics' own classes; and what a config may not add."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from torchmetrics import classification

from ser.errors import UserError
from ser.evaluation.epoch_scores import added_metrics, build_metrics, compute, falling, score
from ser.evaluation.metrics import softmax

MULTICLASS = "torchmetrics.classification.Multiclass"
FILES = sorted((Path(__file__).parents[2] / "configs" / "metrics").glob("[!n]*.yaml"))  # without `none`


@st.composite
def predictions(draw):
    """Labels of which some classes may be missing, and logits of any size."""
    num_classes = draw(st.integers(2, 9))
    occurring = draw(st.lists(st.integers(0, num_classes - 1), min_size=1, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    true = rng.choice(occurring, draw(st.integers(1, 80)))
    logits = rng.standard_normal((len(true), num_classes)) * draw(st.sampled_from([0.1, 1, 5]))
    return true, logits.astype(draw(st.sampled_from([np.float32, np.float64])))


def scores_of(true, logits, nodes=None):
    return score(true, logits, build_metrics(nodes, logits.shape[1]))


def of(name, **more):
    return {"x": {"_target_": MULTICLASS + name, **more}}


@settings(max_examples=200)
@given(predictions())
def test_scores_are_scikit_learns(drawn):
    true, logits = drawn
    predicted, num_classes = logits.argmax(axis=1), logits.shape[1]
    exact = logits.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on classes that only the predictions have
        expected = {
            "uar": reference.balanced_accuracy_score(true, predicted),
            "wa": reference.accuracy_score(true, predicted),
            "f1_macro": reference.f1_score(true, predicted, average="macro"),
            "loss": reference.log_loss(true, softmax(exact), labels=range(num_classes)),
        }
    found = scores_of(true, logits)
    assert found.keys() == expected.keys() and all(type(value) is float for value in found.values())
    assert found == pytest.approx(expected, abs=1e-12, rel=1e-12)


def test_scores_are_torchmetrics_own_where_every_class_occurs():
    rng = np.random.default_rng(0)
    true, logits = np.arange(300) % 7, rng.standard_normal((300, 7))
    own = {
        "uar": classification.MulticlassRecall(7, average="macro"),
        "wa": classification.MulticlassAccuracy(7, average="micro"),
        "f1_macro": classification.MulticlassF1Score(7, average="macro"),
    }
    expected = {name: float(metric(torch.tensor(logits), torch.tensor(true))) for name, metric in own.items()}
    assert {**scores_of(true, logits), "loss": None} == pytest.approx(expected | {"loss": None}, abs=1e-6)


def test_a_class_that_is_never_true_does_not_lower_the_mean():
    found = scores_of(np.array([0, 0, 1, 1]), np.eye(3)[[0, 0, 1, 2]])
    assert found["uar"] == 0.75 and found["wa"] == 0.75
    assert found["f1_macro"] == pytest.approx((1 + 2 / 3 + 0) / 3)  # but a wrongly predicted one lowers F1


def test_certain_and_wrong_stays_finite():
    found = scores_of(np.array([0]), np.array([[-1e5, 1e5]]))
    assert 700 < found["loss"] < np.inf  # the smallest float64 is e^-708


@pytest.mark.filterwarnings("error")
def test_metrics_of_a_config_take_decisions_and_probabilities():
    nodes = {name: node for file in FILES for name, node in yaml.safe_load(file.read_text()).items()}
    assert [file.stem for file in FILES] == list(nodes), "a file a metric, by its name"
    rng = np.random.default_rng(1)
    true, logits = np.arange(200) % 5, rng.random((200, 5)).astype(np.float32)  # in [0, 1], and no probabilities
    found = scores_of(true, logits, nodes | of("CohenKappa", weights="quadratic"))
    shares, predicted = softmax(logits.astype(np.float64)), logits.argmax(axis=1)
    expected = {
        "auroc_macro": reference.roc_auc_score(true, shares, multi_class="ovr", average="macro"),
        "kappa": reference.cohen_kappa_score(true, predicted),
        "mcc": reference.matthews_corrcoef(true, predicted),
        "x": reference.cohen_kappa_score(true, predicted, weights="quadratic"),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found.keys() - expected.keys() == {"uar", "wa", "f1_macro", "calibration_error", "loss"}
    assert falling(nodes, added_metrics(nodes, 5)) == ["calibration_error"]


@pytest.mark.filterwarnings("error")
def test_a_part_of_one_class_defines_what_it_defines():
    metrics = added_metrics(of("CohenKappa") | {"auroc_macro": {"_target_": MULTICLASS + "AUROC"}}, 3)
    found = compute(metrics, np.zeros(4, dtype=np.int64), np.tile([0.8, 0.1, 0.1], (4, 1)))
    assert np.isnan(found["x"]), "0 / 0"


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (of("CohenKapa"), "Did you mean torchmetrics.classification.MulticlassCohenKappa?"),
        ({"x": {"_target_": "torchmetrics.CohenKappa"}}, "Did you mean torchmetrics.classification.MulticlassCohenKa"),
        ({"x": {"_target_": "torchmetrics.regression.MeanSquaredError"}}, "not a metric of torchmetrics.classif"),
        ({"x": {"_target_": "torchmetrics.text.bert.BERTScore"}}, "not a metric of torchmetrics.classification"),
        ({"x": {"_target_": "torchmetrics.classification.BinaryAccuracy"}}, "cannot be computed from probabilities"),
        ({"x": {"_target_": "torch.nn.Linear"}}, "a subclass of torchmetrics.Metric"),
        ({"x": {"_target_": "os.system"}}, "outside the trusted packages"),
        ({"x": {"weights": "linear"}}, "names no _target_"),
        ({"x": 3}, "names no _target_"),
        ({"x": None}, "names no _target_"),
        (of("CohenKappa", weights="cubic"), "metrics.x.weights=cubic must be linear, quadratic or none"),
        (of("CohenKappa", weight="linear"), "metrics.x has no setting 'weight'. Did you mean 'weights'?"),
        (of("CohenKappa", num_classes=8), "has no setting 'num_classes'"),
        (of("FBetaScore"), "needs a value for metrics.x.beta"),
        (of("FBetaScore", beta=-1.0), "metrics.x: Expected argument `beta`"),
        (of("ConfusionMatrix"), "numbers of shape (4, 4), but a logged metric must be one number. Take another"),
        (
            of("Accuracy", average="none"),
            "of shape (4,), but a logged metric must be one number. Set metrics.x.average=macro",
        ),
        (of("PrecisionRecallCurve"), "returns a tuple"),
        ({"uar": of("CohenKappa")["x"]}, "'uar' names another figure"),
        ({"auroc": of("AUROC")["x"]}, "'auroc' names another figure"),
        ({"a/b": of("AUROC")["x"]}, "letters, digits and _ only"),
        (of("EER", higher_is_better="no"), "metrics.x.higher_is_better=no must be true or false"),
    ],
)
def test_what_is_no_metric_is_refused_in_one_sentence(nodes, words):
    with pytest.raises(UserError) as caught:
        build_metrics(nodes, 4)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_metric_that_says_no_direction_can_be_told_it():
    nodes = of("EER", average="macro")
    metrics = added_metrics(nodes, 4)
    assert falling(nodes, metrics, ["val/uar"]) == []
    with pytest.raises(UserError, match="EER does not say .* add .metrics.x.higher_is_better"):
        falling(nodes, metrics, ["val/x"])
    nodes["x"]["higher_is_better"] = False
    assert falling(nodes, added_metrics(nodes, 4), ["val/x"]) == ["x"]


@pytest.mark.parametrize("numbers", [False, True])
def test_no_metric_asks_other_ranks(numbers):
    """Each is given what all ranks have gathered: asking again would count it twice, and hide that a rank is gone."""
    added = {} if numbers else of("CohenKappa")
    metrics = build_metrics(added, 3, numbers=numbers)
    assert metrics and not any(part.sync_on_compute for metric in metrics.values() for part in metric.modules())
