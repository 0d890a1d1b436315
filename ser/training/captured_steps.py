"""Training steps as CUDA graphs.

A small model's step is hundreds of kernels of a few microseconds each, and launching them takes the host ten times as
long as computing them takes the GPU. As a graph it is one launch: the choice of the batch, augmentation, forward and
backward pass, clipping, optimizer and averaging of weights. What changes from step to step lies in memory that it reads
(`EpochSchedule`); the host sets the seeds of both generators. One is recorded for each shape of a batch, and for
each size of a batch of validation. What cannot be one is computed eagerly as ever, with a line that says why.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from rich.console import Console
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, RMSprop

from ser.data.datamodule import EmotionData
from ser.errors import UserError
from ser.system.turns import is_shared
from ser.training.cuda_graphs import BrokenCapture, NotCaptured, Recorder
from ser.training.epoch_schedule import EpochSchedule, fixed_settings, rates_ahead
from ser.training.trainer import num_devices

STEPS, ANSWERS = "training steps are", "passes over validation are"
MOST_SHAPES = 8  # of batches; where there are more, clips differ in length and most steps would be recorded
OPTIMIZERS = (Adam, AdamW, RMSprop, SGD)  # whose states all begin with zeros, and whose rate may be a tensor


def plan_capture(config: dict[str, Any], classifier: LightningModule, data: EmotionData, console: Console) -> None:
    """Has the classifier capture its steps, where its settings allow it; else says on a GPU why it does not.

    Raises:
        UserError: `run.cuda_graphs=on`, and they do not.
    """
    asked = {True: "on", False: "off"}.get(config["run"]["cuda_graphs"], config["run"]["cuda_graphs"])

    def tell(reason: str, what: str = STEPS) -> None:
        if asked == "on" and what == STEPS:
            raise UserError(f"run.cuda_graphs=on is not possible here: {reason}. Take run.cuda_graphs=auto.")
        if classifier.device.type == "cuda":
            console.print(f"Note: {what} no CUDA graphs: {reason}", markup=False, highlight=False)

    if classifier.device.type == "cuda" and not data.computes_features:
        data.pad_to_one_length()  # captured or not: dropout draws for each frame, so that the width is part of a run
    if obstacle := _obstacle(config, classifier, data):
        if asked != "off":
            tell(obstacle)
        return
    data.leave_batches_to_the_step()
    classifier.capture = lambda: CapturedSteps(classifier, data, tell, Recorder(), eager=asked == "off")


def _obstacle(config: dict[str, Any], classifier: LightningModule, data: EmotionData) -> str:
    """Why training steps are not captured, as far as settings tell; empty where they may be."""
    trainer, optimizer = config["trainer"], classifier.learning.optimizer
    if classifier.device.type != "cuda":
        return "this run computes on a CPU"
    if num_devices(trainer) > 1:
        return "several devices share each step"
    if trainer["precision"] == "16-mixed":
        return "trainer.precision=16-mixed looks at the gradients in each step (bf16-mixed does not)"
    if optimizer.func not in OPTIMIZERS:
        return f"{optimizer.func.__name__} is not one of {', '.join(kind.__name__ for kind in OPTIMIZERS)}"
    if optimizer.keywords.get("dampening"):
        return "optimizer.dampening makes the first step another one"
    if data.computes_features:
        return "features are computed anew in each step"
    return ""


class CapturedSteps:
    """Takes training steps of a classifier as graphs, or eagerly where they cannot be, and answers for validation.

    Args:
        classifier: `ser.training.module.EmotionClassifier` on a GPU, with its Trainer.
        data: Of the run; where its loaders give indices alone, a step begins by gathering its batch.
        tell: Says why something (`STEPS`, `ANSWERS`) is computed eagerly; it may raise.
        recorder: Makes the graphs.
        eager: Take steps eagerly from the start, with the arithmetic of graphs: the optimizer's state on the device.
    """

    def __init__(
        self, classifier: LightningModule, data: EmotionData, tell: Callable[[str, str], None], recorder: Recorder,
        eager: bool = False,
    ):  # fmt: skip
        self.classifier, self.optimizer = classifier, classifier.optimizers(use_pl_optimizer=False)
        self.data, self.tell, self.recorder = data, tell, recorder
        self.eager = self.answers_eagerly = eager
        self.generator = torch.Generator(classifier.device)
        self.schedule: EpochSchedule | None = None
        self._planned: list[list[float]] = []  # learning rates of the epoch, by step and group
        self._settings: list[dict[str, Any]] = []
        self._graphs: dict[tuple, tuple[Callable[[], None], dict[str, Tensor]]] = {}
        self._answers: dict[int, tuple[Callable[[], None], Tensor, Tensor]] = {}

    def begin_epoch(self, batches: Sequence[np.ndarray]) -> Tensor:
        """Writes down what the steps of an epoch read; returns the losses (S,) that they will write."""
        order, groups = np.concatenate(batches), self.optimizer.param_groups
        if self.schedule is None:
            _make_capturable(self.optimizer)
            self.schedule = EpochSchedule(len(order), len(batches), len(groups), self.classifier.device)
            self._settings = fixed_settings(self.optimizer)
        alone = self._plan(0, len(batches))
        self.schedule.begin(order, self._planned)
        if not self.eager and not (alone and self._settings == fixed_settings(self.optimizer)):
            self._go_on_eagerly(
                NotCaptured("the schedule changes more than the learning rate (scheduler.cycle_momentum)")
            )
        return self.schedule.losses

    def __call__(self, batch: dict[str, Tensor], step: int, steps: bool) -> None:
        """Takes a step; arguments as of `EmotionClassifier.update`, and its number."""
        if self._planned[step] != [group["lr"] for group in self.optimizer.param_groups]:  # by a callback of a user
            self._plan(step, len(self._planned))
            self.schedule.set_rates(step, self._planned[step:])
        if not self.eager:
            try:
                return self._replay(batch, step, steps)
            except NotCaptured as reason:
                self._go_on_eagerly(reason)
        with self.classifier.draws.in_place():
            self._step(batch, self.classifier.generator(step), steps)

    def answer(self, indices: Tensor) -> Tensor:
        """Logits (B, K) of a batch (B,) of validation, where the loader gives indices alone."""
        if not self.answers_eagerly:
            try:
                if len(indices) not in self._answers:
                    place = indices.clone()
                    with self.classifier.draws.in_place():
                        replay, logits = self.recorder.record(lambda: self._answered(place))
                    self._answers[len(indices)] = replay, place, logits
                replay, place, logits = self._answers[len(indices)]
                place.copy_(indices)
                replay()
                return logits.clone()
            except NotCaptured as reason:
                self._tell(reason, ANSWERS)
                self.answers_eagerly = True
                self._answers.clear()
                self.recorder.release()
        return self._answered(indices)

    def _answered(self, indices: Tensor) -> Tensor:
        batch = self._gathered(indices, training=False)
        return self.classifier.evaluated().classify(batch["features"], batch["frames"]).float()

    def _gathered(self, indices: Tensor, training: bool) -> dict[str, Tensor]:
        """A batch, in the precision in which Lightning would have handed it over."""
        return self.classifier.trainer.precision_plugin.convert_input(self.data.gather(indices, training))

    def _go_on_eagerly(self, reason: NotCaptured) -> None:
        self._tell(reason, STEPS)
        self.eager = True
        self._graphs.clear()
        self.recorder.release()

    def _tell(self, reason: NotCaptured, what: str) -> None:
        if is_shared() and isinstance(reason, BrokenCapture):
            raise reason  # other runs of the process would have the damage
        self.tell(str(reason), what)

    def _plan(self, step: int, num_steps: int) -> bool:
        """Learning rates from a step on; whether they are all that the schedule changes."""
        accumulate, scheduler = self.classifier.learning.accumulate, self.classifier.lr_schedulers()
        moves = [(i + 1) % accumulate == 0 or i + 1 == num_steps for i in range(step, num_steps)]
        rates, alone = rates_ahead(scheduler, self.optimizer, moves)
        self._planned[step:] = rates
        return alone

    def _step(self, inputs: dict[str, Tensor], generator: torch.Generator | None, steps: bool) -> None:
        """What is recorded: the whole step, from the choice of its batch to the note of its loss."""
        count = len(inputs["indices"])
        chosen = self.schedule.take(count)
        batch = inputs if self.data.gathered else self._gathered(chosen, training=True)
        with self._rates_in_memory():
            loss = self.classifier.update(batch, generator, steps)
        self.schedule.advance(loss, count)

    def _replay(self, batch: dict[str, Tensor], step: int, steps: bool) -> None:
        key = (steps, *(tuple(value.shape) for value in batch.values()))
        if key not in self._graphs:
            if len(self._graphs) == MOST_SHAPES:
                raise NotCaptured("batches have many shapes, for which as many graphs would be recorded")
            inputs = {name: value.clone() for name, value in batch.items()}
            with self.classifier.draws.in_place(), self._unchanged():
                replay, _ = self.recorder.record(lambda: self._step(inputs, self.generator, steps), self.generator)
            self._graphs[key] = replay, inputs
        replay, inputs = self._graphs[key]
        if self.data.gathered:
            for name, value in batch.items():
                inputs[name].copy_(value)
        self.classifier.generator(step, self.generator)
        replay()
        if steps:  # what Lightning counts around an optimizer's step
            progress = self.classifier.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
            progress.increment_ready()
            progress.increment_completed()

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Undoes in place what steps inside the block do: to weights, statistics, optimizer, gradients and counters."""
        classifier, accumulates = self.classifier, self.classifier.learning.accumulate > 1
        progress = classifier.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        if accumulates:  # graphs of several batches add up in the same gradients
            for parameter in classifier.parameters():
                if parameter.requires_grad and parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in classifier.parameters() if parameter.grad is not None]
        averages = [] if classifier.averaged is None else classifier.averaged.tensors()
        kept = [*classifier.parameters(), *classifier.buffers(), *averages, *gradients, *_states(self.optimizer)]
        kept += self.schedule.tensors()
        copies, counted = [tensor.detach().clone() for tensor in kept], progress.state_dict()
        try:
            with torch.random.fork_rng([classifier.device] if classifier.device.type == "cuda" else []):
                yield
        finally:
            with torch.no_grad():
                for state in _states(self.optimizer):  # those that the first step made began with zeros
                    state.zero_()
                for tensor, copy in zip(kept, copies, strict=True):
                    tensor.copy_(copy)
            if not accumulates:
                self.optimizer.zero_grad()
            progress.load_state_dict(counted)

    @contextmanager
    def _rates_in_memory(self) -> Iterator[None]:
        """Learning rates as tensors inside the block, so that a graph reads them; numbers for the schedule outside."""
        groups = self.optimizer.param_groups
        numbers = [group["lr"] for group in groups]
        for group, rate in zip(groups, self.schedule.rate.unbind(), strict=True):
            group["lr"] = rate
        try:
            yield
        finally:
            for group, number in zip(groups, numbers, strict=True):
                group["lr"] = number


def _make_capturable(optimizer: torch.optim.Optimizer) -> None:
    """Has the optimizer count its steps on the device; its state has the order in memory of its parameters, which
    checkpoints of November 2026 lost.
    """
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if "step" in state:
                state["step"] = state["step"].to(parameter.device)
            for name, value in state.items():
                alike = isinstance(value, Tensor) and value.shape == parameter.shape
                if alike and value.stride() != parameter.stride():
                    state[name] = torch.empty_like(parameter).copy_(value)


def _states(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
