"""A sweep from its combinations to its end: checked, tried, trained where results are missing, reported."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ser.errors import Interrupted, UserError, some
from ser.runs.environment import made_by_others
from ser.runs.settings import devices_of
from ser.sweeps import outcomes
from ser.sweeps.devices import (
    ON_THIS_MACHINE,
    ONE_AFTER_THE_OTHER,
    RUNS_PER_PROCESS,
    Packing,
    pack,
    release,
    shares_a_process,
    trains_on_gpu,
)
from ser.sweeps.folder import SweepFolder, sweep_name
from ser.sweeps.launchers import asked_for
from ser.sweeps.launching import Launcher, launch_all
from ser.sweeps.plan import SweepPlan, make_plan
from ser.sweeps.runs import SweepRun
from ser.sweeps.watching import Watch, best_of, duration
from ser.system.names import escaped
from ser.system.stopping import telling
from ser.training.callbacks.interruption import Interruption
from ser.training.feature_cache import bar

PLAIN = {"highlight": False, "markup": False, "soft_wrap": True}
AGAIN = "The same command trains only what is missing."


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """The user's options for a whole sweep.

    Args:
        skip: A condition for combinations to leave out.
        bad: `stop` or `skip`.
        dry_run: Whether nothing is trained.
        progress: Whether there may be a bar.
        threads: CPU threads of a job; None divides the cores.
        jobs_per_gpu: How many share a GPU.
        launcher: Hydra's name for it.
        launcher_settings: As composed.
        folder: Where the sweep's folder is, or None: it is named after its runs, under `sweeps`.
        command: The typed command.
    """

    skip: str | None
    bad: str
    dry_run: bool
    progress: bool
    threads: int | None
    jobs_per_gpu: int
    launcher: str
    launcher_settings: dict[str, Any]
    folder: Path | None
    command: tuple[str, ...]


def sweep(runs: Sequence[SweepRun], options: SweepOptions, launch: Launcher) -> int:
    """Runs a grid.

    Args:
        runs: Every combination.
        options: The user's.
        launch: Passes jobs to a launcher and waits for it.

    Returns:
        The exit code: 1 where a run failed, or a bad combination was skipped.

    Raises:
        UserError: Bad combinations, with `sweep.bad=stop`; nothing was trained.
        Interrupted: By Ctrl-C or SIGTERM.
    """
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120)
    with Interruption().listening():
        plan = make_plan(
            runs, options.skip, options.launcher not in ON_THIS_MACHINE, lambda what, n: bar(console, what, n)
        )
    _report_bad(plan, options)
    if not plan.wanted:
        raise UserError(f"Nothing is left to train: {_counted(plan)}.")
    packing = _packing(plan, options)
    _report_plan(plan, packing, console)
    if options.jobs_per_gpu > 1 and plan.of("waiting") and not packing.gpus and packing.parallel is not None:
        console.print(
            f"Note: sweep.jobs_per_gpu={options.jobs_per_gpu} has no effect: no run takes a GPU here.", **PLAIN
        )
    if options.dry_run:
        return 0
    folder = SweepFolder(options.folder or Path("sweeps").absolute() / sweep_name(plan.wanted), options.command)
    folder.lock()
    try:
        folder.record(plan.runs)
        _train(plan, options, folder, packing, launch, console)
    finally:
        folder.release()
    return _report_end(plan, folder, console)


def _packing(plan: SweepPlan, options: SweepOptions) -> Packing:
    todo = plan.of("waiting")
    uses_gpu = any(trains_on_gpu(run.config["trainer"]) for run in todo)
    asked = asked_for(options.launcher, options.launcher_settings)
    per_process = RUNS_PER_PROCESS if all(shares_a_process(run.config) for run in todo) else 1
    # a run that names its GPU has it to itself
    named = any(isinstance(devices_of(run.config["trainer"].get("devices", 1)), list) for run in todo)
    on_one = 1 if named and options.launcher in ONE_AFTER_THE_OTHER else options.jobs_per_gpu
    return pack(options.launcher, asked, len(todo), uses_gpu, on_one, options.threads, per_process)


def _train(
    plan: SweepPlan, options: SweepOptions, folder: SweepFolder, packing: Packing, launch: Launcher, console: Console
) -> None:
    todo = plan.of("waiting")
    if not todo:
        return
    outcomes.prepare(folder.path)
    for run in todo:  # states of an earlier sweep do not count
        outcomes.forget(folder.path, run.identity)

    def stopped() -> str:
        done, all_ = len(plan.of("finished")), len(plan.wanted)
        return f"Stopped: {done} of {all_} runs are finished. {AGAIN[:-1]}, and continues what was begun."

    try:
        watch = Watch(folder, plan.runs, plan.wanted, console, options.progress, packing)
        with telling(stopped), watch:
            launch_all(todo, folder, options.launcher, packing, launch, lambda text: console.print(text, **PLAIN))
    except Interrupted as interrupted:
        interrupted.told = True
        console.print(stopped(), **PLAIN)
        raise
    finally:
        release()
        folder.record(plan.runs)


def _report_bad(plan: SweepPlan, options: SweepOptions) -> None:
    """All bad combinations at once; one reason for all of them is one sentence."""
    bad = plan.of("bad")
    if not bad:
        return
    reasons = {run.reason for run in bad}
    if len(reasons) == 1 and len(bad) + len(plan.of("skipped")) == len(plan.runs):
        raise UserError(bad[0].reason)
    table = Table(title=f"{len(bad)} of {len(plan.runs)} combinations cannot be trained", title_justify="left")
    table.add_column("combination", overflow="fold")
    table.add_column("why", overflow="fold")
    for run in bad:
        table.add_row(escaped(run.label), escaped(run.reason))
    Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False).print(table)
    if options.bad == "stop":
        raise UserError(
            f"{_many(len(bad), 'combination')} cannot be trained, for the reasons above; nothing was trained. Fix "
            'them, leave them out with sweep.skip="…", or go on without them with sweep.bad=skip.'
        )


def _report_plan(plan: SweepPlan, packing: Packing, console: Console) -> None:
    todo = plan.of("waiting")
    for run in plan.of("double")[:3]:
        console.print(f"{run.label}: {run.reason}", **PLAIN)
    for note in made_by_others([run.job.directory.path for run in plan.of("finished")]):
        console.print(f"Note: {note}", **PLAIN)
    if len(plan.runs) == 1:
        console.print("Nothing varies: several values make a grid, such as seed=0,1,2.", **PLAIN)
    line = f"{_many(len(plan.runs), 'combination')}: {_counted(plan)}"
    if todo:
        if not packing.on_gpus:  # steps were timed on the CPU
            line += f"; about {duration(plan.seconds / (packing.parallel or 1))}"
        line += f", {packing.parallel} at a time" if (packing.parallel or 1) > 1 else ""
    console.print(f"{line}.", **PLAIN)


def _counted(plan: SweepPlan) -> str:
    words = {
        "finished": "finished already",
        "skipped": "left out by sweep.skip",
        "double": "the same as another",
        "bad": "that cannot be trained",
        "waiting": "to train",
    }
    counts = {state: len(plan.of(state)) for state in words}
    return ", ".join(f"{count} {words[state]}" for state, count in counts.items() if count) or "no combination"


def _report_end(plan: SweepPlan, folder: SweepFolder, console: Console) -> int:
    """Reports the results, and failures with their reasons."""
    done = plan.of("finished")
    trained = sum(not run.before for run in done)
    before = len(done) - trained
    parts = [f"{_many(trained, 'run')} trained"] * bool(trained) + [f"{before} finished before"] * bool(before)
    if parts:
        console.print(f"{', '.join(parts)}.", **PLAIN)
    if (best := best_of(done)) is not None:
        console.print(f"Best {best}", **PLAIN)
    console.print(f"Sweep: {folder.path}", **PLAIN)
    failed, bad = plan.of("failed"), plan.of("bad")
    if failed:
        verb = "job" if len(failed) == 1 else "jobs"
        print(f"{len(failed)} {verb} of the sweep failed:", file=sys.stderr)
        for run in failed:
            print(f"  {run.label}: {run.reason}", file=sys.stderr)
        files = [str(outcomes.output_of(folder.path, run.identity)) for run in failed]
        print(f"Their output: {some([shlex.quote(file) for file in files])}", file=sys.stderr)
        print(AGAIN, file=sys.stderr)
    if bad:
        print(f"{_many(len(bad), 'combination')} skipped (sweep.bad=skip).", file=sys.stderr)
    return 1 if failed or bad else 0


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
