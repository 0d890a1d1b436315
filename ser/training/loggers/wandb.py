"""Weights & Biases without output on the terminal and without a remaining process."""

import os
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from ser.instantiate import check_settings


class Wandb(WandbLogger):
    """Lightning's logger over the epochs; each run of a grid has its own, begun at once and ended with it.

    Args:
        settings: Of `wandb.init`.
    """

    package = "wandb"

    def __init__(self, **settings: Any):
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # W&B reports its own errors, offline too
        os.environ.setdefault("WANDB_DISABLE_WEAVE", "true")  # it advertises it where huggingface_hub is imported
        import wandb

        check_settings(wandb.init, settings, "logger.wandb")
        run = wandb.init(**settings)
        run.define_metric("*", step_metric="epoch")
        super().__init__(experiment=run)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """The horizontal axis is the epoch: W&B's own step counts calls, and goes on counting in a continued run."""
        super().log_metrics({**metrics, "epoch": step})

    def finalize(self, status: str) -> None:
        """Ends the run and W&B's process."""
        import wandb

        super().finalize(status)
        exit_code = 0 if status == "success" else 1
        self.experiment.finish(exit_code=exit_code)
        wandb.teardown(exit_code=exit_code)
