"""Gives the turn to other runs of the same process while this one goes through its epochs."""

from contextlib import suppress

import torch
from pytorch_lightning import LightningModule, Trainer

from ser.system.turns import give_turn, take_turn
from ser.training.callbacks.steps import EpochCallback


class SideBySide(EpochCallback):
    """The first callback of a run that is one of several in a process (`ser.system.turns`)."""

    def __init__(self):
        self._given = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        give_turn()
        self._given = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._take()
        if pl_module.device.type == "cuda":
            with suppress(RuntimeError):  # the error that ended it comes once more
                torch.cuda.current_stream().synchronize()  # steps that are on their way work in what is freed now
        pl_module.on_fit_end()  # Lightning does not call it: the memory of its graphs is for others now

    def _take(self) -> None:
        if self._given:
            self._given = False
            take_turn()
