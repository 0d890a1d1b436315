"""Training steps as CUDA graphs: what the host would launch kernel by kernel in each step is recorded, and replayed.

A small model's step is hundreds of kernels of a few microseconds each, and launching them takes the host ten times as
long as computing them takes the GPU. A graph is one launch. It holds augmentation, forward and backward pass,
clipping, optimizer and averaging of weights; what changes from step to step lies in memory that it reads: the
batch, the learning rates, the seeds of both generators. One is recorded for each shape of a batch.

Nothing recorded may wait for the device, nor may its sizes depend on values: a step is first taken a few times eagerly,
the last time with torch's check for waits. What fails it is trained eagerly as ever, with a line that says why.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning import LightningModule
from rich.console import Console
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, RMSprop

from ser.data.datamodule import EmotionData
from ser.errors import UserError
from ser.system.turns import is_shared
from ser.training.trainer import num_devices

WARM_UPS = 3  # steps before recording: cuBLAS and cuDNN choose and allocate in the first ones
MOST_SHAPES = 8  # of batches; where there are more, clips differ in length and most steps would be recorded
OPTIMIZERS = (Adam, AdamW, RMSprop, SGD)  # whose states all begin with zeros, and whose rate may be a tensor


class NotCaptured(Exception):
    """Why a step cannot be a graph, in words that end a sentence."""


def plan_capture(config: dict[str, Any], classifier: LightningModule, data: EmotionData, console: Console) -> None:
    """Has the classifier capture its steps, where its settings allow it; else says on a GPU why it does not.

    Raises:
        UserError: `run.cuda_graphs=on`, and they do not.
    """
    asked = {True: "on", False: "off"}.get(config["run"]["cuda_graphs"], config["run"]["cuda_graphs"])

    def tell(reason: str) -> None:
        if asked == "on":
            raise UserError(f"run.cuda_graphs=on is not possible here: {reason}. Take run.cuda_graphs=auto.")
        if classifier.device.type == "cuda":
            console.print(f"Note: training steps are no CUDA graphs: {reason}", markup=False, highlight=False)

    if classifier.device.type == "cuda" and not data.computes_features:
        data.pad_to_one_length()  # captured or not: dropout draws for each frame, so that the width is part of a run
    if obstacle := _obstacle(config, classifier, data):
        if asked != "off":
            tell(obstacle)
        return
    classifier.capture = lambda: CapturedSteps(classifier, tell, eager=asked == "off")


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


class BrokenCapture(NotCaptured):
    """Why recording a step failed halfway, which may leave torch's memory and generators as if it went on."""


class CapturedSteps:
    """Takes training steps of a classifier as graphs, or eagerly where they cannot be.

    Args:
        classifier: `ser.training.module.EmotionClassifier` on a GPU, with its Trainer.
        tell: Says why steps are eager; it may raise.
        eager: Take them eagerly from the start, with the arithmetic of graphs: the optimizer's state on the device.
    """

    def __init__(self, classifier: LightningModule, tell: Callable[[str], None], eager: bool = False):
        self.classifier, self.optimizer = classifier, classifier.optimizers(use_pl_optimizer=False)
        self.tell = tell
        self.generator = torch.Generator(classifier.device)
        self.pool = torch.cuda.graph_pool_handle()
        self.rates = [torch.zeros((), device=classifier.device) for _ in self.optimizer.param_groups]
        self._graphs: dict[tuple, tuple[torch.cuda.CUDAGraph, dict[str, Tensor], Tensor]] = {}
        self._settings: list[dict[str, Any]] = []
        self.eager = eager

    def __call__(self, batch: dict[str, Tensor], step: int, steps: bool) -> Tensor:
        """The loss () of a step, valid until the next; arguments as of `EmotionClassifier.update`, and its number."""
        if not self.eager:
            try:
                return self._replayed(batch, step, steps)
            except NotCaptured as reason:
                if is_shared() and isinstance(reason, BrokenCapture):
                    raise  # other runs of the process would have the damage
                self.tell(str(reason))
                self.eager = True
                self._graphs.clear()
        _make_capturable(self.optimizer)
        with self.classifier.draws.in_place(), self._rates_in_memory():
            return self.classifier.update(batch, self.classifier.generator(step), steps)

    def _replayed(self, batch: dict[str, Tensor], step: int, steps: bool) -> Tensor:
        key = (steps, *(tuple(value.shape) for value in batch.values()))
        if key not in self._graphs:
            if len(self._graphs) == MOST_SHAPES:
                raise NotCaptured("batches have many shapes, for which as many graphs would be recorded")
            self._graphs[key] = self._captured(batch, steps)
        if self._settings != _settings(self.optimizer):
            raise NotCaptured("the schedule changes more than the learning rate (scheduler.cycle_momentum)")
        graph, inputs, loss = self._graphs[key]
        for name, value in batch.items():
            inputs[name].copy_(value)
        for rate, group in zip(self.rates, self.optimizer.param_groups, strict=True):
            rate.fill_(group["lr"])
        self.classifier.generator(step, self.generator)
        graph.replay()
        if steps:  # what Lightning counts around an optimizer's step
            progress = self.classifier.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
            progress.increment_ready()
            progress.increment_completed()
        return loss

    def _captured(
        self, batch: dict[str, Tensor], steps: bool
    ) -> tuple[torch.cuda.CUDAGraph, dict[str, Tensor], Tensor]:
        inputs = {name: value.clone() for name, value in batch.items()}
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        _make_capturable(self.optimizer)
        with self.classifier.draws.in_place(), self._unchanged(), self._rates_in_memory():
            try:
                self._warm_up(inputs, steps)
                with torch.cuda.graph(graph, self.pool, self._stream(), capture_error_mode="thread_local"):
                    loss = self.classifier.update(inputs, self.generator, steps)
            except torch.OutOfMemoryError as error:
                if is_shared():
                    raise  # it is trained again when fewer runs are beside it
                raise NotCaptured("the GPU has no memory for a graph") from error
            except RuntimeError as error:
                raise BrokenCapture(f"it fails as a graph ({str(error).splitlines()[0]})") from error
        self._settings = _settings(self.optimizer)
        return graph, inputs, loss

    def _warm_up(self, inputs: dict[str, Tensor], steps: bool) -> None:
        side = self._stream()
        side.wait_stream(torch.cuda.current_stream())
        before = torch.cuda.get_sync_debug_mode()
        with torch.cuda.stream(side):
            try:
                for i in range(WARM_UPS):
                    if i == WARM_UPS - 1 and not is_shared():  # the check is for all threads, and others may wait
                        torch.cuda.set_sync_debug_mode("error")
                    self.classifier.update(inputs, self.generator, steps)
            finally:
                torch.cuda.set_sync_debug_mode(before)
        torch.cuda.current_stream().wait_stream(side)

    @staticmethod
    def _stream() -> torch.cuda.Stream:
        """Where steps are recorded. cuBLAS has memory to work in for each stream: where several runs share a process, a
        run's own stream is the one that no other graph was recorded on, so that none works in its memory.
        """
        return torch.cuda.current_stream() if is_shared() else torch.cuda.Stream()

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
        copies, counted = [tensor.detach().clone() for tensor in kept], progress.state_dict()
        drawn = torch.cuda.get_rng_state(classifier.device)
        try:
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
            torch.cuda.set_rng_state(drawn, classifier.device)

    @contextmanager
    def _rates_in_memory(self) -> Iterator[None]:
        """Learning rates as tensors inside the block, so that a graph reads them; numbers for the schedule outside."""
        groups = self.optimizer.param_groups
        numbers = [group["lr"] for group in groups]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate.fill_(group["lr"])
        try:
            yield
        finally:
            for group, number in zip(groups, numbers, strict=True):
                group["lr"] = number


def _make_capturable(optimizer: torch.optim.Optimizer) -> None:
    """Has the optimizer count its steps on the device."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if "step" in state:
                state["step"] = state["step"].to(parameter.device)


def _states(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]


def _settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """What a graph has fixed: all settings but the learning rate, which it reads."""
    fixed = ("params", "lr", "initial_lr")
    return [{k: v for k, v in group.items() if k not in fixed} for group in optimizer.param_groups]
