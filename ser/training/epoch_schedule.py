"""What the steps of an epoch read on their device, so that none waits for the host, and none is told anything by it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau


class EpochSchedule:
    """Which utterances each step takes and its learning rates; and what its loss was.

    Everything stays at one address through all epochs: a recorded step reads and writes it.

    Args:
        num_utterances: N, of an epoch.
        num_steps: Batches of an epoch.
        num_groups: Parameter groups of the optimizer.
        device: The training device.
    """

    def __init__(self, num_utterances: int, num_steps: int, num_groups: int, device: torch.device):
        self.order = torch.zeros(num_utterances, dtype=torch.int64, device=device)
        self.rates = torch.zeros(num_steps, num_groups, device=device)
        self.losses = torch.zeros(num_steps, device=device)
        self.rate = torch.zeros(num_groups, device=device)  # of this step
        self._numbers = torch.arange(num_steps, device=device)
        self._step, self._begin = (torch.zeros(1, dtype=torch.int64, device=device) for _ in range(2))

    def begin(self, order: np.ndarray, rates: Sequence[Sequence[float]]) -> None:
        """Begins an epoch: its order (N,), and the learning rates of each step."""
        self.order.copy_(torch.from_numpy(order))
        self.set_rates(0, rates)
        for place in (self._step, self._begin, self.losses):
            place.zero_()

    def set_rates(self, step: int, rates: Sequence[Sequence[float]]) -> None:
        """Writes the learning rates of a step and those after it."""
        self.rates[step:].copy_(torch.tensor(rates))

    def take(self, count: int) -> Tensor:
        """The utterances of this step (B,), of which there are `count`, and its learning rates into `rate`."""
        self.rate.copy_(self.rates.index_select(0, self._step)[0])
        places = self._begin + torch.arange(count, device=self.order.device)
        return self.order.index_select(0, places.clamp_(max=len(self.order) - 1))

    def advance(self, loss: Tensor, count: int) -> None:
        """Notes the loss () of this step; the next one is behind its utterances."""
        torch.where(self._numbers == self._step, loss.float(), self.losses, out=self.losses)
        self._step.add_(1).clamp_(max=len(self.rates) - 1)  # steps that try out what is recorded may go past the end
        self._begin += count

    def tensors(self) -> list[Tensor]:
        """What a step changes."""
        return [self.losses, self.rate, self._step, self._begin]


def rates_ahead(
    scheduler: LRScheduler | ReduceLROnPlateau, optimizer: Optimizer, moves: Sequence[bool]
) -> tuple[list[list[float]], bool]:
    """The learning rates of the steps to come, by going through the schedule and back.

    Args:
        scheduler: Of the optimizer.
        optimizer: Its groups have the rates of the first step.
        moves: For each step, whether the schedule moves behind it.

    Returns:
        Rates by step and group, and whether they are all that the schedule changes.
    """
    groups, fixed = optimizer.param_groups, fixed_settings(optimizer)
    if isinstance(scheduler, ReduceLROnPlateau):  # it moves between epochs
        return [[group["lr"] for group in groups] for _ in moves], True
    state, kept = scheduler.state_dict(), [dict(group) for group in groups]
    rates, alone = [], True
    for move in moves:
        rates.append([group["lr"] for group in groups])
        if move:
            scheduler.step()
            alone = alone and fixed == fixed_settings(optimizer)
    scheduler.load_state_dict(state)
    for group, before in zip(groups, kept, strict=True):
        group.update(before)
    return rates, alone


def fixed_settings(optimizer: Optimizer) -> list[dict[str, Any]]:
    """What a graph has fixed of each group: all settings but the learning rate, which it reads."""
    read = ("params", "lr", "initial_lr")
    return [{key: value for key, value in group.items() if key not in read} for group in optimizer.param_groups]
