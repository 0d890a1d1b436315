"""The progress bar over epochs, and the epochs' lines in the log file."""

import logging
import time

from pytorch_lightning import LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ser.training.callbacks.steps import EpochCallback
from ser.training.notebook import NotebookConsole, ProgressLine

log = logging.getLogger(__name__)


class EpochProgress(EpochCallback):
    """A bar over epochs on a terminal, in a notebook a line that changes, elsewhere a line now and then.

    Every epoch goes to the log file.

    Args:
        console: The terminal, or a notebook's.
        shown: Whether anything is drawn or printed.
        monitor: Metric shown beside the bar.
        every_s: Seconds between two lines where there is no terminal.
    """

    def __init__(self, console: Console, monitor: str | None, shown: bool = True, every_s: float = 30.0):
        self.console, self.monitor, self.shown, self.every_s = console, monitor, shown, every_s
        self.progress: Progress | None = None
        self.line: ProgressLine | None = None
        self._told_at = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not (trainer.is_global_zero and self.shown):
            return
        if isinstance(self.console, NotebookConsole):
            self.line = ProgressLine(self.console, "epoch", trainer.max_epochs, trainer.current_epoch)
        if not self.console.is_terminal:
            return
        columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
        self.progress = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
        self.progress.start()
        self._task = self.progress.add_task("", total=trainer.max_epochs, completed=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        scores = pl_module.scores
        line = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        log.info("epoch %d  %s", trainer.current_epoch, line)
        shown = self.monitor if self.monitor in scores else "train/loss"
        if self.progress is not None:
            self.progress.update(self._task, advance=1, description=f"{shown} {scores[shown]:.3f}")
        elif self.line is not None:
            self.line.show(trainer.current_epoch + 1, f"{shown} {scores[shown]:.3f}")
        elif self.shown and time.monotonic() - self._told_at >= self.every_s:
            self._told_at = time.monotonic()
            self.console.print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {line}", highlight=False)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "fit")
