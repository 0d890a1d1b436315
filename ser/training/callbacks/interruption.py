"""Ctrl-C and SIGTERM (a cluster's time limit): stop where the run can be continued exactly."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning import LightningModule, Trainer

from ser.errors import Interrupted
from ser.system.stopping import SIGNALS, ending_in_time
from ser.training.callbacks.checkpoints import Checkpoints
from ser.training.callbacks.steps import EpochCallback


class Interruption(EpochCallback):
    """Turns the first signal into an orderly end, the second into an immediate one.

    Resuming is exact from an epoch's end. Short epochs are therefore finished and saved; an epoch so long that the end
    of the one before lies in `last.ckpt` is dropped at once. Outside training any work is stopped at once, and
    a process that does not end in time is ended (`ser.system.stopping`).
    """

    def __init__(self):
        self.checkpoints: Checkpoints | None = None  # knows the saved epoch; set when training is put together
        self.signum: int | None = None
        self._training = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handles both signals inside the block."""
        before = {signum: signal.getsignal(signum) for signum in SIGNALS}
        self._take_signals()
        try:
            with ending_in_time():
                yield
        finally:
            self._set(before)

    def raise_if_asked(self) -> None:
        """Ends the run, after training, if a signal came."""
        if self.signum is not None:
            raise Interrupted(self.signum)

    def ask(self, signum: int) -> None:
        """Asks for an orderly end, as a signal does; only training stops early."""
        self.signum = self.signum or signum

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.raise_if_asked()
        self._take_signals()  # Lightning has put its own SIGTERM handler in front
        self._training = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args) -> None:
        if self.signum is not None and not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._drop_epoch(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take_signals()

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args) -> None:
        if self.signum is not None:
            self._drop_epoch(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take_signals()

    def _drop_epoch(self, trainer: Trainer) -> None:
        """Ends training at once where the epoch before is saved; ranks go on together to the end of the epoch."""
        if trainer.world_size == 1 and self.checkpoints.saved_epoch in (None, trainer.current_epoch - 1):
            raise Interrupted(self.signum)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.strategy.reduce_boolean_decision(self.signum is not None, all=False):
            self.signum = self.signum or signal.SIGTERM  # another rank was asked: all stop
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training = False

    def _take_signals(self) -> None:
        self._set(dict.fromkeys(SIGNALS, self._handle))

    def _set(self, handlers: dict) -> None:
        if threading.current_thread() is threading.main_thread():  # Python handles signals only there
            for signum, handler in handlers.items():
                signal.signal(signum, handler)

    def _handle(self, signum: int, frame: object) -> None:
        asked_before, self.signum = self.signum is not None, signum
        if asked_before or not self._training:
            raise Interrupted(signum)
