"""A loss that is NaN: step, recordings and cause are those of the training that truly happened."""

import math
from types import SimpleNamespace

import pytest
import torch

from ser.augmentations.spectrogram import SpecAugment
from ser.data.datamodule import EmotionData, IndexLoader
from ser.runs.settings import OPTIMIZER
from ser.system.ranges import Range
from ser.training.module import EmotionClassifier
from ser.training.nan_diagnosis import _likely_causes, _story, explain, first_bad_step
from tests.conftest import only_run

TOO_FAST = ["optimizer=sgd", "optimizer.lr=1e30", "scheduler=none", "trainer.gradient_clip_val=null", "batch_size=8"]


@pytest.fixture(autouse=True)
def any_rate(monkeypatch):
    """Rates beyond all use are allowed: training breaks within a step or two."""
    monkeypatch.setitem(OPTIMIZER, "lr", Range())


@pytest.fixture
def steps(monkeypatch) -> list[tuple[int, int, list[str], float]]:
    """What truly happened in each step: epoch, step, recordings, loss."""
    seen, original = [], EmotionClassifier.training_step

    def recorded_step(self, batch, batch_idx):
        original(self, batch, batch_idx)
        names = [self.trainer.datamodule.names[i] for i in batch["indices"].tolist()]
        seen.append((self.current_epoch, batch_idx, names, float(self._losses[batch_idx])))

    monkeypatch.setattr(EmotionClassifier, "training_step", recorded_step)
    return seen


def first_bad(steps):
    return next((epoch, step, names, loss) for epoch, step, names, loss in steps if not math.isfinite(loss))


@pytest.mark.parametrize(
    "more",
    [[], ["trainer.precision=bf16-mixed"], ["run.keep_features=never"], ["augmentation=noise", "augmentation.views=2"]],
    ids=str,
)
def test_the_step_and_its_recordings(ser, quick, in_tmp, steps, more):
    code, _, err = ser(*quick, *TOO_FAST, *more)
    epoch, step, names, loss = first_bad(steps)
    assert code == 2 and f"The training loss is {loss} at step {step} of epoch {epoch}" in err
    assert step > 0 and len(names) == 8 and all(name in err for name in names), "as many as are named in full"
    assert "features are finite" in err and "no gradient clipping" in err and "optimizer.lr, now 1e+30" in err
    assert "half precision" not in err
    assert all(name in (only_run(in_tmp) / "train.log").read_text() for name in names)
    assert not (only_run(in_tmp) / "metrics.json").exists()


def test_of_large_batches_the_log_has_all(ser, quick, in_tmp, steps):
    _, _, err = ser(*quick, *TOO_FAST[:-1], "batch_size=20")
    _, _, names, _ = first_bad(steps)
    assert all(name in err for name in names[:8]) and f"and {len(names) - 8} more" in err
    assert not any(name in err for name in names[8:])
    assert all(name in (only_run(in_tmp) / "train.log").read_text() for name in names)


def test_a_later_epoch(ser, quick, steps, monkeypatch):
    original = EmotionClassifier.on_train_epoch_start

    def broken(self):
        original(self)
        if self.current_epoch == 1:
            with torch.no_grad():
                next(self.model.parameters()).fill_(float("nan"))

    monkeypatch.setattr(EmotionClassifier, "on_train_epoch_start", broken)
    code, _, err = ser(*quick, "batch_size=8")
    _, _, names, _ = first_bad(steps)
    assert code == 2 and "nan at step 0 of epoch 1" in err and "broke in the last step of epoch 0" in err
    assert all(name in err for name in names) and "no gradient clipping" not in err


@pytest.mark.parametrize("kind", ["features", "waveforms"])
def test_the_recording_that_is_no_number_is_named_alone(ser, quick, monkeypatch, kind):
    original, victim = IndexLoader._batch, []

    def poisoned(self, indices, chosen):
        batch = original(self, indices, chosen)
        if self.batch_sampler.seed is not None:  # of training
            victim.append(victim[0] if victim else int(indices[1]))
            batch[kind][torch.as_tensor(indices == victim[0])] = float("inf")
        return batch

    names = []
    setup = EmotionData.setup
    monkeypatch.setattr(EmotionData, "setup", lambda self, stage: names.append(self.names) or setup(self, stage))
    monkeypatch.setattr(IndexLoader, "_batch", poisoned)
    code, _, err = ser(*quick, "augmentation=none", f"run.keep_features={'never' if kind == 'waveforms' else 'memory'}")
    assert code == 2 and "NaN or infinite" in err and "Likely causes" not in err
    cause = err[err.index("more (train.log has all). ") :]
    what = "samples" if kind == "waveforms" else "features"
    assert f" {names[0][victim[0]]}: {what} that are NaN or infinite" in cause


def test_augmentation_that_makes_them_is_named(ser, quick, monkeypatch):
    original = SpecAugment.__call__

    def poisoned(self, features, *rest):
        features, frames = original(self, features, *rest)
        return features / 0, frames

    monkeypatch.setattr(SpecAugment, "__call__", poisoned)
    code, _, err = ser(*quick)
    assert code == 2 and "augmentation makes it NaN or infinite" in err and "augmentation=none" in err


@pytest.mark.parametrize(
    ("more", "part"), [([], "val"), (["checkpoint=last", "split.val=0", "early_stopping.patience=null"], "test")]
)
def test_weights_that_break_in_the_very_last_step(ser, quick, in_tmp, more, part):
    """The loss of every step is a number, and yet the model answers nothing: no run that looks finished."""
    fast = ["optimizer=sgd", "optimizer.lr=1e38", "scheduler=none", "trainer.gradient_clip_val=null"]
    code, _, err = ser(*quick, *fast, "batch_size=1000", "trainer.max_epochs=1", *more)
    assert code == 2 and f"recordings of {part} are NaN or infinite" in err and "now 1e+38" in err
    assert not (only_run(in_tmp) / "finished.json").exists() and not (only_run(in_tmp) / "metrics.json").exists()


def trained(precision="32-true", clip=1.0):
    """A classifier with nothing but what causes are read from."""
    return SimpleNamespace(
        trainer=SimpleNamespace(precision=precision),
        learning=SimpleNamespace(clip=clip),
        description={"config": {"optimizer": {"lr": 0.5}}},
        current_epoch=3,
    )


@pytest.mark.parametrize(
    ("precision", "overflows"), [("16-mixed", True), ("16-true", True), ("bf16-mixed", False), ("32-true", False)]
)
def test_half_precision_is_a_cause_where_it_is_used(precision, overflows):
    causes = "; ".join(_likely_causes(trained(precision)))
    assert ("65504" in causes) == overflows and "now 0.5" in causes and "clipping" not in causes
    assert "clipping" in "; ".join(_likely_causes(trained(clip=None)))


def test_how_the_loss_went():
    assert _story([2.0, 1.5, 9.0], 0) == "the loss had grown from 1.5 to 9 within the epoch"
    assert _story([2.0, 2.1], 0) == "the loss was still 2.1 the step before"
    assert _story([], 4) == "they broke in the last step of epoch 3"
    assert _story([], 0) == "they are too large from the start"


def test_on_several_devices_the_others_say_where():
    message = explain(trained(), [2.0, 1.0])
    assert "in epoch 3" in message and "on another" in message and first_bad_step([2.0, 1.0]) is None
