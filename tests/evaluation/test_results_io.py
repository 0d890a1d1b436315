"""metrics.json and predictions.csv."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser.data.utterance import Utterance
from ser.evaluation import results_io as results
from ser.evaluation.metrics import softmax

CLASSES = ("angry", "happy, or so", "sad")


def made_up(count=40, seed=0):
    rng = np.random.default_rng(seed)
    speakers = [None, "s_1"]
    utterances = [
        Utterance(
            Path(f"/x/{i}.wav"), f"Act {i}/a,b.wav", "sad", "x", speaker=speakers[i % 2], gender="female",
            intensity=[None, "strong"][i % 2], statement="say it, now", word="now",
        )
        for i in range(count)
    ]  # fmt: skip
    return utterances, rng.integers(0, 3, count), (8 * rng.standard_normal((count, 3))).astype(np.float32)


def test_predictions_have_a_row_each(tmp_path):
    utterances, true, logits = made_up()
    results.write_predictions(tmp_path / "predictions.csv", utterances, true, logits, CLASSES)
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    known = ["corpus", "speaker", "gender", "intensity", "statement", "word"]
    assert header == ["path", *known, "true", "predicted", *CLASSES]
    probabilities = softmax(logits.astype(np.float64))
    for row, utterance, label, expected in zip(rows, utterances, true, probabilities, strict=True):
        assert row[:2] == [utterance.key, "x"]
        assert row[2:7] == [getattr(utterance, trait) or "" for trait in known[1:]]
        assert row[7:9] == [CLASSES[label], CLASSES[expected.argmax()]]
        assert [float(share) for share in row[9:]] == expected.tolist()  # to the last bit


def test_logits_are_in_the_file_up_to_a_constant_of_the_row(tmp_path):
    utterances, true, logits = made_up()
    results.write_predictions(tmp_path / "predictions_val.csv", utterances, true, logits, CLASSES)
    with (tmp_path / "predictions_val.csv").open(newline="", encoding="utf-8") as file:
        shares = [[float(row[name]) for name in CLASSES] for row in csv.DictReader(file)]
    found = np.log(shares)
    np.testing.assert_allclose(found - found[:, :1], (logits - logits[:, :1].astype(np.float64)), atol=1e-12)


def test_predictions_give_the_metrics_back(tmp_path):
    """What a reader computes from the file is what metrics.json says."""
    from sklearn.metrics import balanced_accuracy_score, log_loss

    from ser.evaluation.metrics import score

    utterances, true, logits = made_up(200)
    results.write_predictions(tmp_path / "predictions.csv", utterances, true, logits, CLASSES)
    table = pd.read_csv(tmp_path / "predictions.csv")
    scores = score(true, logits)
    assert balanced_accuracy_score(table["true"], table["predicted"]) == pytest.approx(scores["uar"], abs=1e-12)
    assert log_loss(table["true"], table[list(CLASSES)], labels=CLASSES) == pytest.approx(scores["loss"], abs=1e-9)


def test_metrics_are_flat_exact_and_one_a_line(tmp_path):
    metrics = {"test/uar": 1 / 3, "test/recall/sad": 0.1 + 0.2, "num_test": 12}
    results.write_metrics(tmp_path / "metrics.json", metrics)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == metrics and text.endswith("}\n") and len(text.splitlines()) == 5


def test_recalls_of_the_classes_that_occur():
    logits = np.eye(3)[[0, 0, 2]]
    found = results.recalls_of_test(np.array([0, 2, 2]), logits, ("angry", "calm", "sad"))
    assert found == {"test/recall/angry": 1.0, "test/recall/sad": 0.5}
    assert all(type(value) is float for value in found.values())


def test_a_failed_writing_leaves_the_old_file(tmp_path):
    utterances, true, logits = made_up()
    path = tmp_path / "predictions.csv"
    path.write_text("old")
    with pytest.raises(ValueError):
        results.write_predictions(path, utterances[:-1], true, logits, CLASSES)
    assert path.read_text() == "old" and [child.name for child in tmp_path.iterdir()] == ["predictions.csv"]
