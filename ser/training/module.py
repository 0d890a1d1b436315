"""The LightningModule: waveform in, logits out, and how it learns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytorch_lightning as L
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric

from ser.augmentations.base import Augmentation
from ser.errors import UserError, did_you_mean
from ser.evaluation.epoch_scores import score
from ser.system.seeding import derive_seed
from ser.training.auxiliary import Auxiliary, auxiliary_loss, joined_targets
from ser.training.evaluation_views import EvaluationViews
from ser.training.nan_diagnosis import explain, explain_answers


@dataclass(frozen=True, slots=True)
class Learning:
    """How a classifier is trained; building a bare classifier for inference needs none of it.

    Args:
        optimizer: Parameters → optimizer.
        scheduler: (optimizer, total steps) → scheduler.
        class_weights: (K,) for the loss, or None.
        label_smoothing: In [0, 1).
        l2: Part of the model (`dense`, `blocks.1.conv`) → λ of a term λ·Σw² over its weights and biases, as Keras'
            regularizers add it; not the same as an optimizer's `weight_decay`.
        metrics: What is computed of validation each epoch and of test once, beside the loss.
        seed: Of the run.
        num_utterances: Of the training part.
        stop_by: Metric of validation that ends training early; None: nothing does.
        waveform_augmentations, feature_augmentations, mixings: Applied in this order, in training steps only.
        auxiliary: What is learned beside the class (`ser.training.auxiliary`).
    """

    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., Any]
    class_weights: Tensor | None = None
    label_smoothing: float = 0.0
    l2: dict[str, float] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    seed: int = 0
    num_utterances: int = 0
    stop_by: str | None = None
    waveform_augmentations: Sequence[Callable] = ()
    feature_augmentations: Sequence[Callable] = ()
    mixings: Sequence[Callable] = ()
    auxiliary: Sequence[Auxiliary] = ()


class EmotionClassifier(L.LightningModule):
    """Frontend, normaliser and model as one module that goes from waveform to logits on any device.

    Args:
        frontend: `ser.frontends.base.Frontend`.
        normaliser: Fitted on the training part before training.
        model: `ser.models.base.Model`.
        description: Plain dict (config, classes, auxiliary: outputs behind those of the classes) that rebuilds the
            module; stored in every checkpoint.
        learning: How it is trained.
        views: Whose answers are averaged when the classifier is asked for one; None: the recording's alone.

    Shape:
        waveforms (B, T), lengths (B,) → logits (B, K).
    """

    def __init__(
        self,
        frontend: nn.Module,
        normaliser: nn.Module,
        model: nn.Module,
        description: dict,
        learning: Learning | None = None,
        views: EvaluationViews | None = None,
    ):
        super().__init__()
        self.frontend, self.normaliser, self.model = frontend, normaliser, model
        self.description, self.learning, self.views = description, learning, views
        weights = None if learning is None else learning.class_weights
        self.register_buffer("class_weights", weights, persistent=False)
        for part in () if learning is None else learning.l2:
            self._part(part)  # a misspelt one is told now, and not in the first step
        for augment in () if learning is None else learning.feature_augmentations:
            if isinstance(augment, Augmentation):
                augment.attach(frontend, normaliser)
        # of all utterances (N, A), filled in when they are known; no buffer, for averaging weights averages buffers too
        self.auxiliary_labels: Tensor | None = None
        self.scores: dict[str, float] = {}  # of the last epoch, as Python floats
        self.scored: tuple[np.ndarray, np.ndarray] | None = None  # indices (N,) and logits (N, K) of the last part
        self._outputs: list[tuple[Tensor, Tensor, Tensor]] = []

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
        """Logits (B, K) of normalised features (B, F, L): without the outputs of auxiliary targets."""
        return self.model(features, frames)[:, : len(self.description["classes"])]

    def answer(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Logits of whole recordings, as test and predictions have them: averaged over `views` where there are any.

        Shape:
            waveforms (B, T), lengths (B,) → (B, K).
        """
        if self.views is None:
            return self(waveforms, lengths)
        return self.views.average(self, waveforms, lengths)

    def extract(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised features (B, F, L) and frames (B,) of waveforms."""
        features, frames = self.frontend(waveforms, lengths)
        return self.normaliser(features, frames), frames

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        features, frames, generator = self.augmented(batch, batch_idx)
        targets, num_classes, auxiliary = batch["labels"], len(self.description["classes"]), self.learning.auxiliary
        if auxiliary:
            targets = joined_targets(targets, num_classes, auxiliary, self.auxiliary_labels[batch["indices"]])
        elif self.learning.mixings:
            targets = F.one_hot(targets, num_classes).to(features.dtype)
        for mix in self.learning.mixings:
            features, frames, targets = mix(features, frames, targets, generator)
        logits = self.model(features, frames).float()
        loss = F.cross_entropy(
            logits[:, :num_classes],
            targets[:, :num_classes] if targets.dim() > 1 else targets,
            weight=self.class_weights,
            label_smoothing=self.learning.label_smoothing,
        )
        if auxiliary:
            loss = loss + auxiliary_loss(logits[:, num_classes:], targets[:, num_classes:], auxiliary)
        for part, factor in self.learning.l2.items():
            loss = loss + factor * sum(weights.square().sum() for weights in self._part(part))
        self._losses[batch_idx] = loss.detach()
        self._loss_sum += self._losses[batch_idx] * len(logits)
        self._num_seen += len(logits)
        return loss

    def augmented(self, batch: dict[str, Tensor], step: int) -> tuple[Tensor, Tensor, torch.Generator | None]:
        """Features (B, F, L) and frames (B,) of a step's batch with all but mixing, and the generator to go on with."""
        generator = self._generator(batch["labels"].device, step)
        if "features" in batch:
            features, frames = batch["features"], batch["frames"]
        else:
            waveforms, lengths = batch["waveforms"], batch["lengths"]
            for augment in self.learning.waveform_augmentations:
                waveforms, lengths = augment(waveforms, lengths, generator)
            features, frames = self.extract(waveforms, lengths)
        for augment in self.learning.feature_augmentations:
            features, frames = augment(features, frames, generator)
        return features, frames, generator

    def on_fit_start(self) -> None:
        if self.auxiliary_labels is not None:
            self.auxiliary_labels = self.auxiliary_labels.to(self.device)

    def on_train_epoch_start(self) -> None:
        # dropout draws from the device's global generator: seeding it here makes every epoch repeatable on its own
        seed = derive_seed(self.learning.seed, self.current_epoch, self.global_rank)
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        self._loss_sum = torch.zeros((), device=self.device)
        self._losses = torch.zeros(int(self.trainer.num_training_batches), device=self.device)
        self._num_seen = 0

    def on_train_batch_end(self, outputs: Any, batch: dict[str, Tensor], batch_idx: int) -> None:
        if not self.trainer.is_last_batch:
            return
        # here, not at the epoch's end: callbacks that show the loss are called before the module is
        seen = torch.stack([self._loss_sum, self._loss_sum.new_tensor(self._num_seen)])
        total, count = self.trainer.strategy.reduce(seen, reduce_op="sum").tolist()
        self.scores["train/loss"] = total / count
        if not np.isfinite(self.scores["train/loss"]):
            raise UserError(explain(self, self._losses.tolist()))

    def on_train_epoch_end(self) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(self._watched(scheduler.monitor))

    def on_validation_epoch_start(self) -> None:
        if self.trainer.world_size > 1:  # ranks keep their own batch statistics; what is saved and scored is rank 0's
            for buffer in self.buffers():
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
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = self.learning.optimizer(parameters)
        scheduler = self.learning.scheduler(optimizer, total_steps=int(self.trainer.estimated_stepping_batches))
        plan = {"scheduler": scheduler, "interval": "step"}
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            # stepped by hand at the epoch's end, before the checkpoint: Lightning would step it after, and a resumed
            # run would miss that step
            plan |= {"interval": "epoch", "frequency": 2**31, "monitor": scheduler.monitor, "strict": False}
        return {"optimizer": optimizer, "lr_scheduler": plan}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["ser"] = self.description

    def _part(self, name: str) -> list[Tensor]:
        """Parameters of the model whose names begin with `name`."""
        found = [weights for key, weights in self.model.named_parameters() if f"{key}.".startswith(f"{name}.")]
        if not found:
            known = list(dict.fromkeys(key.partition(".")[0] for key, _ in self.model.named_parameters()))
            raise UserError(f"loss.l2 names '{name}', and the model has no such part. {did_you_mean(name, known)}")
        return found

    def _watched(self, monitor: str) -> float:
        if monitor not in self.scores:
            raise UserError(f"scheduler.monitor={monitor} is not logged. Choose from: {', '.join(self.scores)}.")
        return self.scores[monitor]

    def _generator(self, device: torch.device, step: int) -> torch.Generator | None:
        learning = self.learning
        if not (learning.waveform_augmentations or learning.feature_augmentations or learning.mixings):
            return None
        seed = derive_seed(self.learning.seed, self.current_epoch, step, self.global_rank)
        return torch.Generator(device).manual_seed(seed)

    def _evaluate(self, batch: dict[str, Tensor]) -> None:
        if not len(batch["indices"]):  # a rank with fewer utterances than the others has an empty last batch
            return
        if "features" in batch:
            logits = self.classify(batch["features"], batch["frames"])
        elif self.trainer.state.fn == TrainerFn.FITTING:  # between epochs each recording is seen once, as it is
            logits = self(batch["waveforms"], batch["lengths"])
        else:
            logits = self.answer(batch["waveforms"], batch["lengths"])
        self._outputs.append((batch["indices"], batch["labels"], logits.float()))

    def _score(self, part: str) -> None:
        indices, labels, logits = (torch.cat(column).cpu().numpy() for column in zip(*self._outputs, strict=True))
        self._outputs.clear()
        if self.trainer.world_size > 1:
            gathered: list = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (indices, labels, logits))
            indices, labels, logits = (np.concatenate(column) for column in zip(*gathered, strict=True))
        if not (fine := np.isfinite(logits).all(axis=1)).all():  # the weights may break in the very last step
            raise UserError(explain_answers(self, part, indices[~fine].tolist(), len(fine)))
        order = np.argsort(indices, kind="stable")
        self.scored = indices[order], logits[order]
        scores = score(labels[order], logits[order], self.learning.metrics)
        self.scores |= {f"{part}/{name}": value for name, value in scores.items()}
