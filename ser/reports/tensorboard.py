"""What TensorBoard shows of a run: curves by epoch, confusion matrix, config, and a row in the HParams table."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from ser.runs.identity import counts, flatten


class RunBoard:
    """Writes one run's events into its directory.

    Args:
        folder: The run directory; TensorBoard calls the run by its name.
        first_epoch: Where writing begins; TensorBoard forgets what an interrupted process wrote from there on.
    """

    def __init__(self, folder: Path, first_epoch: int = 0):
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch or None, flush_secs=5)

    def epoch(self, epoch: int, scores: dict[str, float], learning_rate: float) -> None:
        """One point on each curve; the horizontal axis is the epoch, so that batch sizes can be compared."""
        for name, value in {**scores, "train/learning_rate": learning_rate}.items():
            self._writer.add_scalar(name, value, epoch)

    def result(self, config: dict[str, Any], metrics: dict[str, float], confusion: np.ndarray) -> None:
        """The finished run: metrics, settings as text and as a row of the HParams table, confusion matrix (H, W, 3).

        TensorBoard takes the columns of its table from one run's experiment record and drops what other runs have
        beyond it. Without that record it takes the union over all runs, with every scalar as a metric; so only the
        session's start and end are written.
        """
        for name, value in metrics.items():
            if name.startswith("test/"):
                self._writer.add_scalar(name, value, metrics["epochs"])
        for name, value in metrics.items():
            self._writer.add_scalar(f"final/{name}", value, 0)
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        self._writer.add_text("config", f"```yaml\n{text}```")
        self._writer.add_image("confusion_matrix", confusion, dataformats="HWC")
        _, start, end = hparams(hyperparameters(config), {})
        for record in (start, end):
            self._writer.file_writer.add_summary(record)

    def close(self) -> None:
        """Flushes what is buffered."""
        self._writer.close()


def hyperparameters(config: dict[str, Any]) -> dict[str, str | float | bool]:
    """The settings that count, flat, with the group choices by name; lists and nulls become strings.

    >>> hyperparameters({"choices": {"model": "mlp"}, "model": {"hidden": [8], "dropout": 0.1}})
    {'model': 'mlp', 'model.hidden': '[8]', 'model.dropout': 0.1}
    """
    row = {group: str(choice) for group, choice in config.get("choices", {}).items()}
    for key, value in flatten(config):
        if key == "batch_size" or counts(key):
            row[key] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return row
