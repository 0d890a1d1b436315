"""`scripts/reproduce`: figures run through `ser train -m` and `ser crossval`, kept as JSON, shown in the README."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.generated import refresh
from scripts.reproduction.series import SERIES, Row
from ser.commands import crossval, train
from ser.errors import UserError, did_you_mean
from ser.system.files import write_text

COMMANDS = {"train": train, "crossval": crossval}
HELP = """scripts/reproduce <series> [word …] [key=value …]: trains what is missing, writes docs/results/<series>.json
and the tables of README and docs, row by row. Words choose the rows whose label has one of them, a whole label that row
alone; the others keep what stands there. Settings go to `ser train`: paths, devices, a launcher, nothing that changes a
figure, e.g. run.threads=1 hydra/launcher=joblib.

Series: """


def main(arguments: list[str]) -> int:
    """Runs one series in the checkout that is the working folder."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP + ", ".join(SERIES))
        return 0
    return reproduce(arguments[0], arguments[1:], Path.cwd())


def reproduce(series: str, arguments: Sequence[str], folder: Path) -> int:
    """Trains what is missing of a series and writes its JSON and its tables, row by row.

    Args:
        series: Name in `SERIES`.
        arguments: Words that choose rows by their labels, and settings of `ser train`.
        folder: The checkout.

    Returns:
        1 where a run failed: then its row is not written, and the same command goes on.

    Raises:
        UserError: An unknown series, words that choose no row, or something that the user can fix.
    """
    if series not in SERIES:
        raise UserError(f"There is no series '{series}'. {did_you_mean(series, list(SERIES))}")
    words = [word for word in arguments if "=" not in word]
    extra = [word for word in arguments if "=" in word]
    chosen = [row for row in SERIES[series] if row.label in words]
    chosen = chosen or [row for row in SERIES[series] if not words or any(word in row.label for word in words)]
    if not chosen:
        labels = "; ".join(row.label for row in SERIES[series])
        raise UserError(f"No row of {series} has {' or '.join(words)} in its label. There are: {labels}.")
    place = folder / "runs" / series
    path = folder / "docs" / "results" / f"{series}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for row in chosen:
        for command in row.commands:
            print(f"\n{' '.join(['ser', *command])}", flush=True)
            if code := COMMANDS[command[0]].main([*command[1:], *extra, *_places(place)]):
                return code
        rows = _with_row(series, path, row, list(_results(row, [*extra, *_places(place)])))
        write_text(path, json.dumps({"series": series, "rows": rows}, indent=1) + "\n")
        refresh(folder)
    return 0


def _with_row(series: str, path: Path, row: Row, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a results file with one made anew, in the order of the series; what is no row of it is dropped."""
    kept = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    found = {row.command: made}
    for result in kept:
        if result["command"] != row.command:
            found.setdefault(result["command"], []).append(result)
    return [result for other in SERIES[series] for result in found.get(other.command, [])]


def _places(folder: Path) -> list[str]:
    return [f"run.dir={folder}", f"hydra.sweep.dir={folder / 'sweeps'}"]


def _results(row: Row, extra: list[str]) -> Iterator[dict[str, Any]]:
    """What the finished runs of a row say, for each batch size by itself."""
    from rich.console import Console

    from scripts.reproduction.results import result_of_ensembles, result_of_folds, result_of_runs

    said = {"label": row.label, "command": row.command}
    console = Console(quiet=True)
    words = [[*command[1:], *extra] for command in row.commands]
    if row.members:
        jobs = [job for w in words for job in crossval.plan(w)]
        yield {**said, "label": f"{row.label}, ensemble of {len(words)} runs a fold", **result_of_ensembles(jobs)}
        return
    if row.pooled:
        seeds = zip(row.seeds, words, strict=True)
        yield {**said, "seeds": [{"seed": seed, **result_of_folds(crossval.plan(w), console)} for seed, w in seeds]}
        jobs = [job for w in words for job in crossval.plan(w)]
        yield {**said, "label": f"{row.label}, ensemble of {len(row.seeds)} seeds", **result_of_ensembles(jobs)}
        return
    if not row.seeds:
        yield {**said, **result_of_folds(crossval.plan(words[0]), console)}
        return
    jobs = _jobs(words[0])
    for size in sorted({job.config["batch_size"] for job in jobs}):
        result = result_of_runs([job for job in jobs if job.config["batch_size"] == size], console)
        if row.published:
            said["label"] = f"{row.label}, batch {size}"
            result["published"] = {**result["published"], "wa": row.published[size]}
        yield {**said, **result}


def _jobs(arguments: list[str]) -> list[Any]:
    """The runs of a grid that is trained."""
    from ser.commands.hydra_app import run_app
    from ser.sweeps.scans import Scans
    from ser.training.job import find_job

    runs, scans = [], Scans()
    run_app("train", arguments, runs.append, lambda grid: runs.extend(grid.runs()) or 0)
    return [find_job(run.config, alone=False, scan=scans) for run in runs]


if __name__ == "__main__":
    from ser.cli import guarded

    sys.exit(guarded(main, sys.argv[1:]))
