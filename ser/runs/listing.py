"""The runs in a folder, and the state of each."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.data.corpora.audio_files import is_skipped
from ser.errors import UserError, some
from ser.runs.directory import RunDirectory, load_config
from ser.runs.reading import read_json
from ser.system.names import printable

STATES = ("finished", "running", "interrupted", "failed", "pruned", "damaged")
OURS = ("run.json", "finished.json", "failed.json", "pruned.json")  # a folder with one of them holds a run


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run on disk.

    Args:
        path: Its directory, links resolved.
        state: One of `STATES`.
        reason: Why it failed, was pruned or cannot be read, in one sentence; else empty.
        config: Its config, or {} if unreadable.
        identity: As recorded, or empty.
        protocol: Its split's stamp.
        metrics: metrics.json of a finished run, else {}.
    """

    path: Path
    state: str
    reason: str
    config: dict[str, Any]
    identity: str
    protocol: str
    metrics: dict[str, float]


def find_runs(places: Sequence[str | Path]) -> tuple[list[FoundRun], list[str]]:
    """The runs in all places, each once, by path; and remarks on skipped folders.

    Args:
        places: Run directories, folders of them (`runs/`), sweep folders of links, directories of a cross-validation
            (its folds), or patterns such as `runs/ravdess-*`.

    Raises:
        UserError: A place does not exist, or none holds a run.
    """
    remarks: list[str] = []
    folders = [folder for place in places for folder in _in_place(place, remarks)]
    runs = [read_run(path) for path in sorted({folder.resolve() for folder in folders})]
    remarks += [f"{run.path} is damaged: {run.reason}" for run in runs if run.state == "damaged"]
    remarks += _copies(runs)
    if not runs:
        looked = some([str(place) for place in places])
        skipped = f" Skipped: {some(remarks)}." if remarks else ""
        raise UserError(
            f"There is no run in {looked}.{skipped} Name run directories, or a folder of them such as runs/."
        )
    return runs, remarks


def read_run(path: Path) -> FoundRun:
    """The state of the run in a directory, from its files, which are read as plain data.

    Args:
        path: A run directory.
    """
    directory = RunDirectory(path, "")
    identity = directory.recorded_identity() or ""
    try:
        config = load_config(path) if (path / "config.yaml").exists() else {}
        state, reason, metrics = _state(directory, identity, config)
    except UserError as error:
        config, (state, reason, metrics) = {}, ("damaged", _without_path(str(error), path), {})
    return FoundRun(path, state, reason, config, identity, directory.protocol, metrics)


def is_run(path: Path) -> bool:
    """Whether a folder holds a run, in any state."""
    return path.is_dir() and any((path / name).is_file() for name in OURS)


def _state(directory: RunDirectory, identity: str, config: dict) -> tuple[str, str, dict[str, float]]:
    """(state, reason, metrics).

    Raises:
        UserError: A file with its state is damaged.
    """
    path = directory.path
    if directory.finished:
        recorded = read_json(path / "finished.json").get("identity")
        if not identity:
            raise UserError("its run.json, which has its identity, cannot be read.")
        if recorded != identity:
            raise UserError(f"finished.json is of another run ({recorded}) than run.json ({identity}).")
        if not config:
            raise UserError("it has no config.yaml.")
        return "finished", "", directory.metrics()
    if directory.held():
        return "running", "", {}
    for state in ("pruned", "failed"):
        if (path / f"{state}.json").exists():
            return state, printable(_without_path(str(read_json(path / f"{state}.json").get("reason", "")), path)), {}
    return "interrupted", "", {}


def _without_path(message: str, path: Path) -> str:
    """The sentence without the directory, beside which it is shown.

    >>> _without_path("/runs/a/config.yaml is damaged", Path("/runs/a"))
    'config.yaml is damaged'
    """
    return message.replace(f"{path}/", "").replace(f"{path} is marked", "it is marked")


def _copies(runs: Sequence[FoundRun]) -> list[str]:
    """A remark on each run in two directories: it was copied, or trained a second time elsewhere."""
    first: dict[str, FoundRun] = {}
    remarks = []
    for run in runs:
        if run.identity and first.setdefault(run.identity, run) is not run:
            remarks.append(f"{run.path} is the same run as {first[run.identity].path} (identity {run.identity})")
    return remarks


def _in_place(place: str | Path, remarks: list[str]) -> list[Path]:
    """The run directories that one place stands for.

    Raises:
        UserError: It does not exist.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        return list(_runs_in(path, remarks, named=True))
    if path.exists():
        raise UserError(f"{place} is a file: name the directory of a run, or a folder of runs.")
    matches = sorted(glob.glob(str(path))) if glob.has_magic(str(path)) else []
    folders = [Path(match) for match in matches if Path(match).is_dir()]
    if not folders:
        what = "Nothing matches" if glob.has_magic(str(path)) else "There is no folder"
        raise UserError(f"{what} {place} (looked in {Path.cwd()}). Name run directories, or a folder of them.")
    return [run for folder in folders for run in _runs_in(folder, remarks, named=True)]


def _runs_in(folder: Path, remarks: list[str], named: bool) -> Iterator[Path]:
    """`folder` itself, the folds that it pools, or the runs right inside it; of sweeps inside it, their runs.

    Args:
        folder: Exists.
        remarks: Receives remarks on skipped folders.
        named: Whether the user named it, so that its content is searched.
    """
    if is_run(folder):
        yield folder
    elif (folder / "crossval.json").is_file():
        yield from _folds(folder, remarks) if named else ()  # in a folder of runs its folds lie beside it
    elif named or (folder / "sweep.json").is_file():
        children = sorted(folder.iterdir())
        if broken := [child.name for child in children if child.is_symlink() and not child.exists()]:
            remarks.append(f"{folder} has links to runs that were moved or deleted ({len(broken)}): {some(broken)}")
        for child in children:
            if not is_skipped(child.name) and child.is_dir():
                yield from _runs_in(child, remarks, named=False)
    elif RunDirectory(folder, "").held():
        remarks.append(f"{folder} was started by another process a moment ago")
    else:
        remarks.append(f"{folder} holds no run of ser")


def _folds(folder: Path, remarks: list[str]) -> Iterator[Path]:
    """The runs that a cross-validation pooled; they lie beside it."""
    try:
        names = [str(name) for name in read_json(folder / "crossval.json").get("folds", [])]
    except (UserError, TypeError) as error:
        remarks.append(f"{folder}: {error}")
        return
    for name in names:
        fold = folder.parent / name
        if Path(name).name == name and is_run(fold):
            yield fold
        else:
            remarks.append(f"{folder}: its fold {name} is missing")
