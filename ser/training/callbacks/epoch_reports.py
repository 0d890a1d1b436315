"""Reports of a training run to a search."""

from collections.abc import Callable

from pytorch_lightning import LightningModule, Trainer

from ser.training.callbacks.steps import EpochCallback


class EpochReports(EpochCallback):
    """Reports the scores of each epoch to a callback, which may raise `ser.errors.Pruned`.

    Args:
        report: Takes the epoch, counted from 0, its scores, and whether training ends with it.
    """

    def __init__(self, report: Callable[[int, dict[str, float], bool], None]):
        self._report = report

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        is_last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        self._report(trainer.current_epoch, dict(pl_module.scores), is_last)
