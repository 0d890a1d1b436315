"""`best.ckpt`, the best epoch by validation, and `last.ckpt`, to resume from."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason

from ser.errors import UserError
from ser.evaluation.ranking import falls
from ser.training.callbacks.steps import EpochCallback


class Checkpoints(EpochCallback, Checkpoint):
    """Saves at epoch ends, after everything else of the epoch is done (Lightning calls checkpoint callbacks last).

    Saving only takes a copy; `checkpoint_files` writes it, in the order of the calls: a `last` that names the
    best epoch is never on disk before that `best` is.

    Args:
        best: File for the selected epoch.
        last: File to resume from; at most every `every_s` seconds, and always when training ends.
        monitor: Metric that selects the epoch, `val/uar`; None selects the last.
        every_s: Seconds between two writings of `last`: longer epochs are all saved, and the rest of a shorter one
            fits into the time that a signal leaves (`ser.system.stopping`).
        lower_is_better: Added metrics where lower is better.
    """

    def __init__(
        self, best: Path, last: Path, monitor: str | None, every_s: float = 4.0, lower_is_better: Sequence[str] = ()
    ):
        self.best, self.last, self.monitor, self.every_s = best, last, monitor, every_s
        self._falls = monitor is not None and falls(monitor, lower_is_better)
        self.best_epoch: int | None = None
        self.best_scores: dict[str, float] = {}
        self._started, self._seconds_before = time.monotonic(), 0.0
        self.complete = False  # whether training ended by its own rules
        self.saved_epoch: int | None = None  # of last.ckpt on disk
        self._saved_at = -float("inf")

    def seconds(self) -> float:
        """Time spent on the run, including interrupted processes up to their last saved epoch."""
        return self._seconds_before + time.monotonic() - self._started

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._improved(pl_module.scores):
            self.best_epoch, self.best_scores = trainer.current_epoch, dict(pl_module.scores)
            if self.monitor is not None:
                trainer.save_checkpoint(self.best)
        last_epoch = trainer.current_epoch + 1 == trainer.max_epochs
        ending = trainer.should_stop or last_epoch
        # early stopping in the very epoch in which a signal came is an end by rule all the same
        self.complete = last_epoch or any(_ended_training(callback) for callback in trainer.callbacks)
        if ending and self.monitor is None:
            trainer.save_checkpoint(self.best)
        due = ending or time.monotonic() - self._saved_at >= self.every_s
        if trainer.strategy.broadcast(due):  # ranks save together: rank 0's clock decides
            trainer.save_checkpoint(self.last)
            self.saved_epoch, self._saved_at = trainer.current_epoch, time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_epoch": self.best_epoch,
            "best_scores": self.best_scores,
            "complete": self.complete,
            "seconds": self.seconds(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_epoch, self.best_scores = state_dict["best_epoch"], state_dict["best_scores"]
        self.complete, self._seconds_before = state_dict["complete"], state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch > 0:  # resumed: that epoch is on disk
            self.saved_epoch = trainer.current_epoch - 1
        if self.complete:  # stopped early, then killed before the test part was scored
            trainer.should_stop = True

    def _improved(self, scores: dict[str, float]) -> bool:
        """Later epochs must be strictly better; the last epoch always is where nothing is monitored."""
        if self.monitor is None or self.best_epoch is None:
            return True
        if self.monitor not in scores:
            raise UserError(f"monitor={self.monitor} is not logged. Choose from: {', '.join(scores)}.")
        new, old = scores[self.monitor], self.best_scores[self.monitor]
        if math.isnan(old):  # a metric may not be defined for the predictions of some epoch
            return not math.isnan(new)
        return new < old if self._falls else new > old


def _ended_training(callback: Callback) -> bool:
    """Whether early stopping ended it. The wait count does not show it: with a patience of 0 training ends at the first
    epoch without improvement, with a count of 0."""
    return isinstance(callback, EarlyStopping) and callback.stopping_reason != EarlyStoppingReason.NOT_STOPPED
