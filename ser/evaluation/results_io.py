"""What a finished run leaves in figures: metrics.json, predictions.csv and predictions_val.csv."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser.data.utterance import Utterance
from ser.evaluation.metrics import confusion_matrix, recalls, softmax
from ser.system.files import write_atomically, write_text

TRAITS = ("corpus", "speaker", "gender", "intensity", "statement", "word")
"""What predictions.csv says of an utterance, by the names of `Utterance`'s fields."""


def ranking_metric(configs: Iterable[Mapping[str, Any]]) -> str:
    """The metric of validation that ranks some runs: their monitor; where they have different ones, `val/uar`.

    Args:
        configs: Of at least one run.
    """
    monitors = {str(config.get("monitor") or "val/uar") for config in configs}
    return monitors.pop() if len(monitors) == 1 else "val/uar"


def recalls_of_test(true: np.ndarray, logits: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """`test/recall/<class>` of each class that occurs."""
    values = recalls(confusion_matrix(true, logits.argmax(axis=1), len(classes)))
    return {f"test/recall/{name}": float(v) for name, v in zip(classes, values, strict=True) if np.isfinite(v)}


def write_metrics(path: Path, metrics: dict[str, float]) -> None:
    """metrics.json: flat, one figure a line."""
    write_text(path, json.dumps(metrics, indent=2) + "\n")


def write_predictions(
    path: Path, utterances: Sequence[Utterance], true: np.ndarray, logits: np.ndarray, classes: Sequence[str]
) -> None:
    """predictions.csv: path, what is known of the utterance, true and predicted class, the probability of each class.

    Columns: `path`, those of `TRAITS` (empty where the corpus does not know), `true`, `predicted`, then one for each
    class by its name. Probabilities are the softmax in float64, written with as many digits as give back the very same
    number: every figure can be recomputed from the file, and the logarithm of a probability is its logit up to a
    constant of the row, all that temperature scaling needs (`ser.evaluation.calibration`).

    Args:
        path: The file.
        utterances: The part, in the order of the rows below.
        true: Labels (N,).
        logits: (N, K).
        classes: Names in label order.
    """
    logits = np.asarray(logits, dtype=np.float64)
    rows = (
        [utterance.key, [getattr(utterance, trait) for trait in TRAITS], label, best, shares]
        for utterance, label, best, shares in zip(
            utterances, true, logits.argmax(axis=1), softmax(logits).tolist(), strict=True
        )
    )
    write_rows(path, rows, classes)


def write_rows(path: Path, rows: Iterable[Sequence], classes: Sequence[str]) -> None:
    """The file of `write_predictions` from rows of key, traits, true label, predicted label and probabilities."""

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", *TRAITS, "true", "predicted", *classes])
            for key, traits, label, best, shares in rows:
                writer.writerow([key, *(word or "" for word in traits), classes[label], classes[best], *shares])

    write_atomically(path, write)
