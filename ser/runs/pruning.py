"""Selecting and removing checkpoints that are no longer needed.

Only `*.ckpt` right inside a run's own `checkpoints/` are ever removed, and partial ones of a killed process.
Figures, predictions, config and events stay, and so does every run that a process works on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ser.errors import UserError, did_you_mean
from ser.evaluation.ranking import added, falls
from ser.runs.directory import REMOVED, RunDirectory
from ser.runs.listing import FoundRun, read_run
from ser.runs.reading import read_json
from ser.system.files import write_text

LEFTOVERS = ".*.ckpt.*.partial"  # of a process that was killed while it wrote


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """Which checkpoints are no longer needed.

    Args:
        last: `last.ckpt` of finished runs, needed only to continue training.
        states: All checkpoints of runs in these states.
        keep_best: All checkpoints of finished runs except this many of the best; None: none.
        by: The metric that ranks runs.
    """

    last: bool = False
    states: frozenset[str] = frozenset()
    keep_best: int | None = None
    by: str = "val/uar"


@dataclass(frozen=True, slots=True)
class Removal:
    """The files to remove of one run.

    Args:
        run: The run.
        files: Its checkpoints.
        bytes: Their size.
    """

    run: FoundRun
    files: tuple[Path, ...]
    bytes: int


def plan(runs: Sequence[FoundRun], options: PruneOptions) -> list[Removal]:
    """The files to remove, run by run; nothing is removed yet.

    Args:
        runs: From `find_runs`.
        options: Which checkpoints are no longer needed.

    Raises:
        UserError: No finished run has the metric.
    """
    best = _best(runs, options)
    found = []
    for run in runs:
        if run.state in options.states or (run.state == "finished" and best is not None and run.path not in best):
            found.append(_removal(run, ("*.ckpt", LEFTOVERS)))
        elif run.state == "finished" and options.last:
            found.append(_removal(run, ("last.ckpt", LEFTOVERS)))
    return [removal for removal in found if removal.files]


def remove(removals: Sequence[Removal]) -> tuple[int, list[str]]:
    """Removes the files, noting in each run which and when.

    Args:
        removals: From `plan`.

    Returns:
        Bytes freed, and a remark on each skipped run: a process works on it, or it has changed since.
    """
    freed, remarks = 0, []
    for removal in removals:
        directory = RunDirectory(removal.run.path, removal.run.identity)
        try:
            directory.lock()
        except UserError as error:
            remarks.append(f"{removal.run.path} is skipped: {error}")
            continue
        try:
            if _state_while_locked(removal.run.path) != removal.run.state:
                remarks.append(f"{removal.run.path} is skipped: it is no longer {removal.run.state}.")
                continue
            freed += _remove_files(removal)
        except (UserError, OSError) as error:
            remarks.append(f"{removal.run.path}: {error}")
        finally:
            directory.release()
    return freed, remarks


def _state_while_locked(path: Path) -> str:
    """The state of a run that this process has locked."""
    state = read_run(path).state
    if state != "running":
        return state
    ended = [state for state in ("pruned", "failed") if (path / f"{state}.json").exists()]
    return ended[0] if ended else "interrupted"


def _remove_files(removal: Removal) -> int:
    note = removal.run.path / "checkpoints" / REMOVED
    gone = {file.name: date.today().isoformat() for file in removal.files if file.suffix == ".ckpt"}
    write_text(note, json.dumps({**_read_note(note), **gone}) + "\n")  # first: the reason is always recorded
    freed = 0
    for file in removal.files:
        size = file.lstat().st_size if file.exists() else 0
        file.unlink(missing_ok=True)
        freed += size
    return freed


def _read_note(note: Path) -> dict[str, str]:
    try:
        return read_json(note)
    except UserError:
        return {}


def _removal(run: FoundRun, patterns: Sequence[str]) -> Removal:
    folder = run.path / "checkpoints"
    if folder.is_symlink():  # its files are not the run's alone
        return Removal(run, (), 0)
    found = {file for pattern in patterns for file in folder.glob(pattern)}
    files = tuple(sorted(file for file in found if file.is_file() and not file.is_symlink()))
    return Removal(run, files, sum(file.stat().st_size for file in files))


def _best(runs: Sequence[FoundRun], options: PruneOptions) -> set[Path] | None:
    """The finished runs whose checkpoints stay: the best, and those without the metric."""
    if options.keep_best is None:
        return None
    finished = [run for run in runs if run.state == "finished"]
    scored = [run for run in finished if options.by in run.metrics]
    if finished and not scored:
        known = sorted({name for run in finished for name in run.metrics})
        raise UserError(f"No finished run has the metric '{options.by}' (--by). {did_you_mean(options.by, known)}")
    lower_is_better = added((run.config for run in scored), "lower_is_better")
    ranked = sorted(scored, key=lambda run: run.metrics[options.by], reverse=not falls(options.by, lower_is_better))
    unknown = [run for run in finished if options.by not in run.metrics]
    return {run.path for run in [*ranked[: options.keep_best], *unknown]}
