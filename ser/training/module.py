"""The LightningModule: waveform in, logits out, and how it learns."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as L
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from ser.augmentations.base import Augmentation
from ser.errors import UserError
from ser.system.seeding import derive_seed
from ser.training.auxiliary import joined_targets
from ser.training.draws import OwnDraws, ProcessDraws, draws_of
from ser.training.evaluation_views import EvaluationViews
from ser.training.learning import Learning, parameter_groups, parameters_of
from ser.training.nan_diagnosis import explain, explain_answers
from ser.training.task import TargetScale

if TYPE_CHECKING:  # for training alone
    from ser.training.callbacks.averaging import AveragedWeights
    from ser.training.captured_steps import CapturedSteps


class EmotionClassifier(L.LightningModule):
    """Frontend, normaliser and model as one module that goes from waveform to logits on any device.

    Args:
        frontend, model: `ser.frontends.base.Frontend`, `ser.models.base.Model`.
        normaliser: Fitted on the training part before training.
        description: Plain dict (config, classes, auxiliary: outputs behind those of the classes) that rebuilds the
            module; stored in every checkpoint.
        learning: How it is trained.
        views: Whose answers are averaged when the classifier is asked for one; None: the recording's alone.
        scale: Of numbers; fitted on the training part before training.

    Shape:
        waveforms (B, T), lengths (B,) → logits (B, K), or numbers.
    """

    def __init__(
        self,
        frontend: nn.Module,
        normaliser: nn.Module,
        model: nn.Module,
        description: dict,
        learning: Learning | None = None,
        views: EvaluationViews | None = None,
        scale: TargetScale | None = None,
    ):
        super().__init__()
        self.automatic_optimization = False  # `update` is the whole step, and can be one CUDA graph
        self.frontend, self.normaliser, self.model = frontend, normaliser, model
        self.description, self.learning, self.views, self.scale = description, learning, views, scale
        self.register_buffer("class_weights", learning and learning.class_weights, persistent=False)
        for part in () if learning is None else learning.l2:
            parameters_of(self.model, part)  # a misspelt one is told now, and not in the first step
        for augment in () if learning is None else learning.feature_augmentations:
            if isinstance(augment, Augmentation):
                augment.attach(frontend, normaliser)
        self.auxiliary_labels: Tensor | None = None  # of all utterances (N, A); no buffer: those are averaged
        self.averaged: AveragedWeights | None = None  # what is validated in place of the weights, while training
        self.draws: ProcessDraws | OwnDraws  # of dropout, while it is trained
        self.capture: Callable[[], CapturedSteps] | None = None  # where steps may be CUDA graphs
        self._captured: CapturedSteps | None = None
        self.scores: dict[str, float] = {}  # of the last epoch, as Python floats
        self.scored: tuple[np.ndarray, np.ndarray] | None = None  # indices (N,) and logits (N, K) of the last part
        self._outputs: list[tuple[Tensor, Tensor]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes here which hook runs, fifty times a step; torch would look each time what kind of thing it is
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Logits of waveforms: the whole path, whatever training kept in between."""
        return self.classify(*self.extract(waveforms, lengths))

    def classify(self, features: Tensor, frames: Tensor) -> Tensor:
        """Logits (B, K) or numbers of normalised features (B, F, L): without the outputs of auxiliary targets."""
        outputs = self.model(features, frames)[:, : len(self.description["classes"])]
        return outputs if self.scale is None else self.scale(outputs.float())

    def answer(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Logits of whole recordings, as test and predictions have them: averaged over `views` where there are any.

        Shape:
            waveforms (B, T), lengths (B,) → (B, K).
        """
        return self(waveforms, lengths) if self.views is None else self.views.average(self, waveforms, lengths)

    def extract(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised features (B, F, L) and frames (B,) of waveforms."""
        features, frames = self.frontend(waveforms, lengths)
        return self.normaliser(features, frames), frames

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        steps = (batch_idx + 1) % self.learning.accumulate == 0 or self.trainer.is_last_batch
        if self._captured is not None:
            self._captured(batch, batch_idx, steps)
        else:
            with self.draws.in_place():
                self._losses[batch_idx] = self.update(batch, self.generator(batch_idx), steps)
        self._sizes.append(len(batch["indices"]))
        scheduler = self.lr_schedulers()
        if steps and not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step()

    def update(self, batch: dict[str, Tensor], generator: torch.Generator | None, steps: bool) -> Tensor:
        """Adds the gradients of a batch, and with `steps` takes the optimizer's step: the loss of the batch ().

        The same lines run one by one and recorded as a CUDA graph: nothing here waits for the device.
        """
        loss = self.loss(batch, generator)
        self.manual_backward(loss / self.learning.accumulate)
        if steps:
            optimizer = self.optimizers()
            optimizer.step()
            optimizer.zero_grad(set_to_none=self.learning.accumulate == 1)  # a graph adds to gradients that are there
            if self.averaged is not None:
                self.averaged.update(self)
        return loss.detach()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clips; Lightning calls this where a scaler of half precision has restored the gradients' scale."""
        if self.learning.clip is None:
            return
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        clip = torch.nn.utils.clip_grad_value_ if self.learning.clip_by == "value" else torch.nn.utils.clip_grad_norm_
        clip(parameters, self.learning.clip)

    def loss(self, batch: dict[str, Tensor], generator: torch.Generator | None) -> Tensor:
        """What is minimised, of an augmented batch: ()."""
        features, frames = self.augmented(batch, generator)
        targets, num_classes, auxiliary = batch["labels"], len(self.description["classes"]), self.learning.auxiliary
        targets = targets if self.scale is None else self.scale.standardised(targets)
        if auxiliary:
            targets = joined_targets(targets, num_classes, auxiliary, self.auxiliary_labels[batch["indices"]])
        elif self.learning.mixings:
            targets = joined_targets(targets, num_classes)
        for mix in self.learning.mixings:
            features, frames, targets = mix(features, frames, targets, generator)
        loss = self.learning.loss(self.model(features, frames).float(), targets, self.class_weights)
        for part, factor in self.learning.l2.items():
            loss = loss + factor * sum(weights.square().sum() for weights in parameters_of(self.model, part))
        return loss

    def augmented(self, batch: dict[str, Tensor], generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Features (B, F, L) and frames (B,) of a batch after all augmentation but mixing."""
        if "features" in batch:
            features, frames = batch["features"], batch["frames"]
        else:
            waveforms, lengths = batch["waveforms"], batch["lengths"]
            for augment in self.learning.waveform_augmentations:
                waveforms, lengths = augment(waveforms, lengths, generator)
            features, frames = self.extract(waveforms, lengths)
        for augment in self.learning.feature_augmentations:
            features, frames = augment(features, frames, generator)
        return features, frames

    def on_fit_start(self) -> None:
        if self.auxiliary_labels is not None:
            self.auxiliary_labels = self.auxiliary_labels.to(self.device)
        self.draws = draws_of(self.device)
        self._captured = None if self.capture is None else self.capture()

    def on_fit_end(self) -> None:
        self._captured = None  # with the memory of its graphs

    def on_train_epoch_start(self) -> None:
        # dropout draws from the device's generator: seeding it here makes every epoch repeatable on its own
        seed = derive_seed(self.learning.seed, self.current_epoch, self.global_rank)
        self.draws.seed(seed)
        batches = int(self.trainer.num_training_batches)
        if self._captured is None:
            self._losses = torch.zeros(batches, device=self.device)
        else:
            self._losses = self._captured.begin_epoch(list(self.trainer.train_dataloader.batch_sampler)[:batches])
        self._sizes: list[int] = []

    def on_validation_model_zero_grad(self) -> None:
        """Leaves gradients where they are: a graph that adds up several batches has their addresses."""

    def on_train_batch_end(self, outputs: Any, batch: dict[str, Tensor], batch_idx: int) -> None:
        if not self.trainer.is_last_batch:
            return
        # here, not at the epoch's end: callbacks that show the loss are called before the module is
        losses = self._losses.tolist()
        seen = sum(loss * size for loss, size in zip(losses, self._sizes, strict=True)), sum(self._sizes)
        if self.trainer.world_size > 1:
            seen = self.trainer.strategy.reduce(torch.tensor(seen, device=self.device), reduce_op="sum").tolist()
        self.scores["train/loss"] = seen[0] / seen[1]
        if not np.isfinite(self.scores["train/loss"]):
            raise UserError(explain(self, losses))

    def on_train_epoch_end(self) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(self._watched(scheduler.monitor))

    def on_validation_epoch_start(self) -> None:
        if self.trainer.world_size > 1:  # ranks keep their own batch statistics; what is saved and scored is rank 0's
            for buffer in self.evaluated().buffers():
                torch.distributed.broadcast(buffer, src=0)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        self._score("val")
        if self.learning.stop_by is not None:  # Lightning's EarlyStopping sees what is logged; nothing else needs it
            self.log(self.learning.stop_by, self.scores[self.learning.stop_by], logger=False)

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self._evaluate(batch)

    def on_test_epoch_end(self) -> None:
        self._score("test")

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = self.learning.optimizer(parameter_groups(self, self.frontend))
        batches, epochs = int(self.trainer.estimated_stepping_batches), self.trainer.max_epochs  # of all epochs
        steps = -(-batches // epochs // self.learning.accumulate) * epochs
        scheduler = self.learning.scheduler(optimizer, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val/loss"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["ser"] = self.description
        for state in checkpoint.get("optimizer_states", ()):
            for group in state["param_groups"]:  # a run may be continued on another kind of device
                if "capturable" in group:
                    group["capturable"] = False

    def _watched(self, monitor: str) -> float:
        if monitor not in self.scores:
            raise UserError(f"scheduler.monitor={monitor} is not logged. Choose from: {', '.join(self.scores)}.")
        return self.scores[monitor]

    def generator(self, step: int, seeded: torch.Generator | None = None) -> torch.Generator | None:
        """What a step's augmentation draws from: a new generator, or `seeded` anew; None where nothing is drawn."""
        if not self.learning.draws:
            return None
        seed = derive_seed(self.learning.seed, self.current_epoch, step, self.global_rank)
        return (seeded or torch.Generator(self.device)).manual_seed(seed)

    def evaluated(self) -> "EmotionClassifier":
        """The weights that are validated: their average, where there is one."""
        return self if self.averaged is None else self.averaged.average

    def _evaluate(self, batch: dict[str, Tensor]) -> None:
        if not len(batch["indices"]):  # a rank with fewer utterances than the others has an empty last batch
            return
        if self._captured is not None and not self.trainer.datamodule.gathered:
            logits = self._captured.answer(batch["indices"])
        elif "features" in batch:
            logits = self.evaluated().classify(batch["features"], batch["frames"])
        elif self.trainer.state.fn == TrainerFn.FITTING:  # between epochs each recording is seen once, as it is
            logits = self.evaluated()(batch["waveforms"], batch["lengths"])
        else:
            logits = self.answer(batch["waveforms"], batch["lengths"])
        self._outputs.append((batch["indices"], logits.float()))

    def _score(self, part: str) -> None:
        indices, logits = (torch.cat(column).cpu().numpy() for column in zip(*self._outputs, strict=True))
        self._outputs.clear()
        if self.trainer.world_size > 1:
            gathered: list = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (indices, logits))
            indices, logits = (np.concatenate(column) for column in zip(*gathered, strict=True))
        if not (fine := np.isfinite(logits).all(axis=1)).all():  # the weights may break in the very last step
            raise UserError(explain_answers(self, part, indices[~fine].tolist(), len(fine)))
        order = np.argsort(indices, kind="stable")
        self.scored = indices[order], logits[order]
        labels = self.trainer.datamodule.host_labels[indices[order]]
        scores = self.learning.task.score(labels, logits[order], self.learning.metrics, self.scale)
        self.scores |= {f"{part}/{name}": value for name, value in scores.items()}
