"""Learning curves: one point an epoch, written when the epoch is done."""

from pytorch_lightning import LightningModule, Trainer

from ser.reports.tensorboard import RunBoard
from ser.training.callbacks.steps import EpochCallback


class Curves(EpochCallback):
    """Sends each epoch's scores and learning rate to TensorBoard (rank 0 only).

    Args:
        board: Where to.
    """

    def __init__(self, board: RunBoard):
        self.board = board

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.board.epoch(trainer.current_epoch, pl_module.scores, trainer.optimizers[0].param_groups[0]["lr"])
