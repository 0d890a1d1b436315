"""What a finished run leaves in figures: metrics.json and predictions.csv."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ser.data.corpus import Utterance
from ser.files import write_atomically, write_text
from ser.metrics import confusion_matrix, recalls, softmax


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
    """predictions.csv: path, speaker, true and predicted class, then the probability of each class.

    Args:
        path: The file.
        utterances: The test part, in the order of the rows below.
        true: Labels (N,).
        logits: (N, K).
        classes: Names in label order.
    """
    probabilities = softmax(np.asarray(logits, dtype=np.float64))

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "speaker", "true", "predicted", *classes])
            for utterance, label, row, scores in zip(utterances, true, probabilities, logits, strict=True):
                shares = [f"{share:.9g}" for share in row]
                names = [classes[label], classes[int(scores.argmax())]]
                writer.writerow([utterance.key, utterance.speaker or "", *names, *shares])

    write_atomically(path, write)
