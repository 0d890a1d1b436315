"""The checks: each trains for real, through the command line, in this process."""

import contextlib
import io
import os
import re
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ser.cli import main as ser
from ser.errors import UserError
from ser.training.callbacks.progress import EpochProgress
from ser.training.module import EmotionClassifier

REPOSITORY = Path(__file__).parents[2]
BASE = [
    "train", "dataset=demo", "trainer=gpu", "trainer.max_epochs=2", "run.report=false", "run.progress=false",
    "logger=none", "run.rerun=true",
]  # fmt: skip
CLOSE = 1e-4
NOT_HERE = {  # options that need what this script does not have
    "augmentation": ("background", "recorded_room"),
    "trainer": ("cpu", "ddp"),
}
UNINTENDED = ("it fails as a graph", "a step fails or waits", "the GPU has no memory")  # reasons of an eager step
WHY = re.compile(r"training steps are no CUDA graphs: (.{,60})")
GROUPS = ("frontend", "model", "optimizer", "scheduler", "augmentation", "audio", "metrics", "trainer")
SETTINGS = [
    ["ema=0.99"],
    ["trainer.accumulate_grad_batches=2"],
    ["trainer.accumulate_grad_batches=3", "ema=0.99", "batch_size=20"],
    ["trainer.gradient_clip_val=0.05"],
    ["trainer.gradient_clip_val=0.001", "+trainer.gradient_clip_algorithm=value"],
    ["loss.class_weights=balanced", "loss.label_smoothing=0.1"],
    ["loss.auxiliary={gender: 0.2, statement: 0.2}", "augmentation=spec_mixup"],
    ["loss.l2={layers.0: 1e-3}", "model=mlp"],
    [
        "model=cnn2d",
        "model.deltas=2",
        "model.attention_hidden=16",
        "model.attention_heads=2",
        "model.block_dropout=0.1",
    ],
    ["trainer.precision=16-mixed"],
    ["trainer.precision=64-true"],
    ["trainer.deterministic=false"],
    ["run.keep_features=never"],
    ["run.keep_features=disk"],
    ["augmentation=waveform", "augmentation.views=2"],
    ["optimizer._target_=torch.optim.NAdam"],
    ["normaliser=none"],
    ["normaliser=utterance"],
]


@dataclass(frozen=True, slots=True)
class Check:
    """What came of one.

    Args:
        passed: Whether it is as it should be.
        found: In words.
    """

    passed: bool
    found: str


def all_checks(words: Sequence[str] = ()) -> Iterator[tuple[str, Callable[[], Check]]]:
    """Each check with its name; with words, those whose name holds one."""
    checks: list[tuple[str, Callable[[], Check]]] = []
    for group in GROUPS:
        names = sorted(path.stem for path in (REPOSITORY / "configs" / group).glob("*.yaml"))
        options = [f"{group}={name}" for name in names if name not in NOT_HERE.get(group, ())]
        more = ["model=mlp"] if group == "frontend" else []  # the one model that takes any features
        checks += [(option, partial(graphs_are_eager_steps, [option, *more])) for option in options]
    checks += [(" ".join(settings), partial(graphs_are_eager_steps, settings)) for settings in SETTINGS]
    checks += [
        ("resuming", partial(resuming_is_exact, ["ema=0.99", "model=cnn2d"])),
        ("waits", waits_are_none_in_a_step),
        ("refusal", what_cannot_be_is_refused),
        ("side by side", runs_side_by_side_are_the_runs_alone),
        ("side by side, some augmented", runs_that_augment_leave_the_others_alone),
        ("side by side, some fail", runs_that_fail_leave_the_others_alone),
    ]
    return ((name, check) for name, check in checks if not words or any(word in name for word in words))


def graphs_are_eager_steps(options: Sequence[str]) -> Check:
    """The losses of the steps of an epoch, captured and eager; the second epoch is told, where rounding has grown."""
    eager, _ = losses_of([*options, "run.cuda_graphs=off"])
    captured, said = losses_of(options)
    apart = [abs(a - b) / max(1.0, abs(b)) for a, b in zip(captured, eager, strict=True)]
    first, second = max(apart[: len(apart) // 2]), max(apart[len(apart) // 2 :])
    reason = WHY.search(said)
    how = f"eager: {reason[1]}" if reason else "graphs"
    as_planned = reason is None or not reason[1].startswith(UNINTENDED)
    found = f"losses of an epoch differ by at most {first:.1e}, of the next {second:.1e} ({how})"
    return Check(first < CLOSE and as_planned, found)


def losses_of(options: Sequence[str]) -> tuple[list[float], str]:
    """The loss of each step of a run in a folder of its own, and what the run said."""
    with tempfile.TemporaryDirectory() as folder, recorded_losses() as losses:
        said = run([*options, f"hydra.run.dir={folder}/run"])
    return losses, said


def run(options: Sequence[str], code: int = 0) -> str:
    """What a run says that ends with this exit code."""
    out, err = io.StringIO(), io.StringIO()
    base = [word for word in BASE if word.partition("=")[0] not in {option.partition("=")[0] for option in options}]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = ser([*base, *options])
    if found != code:
        raise UserError(f"exit code {found}: {err.getvalue()[-500:]}")
    return " ".join(out.getvalue().split())


@contextlib.contextmanager
def recorded_losses() -> Iterator[list[float]]:
    """The losses of all steps that are taken inside the block."""
    seen, original = [], EmotionClassifier.on_train_batch_end

    def recording(self, outputs, batch, batch_idx):
        if self.trainer.is_last_batch:
            seen.extend(self._losses.tolist())
        original(self, outputs, batch, batch_idx)

    EmotionClassifier.on_train_batch_end = recording
    try:
        yield seen
    finally:
        EmotionClassifier.on_train_batch_end = original


def resuming_is_exact(options: Sequence[str]) -> Check:
    """A run stopped by a signal in its second epoch and continued, against the same run without."""
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder) / "whole", Path(folder) / "broken"
        job = [*options, "trainer.max_epochs=5", "run.rerun=false"]
        run([*job, f"hydra.run.dir={whole}"])
        told = EpochProgress.on_train_epoch_end

        def stopped(self, trainer, module):
            told(self, trainer, module)
            if trainer.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        EpochProgress.on_train_epoch_end = stopped
        try:
            with contextlib.suppress(UserError):  # of the exit code
                run([*job, f"hydra.run.dir={broken}"])
        finally:
            EpochProgress.on_train_epoch_end = told
        if (broken / "finished.json").exists():
            return Check(False, "the signal did not stop it")
        run([*job, f"hydra.run.dir={broken}"])
        same = (whole / "predictions.csv").read_text() == (broken / "predictions.csv").read_text()
        return Check(same, f"predictions are {'equal' if same else 'not equal'}")


def waits_are_none_in_a_step() -> Check:
    """Waits that torch warns of, in three epochs of few and of many steps."""
    counts = []
    for size in (64, 8):
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                losses, _ = losses_of(["model=cnn2d", "ema=0.99", "trainer.max_epochs=3", f"batch_size={size}"])
        finally:
            torch.cuda.set_sync_debug_mode("default")
        counts.append((len(losses), sum("synchronizing" in str(warning.message) for warning in caught)))
    (few_steps, few), (many_steps, many) = counts
    return Check(few == many, f"{few} waits with {few_steps} steps, {many} with {many_steps}")


def what_cannot_be_is_refused() -> Check:
    """`run.cuda_graphs=on` where it is not possible."""
    try:
        run(["run.cuda_graphs=on", "run.keep_features=never"])
    except UserError as error:
        return Check("run.cuda_graphs=on is not possible here" in str(error), str(error)[:200])
    return Check(False, "it was not refused")


def runs_side_by_side_are_the_runs_alone() -> Check:
    """Also those that a thread trains after others, on the same stream."""
    return _alone_and_together(["model=cnn2d", "ema=0.99,null", "seed=range(4)", "trainer.max_epochs=40"], 8)


def runs_that_augment_leave_the_others_alone() -> Check:
    """Half of a grid computes its features anew in each step, the others read one copy of theirs."""
    return _alone_and_together(["augmentation=none,waveform", "seed=range(2)", "trainer.max_epochs=10"], 4)


def runs_that_fail_leave_the_others_alone() -> Check:
    """Half of a grid has a loss that is no number."""
    sgd = ["optimizer=sgd", "scheduler=none", "trainer.gradient_clip_val=null", "trainer.max_epochs=20"]
    return _alone_and_together([*sgd, "optimizer.lr=0.01", "optimizer.weight_decay=0,1000", "seed=range(3)"], 3, code=1)


def _alone_and_together(grid: Sequence[str], count: int, code: int = 0) -> Check:
    """Predictions of the runs of a grid that finish, trained one after the other, and three at a time in one process,
    none of them again.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = {}
        for name, how in {"alone": [], "together": ["sweep.jobs_per_gpu=3"]}.items():
            where = [f"run.dir={folder}/{name}", f"hydra.sweep.dir={folder}/{name}_sweep"]
            outputs[name] = run(["-m", *grid, "run.rerun=false", *how, *where], code)
        one, other = (_predictions(Path(folder) / name) for name in outputs)
    equal = sum(other.get(name) == found for name, found in one.items())
    at_once = "3 at a time" in outputs["together"] and "Stopped, since" not in outputs["together"]
    words = f"predictions of {equal} of {len(one)} runs are equal" + ("; not all in one go" * (not at_once))
    return Check(equal == len(one) == count and at_once, words)


def _predictions(folder: Path) -> dict[str, str]:
    return {file.parent.name: file.read_text() for file in folder.glob("*/predictions.csv")}
