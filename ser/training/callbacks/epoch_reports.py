"""What a search hears of a run while it trains."""

from collections.abc import Callable

from pytorch_lightning import LightningModule, Trainer

from ser.training.callbacks.steps import EpochCallback


class EpochReports(EpochCallback):
    """Tells the scores of each epoch to somebody who may raise `ser.errors.Pruned`.

    Args:
        tell: Takes the epoch, counted from 0, its scores, and whether training ends with it.
    """

    def __init__(self, tell: Callable[[int, dict[str, float], bool], None]):
        self._tell = tell

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        is_last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        self._tell(trainer.current_epoch, dict(pl_module.scores), is_last)
