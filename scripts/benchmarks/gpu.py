"""`cnn2d` on RAVDESS for 100 epochs on one GPU: seconds, samples a second, the share of time in which the GPU computes,
epochs a second against the CPU, and 16 small runs packed onto one GPU.
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from scripts.benchmarks.data import dataset_arguments
from scripts.benchmarks.measure import Row, alone, compare, quiet
from ser.commands import train
from ser.errors import UserError
from ser.reports.events import epoch_ends

EPOCHS = 100
PACKED = 16
JOB = ["frontend=log_mel", "model=cnn2d", "run.progress=false", "run.rerun=true"]
WHAT = {
    "seconds": f"{EPOCHS} epochs of `cnn2d` on RAVDESS, after start-up",
    "graphs": "an epoch of `cnn2d` as CUDA graphs",
    "samples": "training samples a second",
    "share": "share of the time in which the GPU computes",
    "cpu": "an epoch of `cnn2d` on the GPU",
    "packed": f"an epoch of {PACKED} runs packed onto one GPU",
}
TARGETS = {"seconds": "≤ 5 s", "graphs": "≥ 5", "cpu": "≥ 20", "packed": "≤ 4"}


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
        return [
            alone(WHAT["seconds"], took, "s", TARGETS["seconds"]),
            compare(WHAT["graphs"], "launched one by one", captured, eagerly, "s", "times as fast", TARGETS["graphs"]),
            alone(WHAT["samples"], [EPOCHS * samples / seconds for seconds in took], "1/s", ""),
            alone(WHAT["share"], [_share(job, Path(folder) / "share")], "", ""),
            _against_cpu(captured, Path(folder)),
            _packed(job, Path(folder), rounds),
        ]


def _ends(job: list[str], epochs: int, run_dir: Path) -> list[float]:
    """When each epoch of a run in this process ended."""
    with quiet():
        train.main([*job, f"trainer.max_epochs={epochs}", f"hydra.run.dir={run_dir}"])
    return epoch_ends(run_dir)


def _training_samples(run_dir: Path) -> int:
    return json.loads((run_dir / "metrics.json").read_text())["num_train"]


def _share(job: list[str], run_dir: Path, epochs: int = 10) -> float:
    """Time in kernels over time from the end of the first epoch to the end of the last."""
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        ends = _ends(job, epochs, run_dir)
    first, last = 1e6 * ends[0], 1e6 * ends[-1]
    kernels = [event for event in recorded.events() if event.device_type.name == "CUDA"]
    inside = [event for event in kernels if event.time_range.end > kernels[-1].time_range.end - (last - first)]
    return sum(event.time_range.elapsed_us() for event in inside) / (last - first)


def _against_cpu(ours: list[float], folder: Path) -> Row:
    job = [*dataset_arguments("ravdess"), *JOB, "trainer=cpu"]
    ends = _ends(job, len(ours) + 1, folder / "cpu")
    theirs = [b - a for a, b in itertools.pairwise(ends)]
    return compare(WHAT["cpu"], "the same on this machine's CPU", ours, theirs, "s", "times as fast", TARGETS["cpu"])


def _packed(job: list[str], folder: Path, rounds: int, epochs: int = 20) -> Row:
    """Epochs a second are counted while all runs are at it: from the last one's first epoch to the first one's last."""
    ours, theirs = [], []
    for _ in range(rounds):
        for count, spans in ((PACKED, ours), (1, theirs)):
            runs = [folder / f"packed-{count}-{i}" for i in range(count)]
            together(job, epochs, runs)
            ends = [epoch_ends(run) for run in runs]
            spans.append(statistics.median(b - a for each in ends for a, b in itertools.pairwise(each)))
    return compare(WHAT["packed"], "one run alone", ours, theirs, "s", "times the time", TARGETS["packed"])


def together(job: list[str], epochs: int, runs: list[Path]) -> None:
    """Trains several runs at once, each in a process of its own, one seed each."""
    command = [sys.executable, "-m", "ser", "train", *job, f"trainer.max_epochs={epochs}", "run.threads=1"]
    processes = [
        subprocess.Popen([*command, f"seed={i}", f"hydra.run.dir={run}"], stdout=subprocess.DEVNULL)
        for i, run in enumerate(runs)
    ]
    if any(process.wait() for process in processes):
        raise UserError("A packed run failed; its message is above.")
