"""`cnn2d` on RAVDESS for 100 epochs on one GPU: seconds, a step, samples a second, the share of time in which the GPU
computes and in which kernels, epochs against the CPU; then a grid of 48 runs and a cross-validation on that GPU.
"""

import itertools
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from scripts.benchmarks.data import dataset_arguments
from scripts.benchmarks.measure import Row, alone, compare, quiet, seconds
from ser.cli import main as ser
from ser.commands import train
from ser.errors import UserError
from ser.reports.events import epoch_ends

EPOCHS = 100
RUNS = 48  # of the grid, of 80 epochs each
TOGETHER = 12
MOST_KERNELS = 5  # that are named
JOB = ["frontend=log_mel", "model=cnn2d", "run.progress=false", "run.rerun=true"]
WHAT = {
    "seconds": f"{EPOCHS} epochs of `cnn2d` on RAVDESS, after start-up",
    "step": "a training step of it, batch 32",
    "graphs": "an epoch of `cnn2d` as CUDA graphs",
    "samples": "training samples a second",
    "share": "share of the time in which the GPU computes",
    "cpu": "an epoch of `cnn2d` on the GPU",
    "grid": f"`ser train -m` of {RUNS} runs of 80 epochs, start to end, {TOGETHER} at a time",
    "crossval": "`ser crossval experiment=ravdess_cnn2d`, six folds, start to report",
}
TARGETS = {
    "seconds": "≤ 5 s",
    "step": "≤ 1.5 ms",
    "graphs": "≥ 5",
    "cpu": "≥ 20",
    "grid": "≤ 150 s",
    "crossval": "≤ 60 s",
}


def run(rounds: int = 5) -> list[Row]:
    """Measures on the first GPU; without one, every row is empty."""
    if not torch.cuda.is_available():
        return [alone(what, [], "", TARGETS.get(name, ""), "no GPU at hand") for name, what in WHAT.items()]
    with tempfile.TemporaryDirectory() as folder:
        job = [*dataset_arguments("ravdess"), *JOB, "trainer=gpu"]
        whole = [_ends(job, EPOCHS, Path(folder) / "whole") for _ in range(rounds)]
        epochs = [[b - a for a, b in itertools.pairwise(ends)] for ends in whole]
        # the first epoch warms up; it is counted as long as the others
        took = [EPOCHS * statistics.mean(spans) for spans in epochs]
        eager = [_ends([*job, "run.cuda_graphs=off"], EPOCHS // 5, Path(folder) / "eager") for _ in range(rounds)]
        eagerly = [statistics.median(b - a for a, b in itertools.pairwise(ends)) for ends in eager]
        captured = [statistics.median(spans) for spans in epochs]
        samples = _training_samples(Path(folder) / "whole")
        steps = -(-samples // 32)
        share, kernels = _profiled(job, Path(folder) / "share")
        return [
            alone(WHAT["seconds"], took, "s", TARGETS["seconds"]),
            alone(WHAT["step"], [spans / steps for spans in captured], "s", TARGETS["step"], "validation is in it"),
            compare(WHAT["graphs"], "launched one by one", captured, eagerly, "s", "times as fast", TARGETS["graphs"]),
            alone(WHAT["samples"], [EPOCHS * samples / taken for taken in took], "1/s", ""),
            alone(WHAT["share"], [share], "", "", kernels),
            _against_cpu(captured, Path(folder)),
            alone(WHAT["grid"], [seconds(lambda: _grid(job, Path(folder)))], "s", TARGETS["grid"]),
            alone(WHAT["crossval"], [seconds(lambda: _crossval(Path(folder)))], "s", TARGETS["crossval"]),
        ]


def _ends(job: list[str], epochs: int, run_dir: Path) -> list[float]:
    """When each epoch of a run in this process ended."""
    with quiet():
        train.main([*job, f"trainer.max_epochs={epochs}", f"hydra.run.dir={run_dir}"])
    return epoch_ends(run_dir)


def _training_samples(run_dir: Path) -> int:
    return json.loads((run_dir / "metrics.json").read_text())["num_train"]


def _profiled(job: list[str], run_dir: Path, epochs: int = 10) -> tuple[float, str]:
    """Time in kernels over time from the end of the first epoch to the end of the last; and which kernels take most."""
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        ends = _ends(job, epochs, run_dir)
    first, last = 1e6 * ends[0], 1e6 * ends[-1]
    kernels = [event for event in recorded.events() if event.device_type.name == "CUDA"]
    inside = [event for event in kernels if event.time_range.end > kernels[-1].time_range.end - (last - first)]
    busy = sum(event.time_range.elapsed_us() for event in inside)
    return busy / (last - first), _in_words(inside, busy)


def _in_words(kernels: Sequence, busy: float) -> str:
    """How many there are, and the names and shares of those that take most."""
    times: dict[str, float] = {}
    for event in kernels:
        times[event.name] = times.get(event.name, 0.0) + event.time_range.elapsed_us()
    most = sorted(times, key=times.get, reverse=True)[:MOST_KERNELS]
    listed = "; ".join(f"{name[:60]} {times[name] / busy:.0%}" for name in most)
    return f"{len(kernels)} kernels and copies; {listed}"


def _against_cpu(ours: list[float], folder: Path) -> Row:
    job = [*dataset_arguments("ravdess"), *JOB, "trainer=cpu"]
    ends = _ends(job, len(ours) + 1, folder / "cpu")
    theirs = [b - a for a, b in itertools.pairwise(ends)]
    return compare(WHAT["cpu"], "the same on this machine's CPU", ours, theirs, "s", "times as fast", TARGETS["cpu"])


def _grid(job: list[str], folder: Path) -> None:
    words = [*job, "trainer.max_epochs=80", f"seed=range({RUNS})", f"sweep.jobs_per_gpu={TOGETHER}"]
    _command(["train", "-m", *words, f"run.dir={folder}/grid", f"hydra.sweep.dir={folder}/grid_sweep"])


def _crossval(folder: Path) -> None:
    words = [*dataset_arguments("ravdess"), "trainer=gpu", "sweep.jobs_per_gpu=6", "run.progress=false"]
    _command(["crossval", "experiment=ravdess_cnn2d", *words, f"run.dir={folder}/crossval"])


def _command(words: list[str]) -> None:
    """A command to its end; what each run needs besides is in the store."""
    with quiet():
        code = ser(words)
    if code:
        raise UserError(f"ser {' '.join(words)} ended with exit code {code}; its message is above.")
