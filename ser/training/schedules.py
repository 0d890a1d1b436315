"""Learning-rate schedules: each takes an optimizer and the number of optimizer steps of the run, and gives a scheduler.

They are functions so that a YAML names one by `_target_`; warm-up and the like are shares of the run, so that a
schedule fits any corpus, batch size and number of epochs.
"""

import math
from collections.abc import Sequence
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from ser.evaluation.ranking import falls
from ser.system.ranges import Index, Range, Rate, Share

Divisor = Annotated[float, Range(0, 10**9, "low")]


def constant(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    """The optimizer's own learning rate throughout."""
    return LambdaLR(optimizer, lambda step: 1.0)


def cosine(optimizer: Optimizer, total_steps: int, warmup: Rate = 0.05, final: Share = 0.0) -> LRScheduler:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, without restarts).

    Args:
        optimizer: Its learning rate is the peak.
        total_steps: Optimizer steps of the run.
        warmup: Share of the run in which the rate rises from near zero.
        final: Rate at the end, as a share of the peak.
    """
    warmup_steps = int(warmup * total_steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, factor)


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    warmup: Share = 0.3,
    start_divisor: Divisor = 25.0,
    end_divisor: Divisor = 1e4,
) -> LRScheduler:
    """Up and down once, momentum the opposite way (Smith and Topin 2018; `torch.optim.lr_scheduler.OneCycleLR`).

    Args:
        optimizer: Its learning rate is the peak.
        total_steps: Optimizer steps of the run.
        warmup: Share of the run in which the rate rises.
        start_divisor: The first rate is the peak divided by this.
        end_divisor: The last rate is the first one divided by this.
    """
    return OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps + 1,
        pct_start=warmup,
        div_factor=start_divisor,
        final_div_factor=end_divisor,
        # an optimizer without momentum stays without
        cycle_momentum=all("betas" in group or group.get("momentum") for group in optimizer.param_groups),
    )


def plateau(
    optimizer: Optimizer,
    total_steps: int,
    monitor: str = "val/loss",
    factor: Annotated[float, Range(0, 1, "both")] = 0.5,
    patience: Index = 5,
    min_lr: Annotated[float, Range(0, 1000)] = 0.0,
    lower_is_better: Sequence[str] = (),
) -> ReduceLROnPlateau:
    """Lowers the rate when a metric has stopped improving; stepped once an epoch.

    Args:
        optimizer: Its learning rate is the first one.
        total_steps: Not needed here.
        monitor: A logged metric, `val/loss`, `val/uar` `train/loss` or one of `metrics`.
        factor: The rate is multiplied by this.
        patience: Epochs without improvement before that.
        min_lr: Lowest rate.
        lower_is_better: Added metrics where lower is better; passed at composition.
    """
    mode = "min" if falls(monitor, lower_is_better) else "max"
    scheduler = ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience, min_lr=min_lr)
    scheduler.monitor = monitor
    return scheduler
