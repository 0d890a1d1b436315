"""Any of Lightning's loggers, fed once an epoch; an unreachable server does not end the training."""

import logging
import textwrap
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger
from rich.console import Console

from ser.reports.tensorboard import final_scores

log = logging.getLogger("ser")
RETRY_S = 60.0


class LightningLogger:
    """Keeps points that could not be sent, and retries a minute later and when the run ends.

    Args:
        name: In the config, for messages.
        logger: One of Lightning's, or of the user's own.
        console: For a message when sending fails, and at the end if points are missing.
        retry_s: Seconds between two tries.
    """

    def __init__(self, name: str, logger: Logger, console: Console, retry_s: float = RETRY_S):
        self._name, self._logger, self._console, self._retry_s = name, logger, console, retry_s
        self._unsent: list[tuple[int, dict[str, float]]] = []
        self._try_at, self._warned = 0.0, False

    def begin(self, hparams: dict[str, Any]) -> Any:
        """Connects, which may raise anything, and returns the number or name that continues the run.

        Args:
            hparams: Settings of the run; empty where it continues and has them.
        """
        if hparams:
            self._logger.log_hyperparams(hparams)
        return self._logger.version

    def epoch(self, epoch: int, scores: dict[str, float], learning_rate: float) -> None:
        """One point on each curve."""
        self._unsent.append((epoch, {**scores, "train/learning_rate": learning_rate}))
        if time.monotonic() >= self._try_at:
            self._send()

    def result(self, config: dict[str, Any], metrics: dict[str, float], confusion: np.ndarray, protocol: str) -> None:
        """The final scores; config and protocol were sent at the beginning."""
        self._unsent.append((int(metrics["epochs"]), final_scores(metrics)))

    def flush(self) -> None:
        """Sends the remaining points."""
        self._send()
        self._attempt(self._logger.save)

    def close(self, status: str) -> None:
        """Ends the logger's run, as `success` or `failed`."""
        self._send()
        self._attempt(self._logger.finalize, status)
        if self._unsent:
            self._message(f"logger={self._name}: {len(self._unsent)} of this run's points could not be sent.")

    def _send(self) -> None:
        while self._unsent:
            epoch, scores = self._unsent[0]
            if not self._attempt(self._logger.log_metrics, scores, step=epoch):
                return
            del self._unsent[0]

    def _attempt(self, call: Callable, *arguments: Any, **named: Any) -> bool:
        try:
            call(*arguments, **named)
            return True
        except Exception as error:
            log.warning("logger=%s: %s", self._name, reason_of(error))
            if not self._warned:
                self._message(f"logger={self._name}: {reason_of(error)}. The run goes on, and sending is tried again.")
            self._try_at, self._warned = time.monotonic() + self._retry_s, True
            return False

    def _message(self, text: str) -> None:
        self._console.print(f"Note: {text}", highlight=False, markup=False, soft_wrap=True)


def reason_of(error: Exception) -> str:
    """One line, shortened and without a full stop.

    >>> reason_of(ValueError("no such run.")), reason_of(ValueError())
    ('no such run', 'ValueError')
    """
    return textwrap.shorten(str(error), 240, placeholder=" …").rstrip(".") or type(error).__name__
