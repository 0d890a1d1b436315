"""Learning-rate schedules: each takes an optimizer and the number of optimizer steps of the run, and gives a scheduler.

They are functions so that a YAML names one by `_target_`; warm-up and the like are shares of the run, so that a
schedule fits any corpus, batch size and number of epochs.
"""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from ser.errors import UserError


def constant(optimizer: Optimizer, total_steps: int) -> LRScheduler:
    """The optimizer's own learning rate throughout."""
    return LambdaLR(optimizer, lambda step: 1.0)


def cosine(optimizer: Optimizer, total_steps: int, warmup: float = 0.05, final: float = 0.0) -> LRScheduler:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, without restarts).

    Args:
        optimizer: Its learning rate is the peak.
        total_steps: Optimizer steps of the run.
        warmup: Share of the run in which the rate rises from near zero, in [0, 1).
        final: Rate at the end, as a share of the peak, in [0, 1].

    Raises:
        UserError: A share outside its range.
    """
    if not (0 <= warmup < 1 and 0 <= final <= 1):
        raise UserError(f"scheduler.warmup={warmup} must lie in [0, 1) and scheduler.final={final} in [0, 1].")
    warmup_steps = int(warmup * total_steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, factor)


def one_cycle(
    optimizer: Optimizer, total_steps: int, warmup: float = 0.3, start_divisor: float = 25.0, end_divisor: float = 1e4
) -> LRScheduler:
    """Up and down once, momentum the other way round (Smith and Topin 2018; `torch.optim.lr_scheduler.OneCycleLR`).

    Args:
        optimizer: Its learning rate is the peak.
        total_steps: Optimizer steps of the run.
        warmup: Share of the run in which the rate rises.
        start_divisor: The first rate is the peak divided by this.
        end_divisor: The last rate is the first one divided by this.

    Raises:
        UserError: A share outside [0, 1], or a divisor that is not above zero.
    """
    if not (0 <= warmup <= 1 and start_divisor > 0 and end_divisor > 0):
        raise UserError(
            f"scheduler.warmup={warmup} must lie in [0, 1], scheduler.start_divisor={start_divisor} and "
            f"scheduler.end_divisor={end_divisor} above zero."
        )
    return OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps + 1,
        pct_start=warmup,
        div_factor=start_divisor,
        final_div_factor=end_divisor,
        # an optimizer told to have no momentum, or that knows none, keeps it so
        cycle_momentum=all("betas" in group or group.get("momentum") for group in optimizer.param_groups),
    )


def plateau(
    optimizer: Optimizer,
    total_steps: int,
    monitor: str = "val/loss",
    factor: float = 0.5,
    patience: int = 5,
    min_lr: float = 0.0,
) -> ReduceLROnPlateau:
    """Lowers the rate when a metric has stopped improving; stepped once an epoch.

    Args:
        optimizer: Its learning rate is the first one.
        total_steps: Not needed here.
        monitor: A logged metric, `val/loss`, `val/uar` or `train/loss`; losses are to fall, all else is to rise.
        factor: The rate is multiplied by this, in (0, 1).
        patience: Epochs without improvement before that.
        min_lr: Lowest rate.

    Raises:
        UserError: A factor outside (0, 1), or negative patience.
    """
    if not (0 < factor < 1 and patience >= 0):
        raise UserError(f"scheduler.factor={factor} must lie in (0, 1) and scheduler.patience={patience} be 0 or more.")
    mode = "min" if monitor.endswith("loss") else "max"
    scheduler = ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience, min_lr=min_lr)
    scheduler.monitor = monitor
    return scheduler
