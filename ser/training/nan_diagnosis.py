"""Explains a NaN or infinite training loss: which step, which recordings, and the likely cause.

Training only keeps the loss of each step for this, on the device. The batch is made again: its order is a function of
seed and epoch, its augmentation one of seed, epoch and step.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from ser.errors import some

log = logging.getLogger("ser")
NAMED = 8  # recordings in the message; the log has all
GROWTH = 3.0  # a loss this many times its least of the epoch was running away


def explain(classifier: LightningModule, losses: Sequence[float]) -> str:
    """The message for a run whose loss is NaN or infinite.

    Args:
        classifier: In training, at the end of an epoch.
        losses: Of each step of the epoch, on this device.
    """
    epoch, step = classifier.current_epoch, first_bad_step(losses)
    if step is None:
        return (
            f"The training loss is NaN or infinite in epoch {epoch}, though finite in every step on this device: it "
            f"happened on another, whose message says where. {_of_the_weights(classifier, losses, len(losses))}"
        )
    batch = _on(classifier.device, classifier.trainer.train_dataloader.batch_at(step))
    names = _names(classifier, batch["indices"].tolist())
    log.error("the batch of step %d of epoch %d: %s", step, epoch, ", ".join(names))
    listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more (train.log has all)" * (len(names) > NAMED))
    cause = _of_the_inputs(classifier, batch, step, names) or _of_the_weights(classifier, losses, step)
    return (
        f"The training loss is {losses[step]} at step {step} of epoch {epoch} (steps 0 to {len(losses) - 1}). "
        f"The batch: {listed}. {cause}"
    )


def explain_answers(classifier: LightningModule, part: str, bad: Sequence[int], count: int) -> str:
    """The message for NaN or infinite logits of validation or test, where the training loss was finite.

    Args:
        classifier: After the epoch.
        part: `val` or `test`.
        bad: Indices of the utterances.
        count: Of the part.
    """
    names = _names(classifier, bad)
    log.error("logits that are NaN or infinite, of %s: %s", part, ", ".join(names))
    broken = [name for name, weights in classifier.named_parameters() if not bool(torch.isfinite(weights).all())]
    why = f"The weights are NaN or infinite ({some(broken)})" if broken else "Weights or features are too large"
    when = f" in epoch {classifier.current_epoch}" if classifier.trainer.state.fn == "fit" else ""
    return (
        f"The model's logits for {len(names)} of {count} recordings of {part} are NaN or infinite{when}, though the "
        f"training loss was finite: {some(names)} (train.log has all). {why}. "
        f"Likely causes: {'; '.join(_likely_causes(classifier))}."
    )


def first_bad_step(losses: Sequence[float]) -> int | None:
    """The first step whose loss is NaN or infinite.

    >>> first_bad_step([2.0, float("inf"), float("nan")])
    1
    """
    return next((step for step, loss in enumerate(losses) if not math.isfinite(loss)), None)


def _of_the_inputs(classifier: LightningModule, batch: dict[str, Tensor], step: int, names: list[str]) -> str:
    """Which recordings give non-finite features; empty where all are fine."""
    with torch.no_grad():
        if "waveforms" in batch:
            if bad := _rows(batch["waveforms"], names):
                return f"{bad}: samples that are NaN or infinite. Remove it, or record it again."
            plain = classifier.extract(batch["waveforms"], batch["lengths"])[0]
        else:
            plain = batch["features"]
        if bad := _rows(plain, names):
            return f"{bad}: features that are NaN or infinite. Check frontend.log_floor and the recording."
        if bad := _rows(classifier.augmented(batch, classifier.generator(step))[0], names):
            return f"{bad}: augmentation makes it NaN or infinite. Check its ranges, or use augmentation=none."
    return ""


def _of_the_weights(classifier: LightningModule, losses: Sequence[float], step: int) -> str:
    """Explains it from the weights, where the recordings are fine."""
    story, causes = _story(losses[:step], classifier.current_epoch), "; ".join(_likely_causes(classifier))
    return f"The recordings' features are finite, so it is the weights: {story}. Likely causes: {causes}."


def _likely_causes(classifier: LightningModule) -> list[str]:
    """Possible causes under this run's settings, each with the setting that helps."""
    trainer, config = classifier.trainer, classifier.description["config"]
    causes = []
    if str(trainer.precision).startswith("16"):  # the effective precision: on a CPU Lightning uses bf16 for 16-mixed
        causes.append("half precision, which overflows at 65504 (trainer.precision=bf16-mixed, or 32)")
    rate = config.get("optimizer", {}).get("lr")
    causes.append(f"a learning rate that is too high (lower optimizer.lr{'' if rate is None else f', now {rate}'})")
    if classifier.learning.clip is None:
        causes.append("no gradient clipping (trainer.gradient_clip_val=1)")
    return causes


def _names(classifier: LightningModule, indices: Sequence[int]) -> list[str]:
    known = classifier.trainer.datamodule.names
    return [known[i] for i in indices]


def _story(before: Sequence[float], epoch: int) -> str:
    """The course of the loss before."""
    if not len(before):
        return f"they broke in the last step of epoch {epoch - 1}" if epoch else "they are too large from the start"
    last, least = before[-1], min(before)
    if last > GROWTH * max(least, 1e-3):
        return f"the loss had grown from {least:.3g} to {last:.3g} within the epoch"
    return f"the loss was still {last:.3g} the step before"


def _rows(values: Tensor, names: list[str]) -> str:
    """The recordings whose row (B, …) is not finite."""
    bad = (~torch.isfinite(values.flatten(1))).any(dim=1).tolist()
    return some([name for name, is_bad in zip(names, bad, strict=True) if is_bad])


def _on(device: torch.device, batch: dict[str, Any]) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in batch.items()}
