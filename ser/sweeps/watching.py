"""The progress of a sweep: a thread checks the run directories, and shows the progress and the best run so far."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ser.errors import UserError
from ser.evaluation.ranking import added, falls, ranking_metric
from ser.sweeps import outcomes
from ser.sweeps.devices import Packing
from ser.sweeps.folder import SweepFolder
from ser.sweeps.runs import SweepRun
from ser.system.clock import duration

LOOK_S = 0.5  # seconds between two looks


class Watch:
    """Follows the runs of a sweep inside the block.

    Args:
        folder: The sweep's.
        runs: All combinations, for the index.
        wanted: The runs of the sweep.
        console: For a bar on a terminal, elsewhere a line for each run that ends.
        shown: Whether there may be a bar; else there are lines.
        packing: How many jobs there are at a time, for the time left; on GPUs nobody knows before the first has ended.
    """

    def __init__(
        self,
        folder: SweepFolder,
        runs: Sequence[SweepRun],
        wanted: Sequence[SweepRun],
        console: Console,
        shown: bool,
        packing: Packing,
    ):
        self.folder, self.runs, self.wanted, self.console = folder, runs, wanted, console
        self._packing = packing
        self._told: set[str] = set()
        self._states: list[str] = []
        self._todo = [run for run in wanted if run.state == "waiting"]
        self._estimated = sum(run.seconds for run in self._todo)
        self._bar = Progress(
            TextColumn("{task.completed}/{task.total} runs"), BarColumn(bar_width=24), TextColumn("{task.description}"),
            console=console, redirect_stdout=False, redirect_stderr=False, transient=True,
            disable=not (shown and console.is_terminal),
        )  # fmt: skip
        self._task = self._bar.add_task("", total=len(wanted))
        self._over, self._start = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Watch":
        self._bar.start()
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._over.set()
        self._thread.join()
        self._look()
        self._bar.stop()

    def _follow(self) -> None:
        while not self._over.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        for run in self.wanted:
            update(run, self.folder)
        states = [run.state for run in self.wanted]
        for run in self._todo:
            if run.state in ("finished", "failed") and run.identity not in self._told:
                self._told.add(run.identity)
                self._report(run)
        if states != self._states:
            self._states = states
            with suppress(UserError):  # the runs themselves report a full disk
                self.folder.record(self.runs)
        self._bar.update(self._task, completed=self._count("finished", "failed"), description=self._summary())

    def _count(self, *states: str) -> int:
        return sum(run.state in states for run in self.wanted)

    def _report(self, run: SweepRun) -> None:
        if not self._bar.disable:
            return
        monitor = run.config["monitor"]
        how = f"failed: {run.reason}" if run.state == "failed" else figure(run.seen, monitor)
        self.console.print(
            f"{self._count('finished', 'failed')}/{len(self.wanted)}  {run.label}: {how}   {self._summary()}".rstrip(),
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip

    def _summary(self) -> str:
        """Failures, the best so far, and the time left."""
        parts = []
        if failed := self._count("failed"):
            parts.append(f"{failed} failed")
        if (best := best_of(self.wanted)) is not None:
            parts.append(f"best {best}")
        if (left := self._time_left()) is not None:
            parts.append(f"about {duration(left)} left")
        return "; ".join(parts)

    def _time_left(self) -> float | None:
        """The remaining time at the pace so far, weighted by the estimates; by them alone before the first run ends."""
        todo = sum(run.seconds for run in self._todo if run.state not in ("finished", "failed"))
        if not todo:
            return None
        done = self._estimated - todo
        if done <= 0:
            return None if self._packing.on_gpus else todo / (self._packing.parallel or 1)
        return (time.monotonic() - self._start) * todo / done


def update(run: SweepRun, folder: SweepFolder) -> None:
    """Updates the state of a run."""
    if run.state in ("finished", "failed"):
        return
    if run.has_ended():
        with suppress(UserError):
            run.seen = run.job.directory.metrics()
            run.state, run.reason = "finished", ""
            return
    state, reason = outcomes.read_outcome(folder.path, run.identity)
    if state in ("running", "stopped", "failed"):
        run.state, run.reason = state, reason


def best_of(runs: Sequence[SweepRun]) -> str | None:
    """`val/uar 0.613 (model=mlp)`: the best finished run by the ranking metric, the first of equals."""
    metric = ranking_metric(run.config for run in runs)
    scored = [run for run in runs if run.state == "finished" and metric in run.seen]
    if not scored:
        return None
    lower_is_better = added((run.job.config for run in scored), "lower_is_better")
    best = (min if falls(metric, lower_is_better) else max)(scored, key=lambda run: run.seen[metric])
    return f"{figure(best.seen, metric)} ({best.label})"


def figure(metrics: dict[str, float], monitor: str) -> str:
    """'val/uar 0.613', or another figure where nothing was monitored."""
    if monitor in metrics:
        return f"{monitor} {metrics[monitor]:.3f}"
    return "finished"
