"""The step that `ser` takes itself, against Lightning's automatic optimization of the same loss."""

from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.plugins import Precision
from torch import nn

from ser.runs.weights import read_checkpoint
from ser.training import trainer as trainers
from ser.training.callbacks.averaging import AveragedWeights
from ser.training.module import EmotionClassifier
from tests.conftest import only_run


@pytest.fixture
def losses(monkeypatch) -> list[float]:
    """Of all steps of the last run."""
    seen, end = [], EmotionClassifier.on_train_batch_end

    def kept(self, outputs, batch, batch_idx):
        seen.append(float(self._losses[batch_idx]))
        end(self, outputs, batch, batch_idx)

    monkeypatch.setattr(EmotionClassifier, "on_train_batch_end", kept)
    return seen


def automatic(patch) -> None:
    """Leaves backward pass, clipping, accumulation, optimizer and schedule to Lightning."""
    begin = EmotionClassifier.__init__

    def begun(self, *arguments, **named):
        begin(self, *arguments, **named)
        self.automatic_optimization = True

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch, self.generator(batch_idx))
        self._losses[batch_idx] = loss.detach()
        self._sizes.append(len(batch["labels"]))
        return loss

    def configure_optimizers(self):
        optimizer = self.learning.optimizer(self.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = self.learning.scheduler(optimizer, total_steps=steps)
        plan = {"scheduler": scheduler, "interval": "step", "monitor": "val/loss"}
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            plan |= {"interval": "epoch", "frequency": 2**31, "strict": False}  # the module steps it
        return {"optimizer": optimizer, "lr_scheduler": plan}

    patch.setattr(trainers, "IN_THE_MODULE", ())
    patch.setattr(EmotionClassifier, "__init__", begun)
    patch.setattr(EmotionClassifier, "training_step", training_step)
    patch.setattr(EmotionClassifier, "configure_optimizers", configure_optimizers)
    patch.setattr(EmotionClassifier, "on_before_optimizer_step", lambda self, optimizer: None)


WAYS = [
    ["trainer.accumulate_grad_batches=4", "optimizer=sgd"],
    ["scheduler=one_cycle", "trainer.gradient_clip_val=0.1", "augmentation=spec_mixup"],
    ["optimizer=adamw", "scheduler=none", "trainer.gradient_clip_val=null"],
    ["optimizer=adam", "trainer.gradient_clip_val=0.001", "+trainer.gradient_clip_algorithm=value"],
    ["optimizer=rmsprop", "trainer.accumulate_grad_batches=2", "scheduler=plateau", "trainer.precision=bf16-mixed"],
    ["optimizer=sgd", "loss.l2={layers.0: 1e-3}", "loss.auxiliary={gender: 0.3}"],
    ["optimizer._target_=torch.optim.NAdam", "augmentation.mixing=[{_target_: ser.augmentations.mixing.CutMix}]"],
]


@pytest.mark.parametrize(
    "more", [pytest.param(more, marks=[pytest.mark.slow] if i > 1 else [], id=more[0]) for i, more in enumerate(WAYS)]
)
def test_losses_and_weights_are_those_of_automatic_optimization(ser, quick, in_tmp, losses, monkeypatch, more):
    command = [*quick, "trainer.max_epochs=3", "batch_size=8", "run.rerun=true", *more]
    code, _, err = ser(*command)
    assert code == 0, err
    ours, weights = [*losses], read_checkpoint(only_run(in_tmp) / "checkpoints" / "best.ckpt")["state_dict"]
    losses.clear()
    with monkeypatch.context() as patch:
        automatic(patch)
        assert ser(*command)[0] == 0
    theirs = read_checkpoint(only_run(in_tmp) / "checkpoints" / "best.ckpt")["state_dict"]
    assert len(ours) == 3 * 9 and len(set(ours)) > 10
    torch.testing.assert_close(ours, [*losses], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(weights, theirs, rtol=1e-6, atol=1e-6)


def test_the_average_is_exponential_and_begins_with_what_was_learned_first():
    class Module(nn.Module):
        device, averaged = torch.device("cpu"), None

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))
            self.register_buffer("mean", torch.zeros(2))
            self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    module, averaging = Module(), AveragedWeights(decay=0.6)
    averaging.setup(SimpleNamespace(precision_plugin=Precision()), module, "fit")
    expected = torch.zeros(3, dtype=torch.float64)
    for n in range(1, 40):
        with torch.no_grad():
            module.weight.fill_(float(n))
            module.mean.fill_(-float(n))
        averaging.update(module)
        decay = min(0.6, n / (9 + n))
        expected = decay * expected + (1 - decay) * n
    torch.testing.assert_close(averaging.average.weight.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(averaging.average.mean.double(), -expected[:2], rtol=1e-6, atol=0)
    assert module.averaged is averaging and averaging.num_updates == 39


def test_what_is_validated_saved_and_tested_is_the_average(ser, quick, in_tmp):
    code, _, err = ser(*quick, "ema=0.9", "batch_size=8", "checkpoint=last", "trainer.max_epochs=3")
    assert code == 0, err
    saved = read_checkpoint(only_run(in_tmp) / "checkpoints" / "last.ckpt")
    moved = [key for key, value in saved["state_dict"].items() if not value.equal(saved["current_model_state"][key])]
    assert moved and saved["averaging_state"]["n_averaged"] == 3 * 9
    best = read_checkpoint(only_run(in_tmp) / "checkpoints" / "best.ckpt")
    assert all(value.equal(saved["state_dict"][key]) for key, value in best["state_dict"].items())


def test_gradients_of_several_batches_keep_their_memory(ser, quick, monkeypatch):
    """A CUDA graph adds to the tensors that it was recorded with; validation in between must not release them."""
    seen, start = [], EmotionClassifier.on_train_epoch_start

    def noted(self):
        seen.append([None if weight.grad is None else weight.grad.data_ptr() for weight in self.parameters()])
        start(self)

    monkeypatch.setattr(EmotionClassifier, "on_train_epoch_start", noted)
    command = [*quick, "batch_size=8", "trainer.accumulate_grad_batches=2", "trainer.max_epochs=3"]
    assert ser(*command)[0] == 0
    assert None not in seen[1] and seen[1] == seen[2]
