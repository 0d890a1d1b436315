"""Averaged weights: what is validated, saved and tested in place of the weights that are trained."""

import copy
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from ser.training.callbacks.steps import EpochCallback


class AveragedWeights(EpochCallback):
    """An exponential moving average of weights and running statistics, over optimizer steps.

        a ← a + (1 − d) (w − a),   d = min(decay, n / (9 + n)) in step n

    The decay grows from 0.1 (as in TensorFlow's `ExponentialMovingAverage`), so that a short training forgets its
    initial weights too. In a checkpoint the average is the `state_dict`; the keys are Lightning's `WeightAveraging`'s.

    Args:
        decay: d in the long run, in (0, 1).
    """

    def __init__(self, decay: float):
        self.decay = decay

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            average = copy.deepcopy(pl_module).eval().requires_grad_(False)
            self.average = trainer.precision_plugin.convert_module(average)  # as Lightning will convert the module
            self.num_updates = torch.zeros((), device=pl_module.device)
            pl_module.averaged = self

    @torch.no_grad()
    def update(self, pl_module: LightningModule) -> None:
        """Moves the average towards the weights after an optimizer step; nothing waits for the device."""
        self.num_updates += 1
        share = 1 - (self.num_updates / (9 + self.num_updates)).clamp(max=self.decay)
        averages, weights = _tensors(self.average), _tensors(pl_module)
        moving = [i for i, average in enumerate(averages) if average.is_floating_point()]
        towards = torch._foreach_sub([weights[i] for i in moving], [averages[i] for i in moving])
        torch._foreach_mul_(towards, share)
        torch._foreach_add_([averages[i] for i in moving], towards)

    def tensors(self) -> list[Tensor]:
        """What `update` changes."""
        return [self.num_updates, *_tensors(self.average)]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.averaged = None
        pl_module.load_state_dict(self.average.state_dict())

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["current_model_state"] = checkpoint["state_dict"]
        checkpoint["state_dict"] = self.average.state_dict()
        checkpoint["averaging_state"] = {"n_averaged": self.num_updates}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.average.load_state_dict(checkpoint["state_dict"])
        pl_module.load_state_dict(checkpoint["current_model_state"])
        self.num_updates.copy_(checkpoint["averaging_state"]["n_averaged"])


def _tensors(module: LightningModule) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
