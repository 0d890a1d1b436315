"""Learning curves: one point an epoch, written when the epoch is done."""

from pytorch_lightning import LightningModule, Trainer

from ser.training.callbacks.steps import EpochCallback
from ser.training.loggers.run_loggers import RunLoggers


class Curves(EpochCallback):
    """Sends each epoch's scores and learning rate to the loggers (rank 0 only).

    Args:
        loggers: Receive them.
    """

    def __init__(self, loggers: RunLoggers):
        self.loggers = loggers

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.loggers.epoch(trainer.current_epoch, pl_module.scores, trainer.optimizers[0].param_groups[0]["lr"])
