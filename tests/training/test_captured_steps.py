"""The steps that a GPU records, on a CPU: what is recorded is done again, step by step, with what the host leaves."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR, OneCycleLR, ReduceLROnPlateau, SequentialLR

from ser.runs.weights import read_checkpoint
from ser.training import setup
from ser.training.callbacks.progress import EpochProgress
from ser.training.captured_steps import CapturedSteps, _make_capturable
from ser.training.cuda_graphs import NotCaptured
from ser.training.epoch_schedule import EpochSchedule, rates_ahead
from ser.training.module import EmotionClassifier
from tests.conftest import only_run


class Again:
    """Does the work again where a CUDA graph would be replayed: with the same tensors, not told anything."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def record(
        self, work: Callable[[], Any], generator: torch.Generator | None = None
    ) -> tuple[Callable[[], None], Any]:
        self.recorded += 1
        for _ in range(3):
            result = work()

        def replay() -> None:
            self.replayed += 1
            again = work()
            if result is not None:
                result.copy_(again)

        return replay, result

    def release(self) -> None:
        self.released = True


class RefusesAnswers(Again):
    """Records what draws, which are the steps."""

    def record(self, work, generator=None):
        if generator is None:
            raise NotCaptured("this model waits when it answers")
        return super().record(work, generator)


class Refuses(Again):
    def record(self, work, generator=None):
        raise NotCaptured("this device records nothing")


@pytest.fixture
def recording(monkeypatch):
    """Has runs on the CPU take their steps as on a GPU, with a recorder of a kind; gives those that were made."""

    def of(kind: type[Again]) -> list[Again]:
        made = []

        def plan(config, classifier, data, console):
            def capture():
                made.append(kind())
                return CapturedSteps(classifier, data, lambda reason, what: console.print(reason), made[-1])

            data.pad_to_one_length()
            data.leave_batches_to_the_step()
            classifier.capture = capture

        monkeypatch.setattr(setup, "plan_capture", plan)
        return made

    return of


def read_metrics(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def plain(monkeypatch):
    """The same run with its steps taken by the host, from batches of the same width."""
    monkeypatch.setattr(setup, "plan_capture", lambda config, classifier, data, console: data.pad_to_one_length())


@pytest.fixture
def losses(monkeypatch) -> list[float]:
    """Of all steps, epoch after epoch."""
    seen, end = [], EmotionClassifier.on_train_batch_end

    def kept(self, outputs, batch, batch_idx):
        if self.trainer.is_last_batch:
            seen.extend(self._losses.tolist())
        end(self, outputs, batch, batch_idx)

    monkeypatch.setattr(EmotionClassifier, "on_train_batch_end", kept)
    return seen


WAYS = [
    ["augmentation=spec_mixup", "ema=0.9", "trainer.gradient_clip_val=0.1"],
    ["trainer.accumulate_grad_batches=4", "optimizer=sgd", "scheduler=none"],
    ["loss.auxiliary={gender: 0.3}", "loss.class_weights=balanced", "trainer.accumulate_grad_batches=2", "ema=0.9"],
    ["augmentation=waveform", "augmentation.views=2", "scheduler=plateau"],
    ["split.val=0", "checkpoint=last", "run.keep_features=disk", "optimizer=adam"],
    ["model=cnn2d", "model.width=4"],
    ["trainer.precision=64-true", "augmentation=spec_mixup", "optimizer=sgd"],
]


@pytest.mark.parametrize(
    "more", [pytest.param(more, marks=[pytest.mark.slow] if i > 1 else [], id=more[0]) for i, more in enumerate(WAYS)]
)
def test_recorded_steps_are_those_that_the_host_takes(ser, quick, in_tmp, recording, losses, monkeypatch, more):
    image = "model=cnn2d" in more
    base = [word for word in quick if not (image and word.startswith("model"))]
    model = [] if image else ["model.norm=none"]  # a bias before it would learn from rounding
    command = [*base, "trainer.max_epochs=3", "batch_size=7", "run.rerun=true", *model, *more]
    with monkeypatch.context() as patch:
        plain(patch)
        code, _, err = ser(*command)
    assert code == 0, err
    run, expected = only_run(in_tmp), [*losses]
    scores = read_metrics(run)
    results, validates = [], not {"split.val=0", "run.keep_features=disk"} & set(more)
    for kind in (Refuses, Again):
        losses.clear()
        made = recording(kind)
        code, out, err = ser(*command)
        assert code == 0, err
        assert out.count("this device records nothing") == (2 if kind is Refuses and validates else kind is Refuses)
        assert len(losses) > 5 and len(set(losses)) > 5
        # learning rates are float32 on the device, and rounding grows from step to step
        torch.testing.assert_close(losses, expected, rtol=1e-3, atol=1e-3)
        weights = read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"]
        results.append((weights, (run / "predictions.csv").read_text(), [*losses]))
        assert read_metrics(run)["test/uar"] == pytest.approx(scores["test/uar"], abs=0.15)
    assert 0 < made[0].recorded < 8 and made[0].replayed > 2 * made[0].recorded
    torch.testing.assert_close(*(weights for weights, *_ in results), rtol=0, atol=0)
    assert results[0][1:] == results[1][1:]


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(ser, quick, in_tmp, recording, monkeypatch):
    recording(Again)
    command = [*quick, "trainer.max_epochs=4", "batch_size=7", "ema=0.9", "augmentation=spec_mixup"]
    assert ser(*command)[0] == 0
    whole = (only_run(in_tmp) / "predictions.csv").read_text()
    end = EpochProgress.on_train_epoch_end

    def stopped(self, trainer, module):
        end(self, trainer, module)
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_train_epoch_end", stopped)
        assert ser(*command, "run.rerun=true")[0] == 143
    assert not (only_run(in_tmp) / "finished.json").exists()
    code, out, err = ser(*command)
    assert code == 0 and "Continuing from" in out, err
    assert (only_run(in_tmp) / "predictions.csv").read_text() == whole


def test_where_answers_are_not_recorded_steps_are(ser, quick, in_tmp, recording):
    made = recording(RefusesAnswers)
    code, out, err = ser(*quick, "trainer.max_epochs=3", "batch_size=7")
    assert code == 0, err
    assert out.count("this model waits when it answers") == 1 and made[0].replayed == 3 * 10


def test_a_state_of_other_strides_is_laid_as_its_parameter():
    weights = torch.nn.Parameter(torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last))
    adam = torch.optim.AdamW([weights])
    weights.grad = torch.ones_like(weights)
    adam.step()
    kept = adam.state[weights]["exp_avg"].contiguous()
    adam.state[weights]["exp_avg"] = kept
    _make_capturable(adam)
    laid = adam.state[weights]["exp_avg"]
    assert laid.stride() == weights.stride() != kept.stride() and laid.equal(kept) and not laid.requires_grad


def test_a_callback_may_change_the_learning_rate(ser, quick, in_tmp, recording, losses, monkeypatch):
    def changed(self, trainer, module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (0, 4):
            module.lr_schedulers().base_lrs[0] *= 10
            trainer.optimizers[0].param_groups[0]["lr"] *= 10

    monkeypatch.setattr(EpochProgress, "on_train_batch_start", changed)
    command = [*quick, "trainer.max_epochs=2", "batch_size=7", "run.rerun=true", "model.norm=none"]
    with monkeypatch.context() as patch:
        plain(patch)
        assert ser(*command)[0] == 0
    expected = [*losses]
    losses.clear()
    recording(Again)
    assert ser(*command)[0] == 0
    torch.testing.assert_close(losses, expected, rtol=1e-3, atol=1e-3)


def test_a_schedule_that_moves_more_than_the_rate_is_taken_eagerly(ser, quick, in_tmp, recording):
    made = recording(Again)
    code, out, err = ser(*quick, "trainer.max_epochs=2", "scheduler=one_cycle", "optimizer=sgd")
    assert code == 0, err
    assert "scheduler.cycle_momentum" in " ".join(out.split())
    assert made[0].replayed == 2, "validation of two epochs alone"


def optimizer() -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr} for lr in (0.1, 0.02)]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


@pytest.mark.filterwarnings("ignore:Detected call of")  # of a schedule before its optimizer, which has no gradients
@pytest.mark.parametrize(
    "schedule",
    [
        lambda it: LambdaLR(it, lambda step: 1 / (1 + step)),
        lambda it: OneCycleLR(it, [0.1, 0.02], total_steps=40, cycle_momentum=False),
        lambda it: CosineAnnealingWarmRestarts(it, 5),
        lambda it: SequentialLR(it, [LambdaLR(it, lambda s: 0.1), LambdaLR(it, lambda s: 0.9**s)], [4]),
    ],
    ids=["lambda", "one_cycle", "restarts", "sequence"],
)
def test_rates_ahead_are_those_that_come(schedule):
    ahead, after = optimizer(), optimizer()
    mine, theirs = schedule(ahead), schedule(after)
    for epoch in range(3):
        moves = [step % 3 != 1 for step in range(9)]
        planned, alone = rates_ahead(mine, ahead, moves)
        assert alone
        for step, move in enumerate(moves):
            rates = [[group["lr"] for group in it.param_groups] for it in (ahead, after)]
            assert planned[step] == rates[0] == rates[1], (epoch, step)
            if move:
                mine.step()
                theirs.step()


def test_rates_ahead_say_what_else_moves_and_that_plateaus_do_not():
    it = optimizer()
    moving = OneCycleLR(it, [0.1, 0.02], total_steps=40)
    before = [dict(group) for group in it.param_groups]
    assert rates_ahead(moving, it, [True] * 5)[1] is False
    assert [dict(group) for group in it.param_groups] == before
    it = optimizer()
    assert rates_ahead(ReduceLROnPlateau(it), it, [True, True]) == ([[0.1, 0.02]] * 2, True)


def test_the_schedule_gives_each_step_its_own_and_stands_still_at_the_end():
    schedule = EpochSchedule(5, 3, 2, torch.device("cpu"))
    places = [tensor.data_ptr() for tensor in (schedule.order, schedule.rates, schedule.losses, schedule.rate)]
    for epoch in range(2):
        order, rates = np.array([4, 0, 3, 1, 2]) + 10 * epoch, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
        schedule.begin(order, rates)
        taken = []
        for i, count in enumerate((2, 2, 1, 1)):  # one more than there are
            taken.append((schedule.take(count).tolist(), schedule.rate.tolist()))
            schedule.advance(torch.tensor(float(i)), count)
        assert taken[:3] == [(order[:2].tolist(), rates[0]), (order[2:4].tolist(), rates[1]), ([order[4]], rates[2])]
        assert schedule.losses.tolist() == [0.0, 1.0, 3.0]  # the one more took the last place
    assert places == [t.data_ptr() for t in (schedule.order, schedule.rates, schedule.losses, schedule.rate)]
