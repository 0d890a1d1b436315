"""A run in TensorBoard: curves by epoch, confusion matrix, config, and a row in the HParams table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from ser.runs.identity import counts, flatten

# the first columns of the HParams table: its metrics are sorted by name, and the first few are shown
FINAL = tuple(f"{part}/{score}" for part in ("test", "val") for score in ("f1_macro", "loss", "uar", "wa"))


class RunBoard:
    """Writes one run's events into its directory.

    Args:
        folder: The run directory; TensorBoard calls the run by its name.
        first_epoch: Where writing begins; TensorBoard forgets what an interrupted process wrote from there on.
    """

    def __init__(self, folder: str, first_epoch: int = 0):
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch or None, flush_secs=5)

    def epoch(self, epoch: int, scores: dict[str, float], learning_rate: float) -> None:
        """One point on each curve; the horizontal axis is the epoch, so that batch sizes can be compared."""
        for name, value in {**scores, "train/learning_rate": learning_rate}.items():
            self._writer.add_scalar(name, value, epoch)

    def result(
        self, config: dict[str, Any], metrics: dict[str, float], confusion: np.ndarray, protocol: str = ""
    ) -> None:
        """The finished run: metrics, settings as text and as a row of the HParams table, confusion matrix or scatter
        (H, W, 3).

        Only a finished run has a row; interrupted and failed ones only have curves.

        TensorBoard takes the columns of its table from one run's experiment record and drops what other runs have
        beyond it. Without that record it takes the union over all runs, with every scalar as a metric; so only the
        session's start and end are written.
        """
        for name, value in final_scores(metrics).items():
            self._writer.add_scalar(name, value, metrics["epochs"])
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        self._writer.add_text("config", f"{protocol}\n\n```yaml\n{text}```", metrics["epochs"])
        name = "scatter" if "test/mae" in metrics else "confusion_matrix"
        self._writer.add_image(name, confusion, metrics["epochs"], dataformats="HWC")
        _, start, end = hparams({**hyperparameters(config), "protocol": protocol}, {})
        for record in (start, end):
            self._writer.file_writer.add_summary(record)

    def flush(self) -> None:
        """Writes what is buffered; a full disk shows here, before the run is marked as finished."""
        self._writer.flush()

    def close(self, status: str) -> None:
        """Flushes what is buffered."""
        self._writer.close()


def final_scores(metrics: dict[str, float]) -> dict[str, float]:
    """metrics.json under the loggers' names: the best `val/uar` is not a point of the curve `val/uar`.

    >>> final_scores({"val/uar": 0.5, "test/uar": 0.4, "test/recall/sad": 0.3, "epochs": 9})
    {'test/uar': 0.4, 'test/recall/sad': 0.3, 'final/val/uar': 0.5, 'final/test/uar': 0.4, 'run/epochs': 9}
    """
    test = {name: value for name, value in metrics.items() if name.startswith("test/")}
    final = {
        f"final/{name}": value for name, value in metrics.items() if name in FINAL or _of_both_parts(name, metrics)
    }
    others = {f"run/{name}": value for name, value in metrics.items() if not name.startswith(("test/", "val/"))}
    return {**test, **final, **others}


def _of_both_parts(name: str, metrics: dict[str, float]) -> bool:
    """Whether it is a score of validation and of test, as the metrics that a config adds."""
    score = name.partition("/")[2]
    return {f"val/{score}", f"test/{score}"} <= metrics.keys()


def hyperparameters(config: dict[str, Any]) -> dict[str, str | float | bool]:
    """The settings of the identity, flat, with the group choices by name; lists and nulls become strings.

    >>> hyperparameters({"choices": {"model": "mlp"}, "model": {"hidden": [8], "dropout": 0.1}})
    {'model': 'mlp', 'model.hidden': '[8]', 'model.dropout': 0.1}
    """
    row = {group: str(choice) for group, choice in config.get("choices", {}).items()}
    flat = dict(flatten(config))
    for key, value in flat.items():
        if (key == "batch_size" or counts(key, flat)) and not _named_by_choice(key, value, row):
            row[key] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return row


def _named_by_choice(key: str, value: Any, choices: Mapping[str, Any]) -> bool:
    """Whether it is the class of a group's choice, one of ours: `model` has the shorter name."""
    node, _, last = key.rpartition(".")
    return last == "_target_" and node in choices and str(value).startswith(("ser.", "torch."))
