"""`scripts/reproduce`: figures run through `ser train` itself, kept as JSON, and shown in the README as a table.

A series is a list of rows; a row is a command and the seeds that it is repeated over. Runs are found again by identity:
a series that was interrupted goes on where it was.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.commands import train
from ser.errors import UserError, did_you_mean
from ser.files import write_text
from ser.reports.results_table import with_table


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Args:
        name: Of its run directories.
        label: What it is, in words.
        arguments: Of `ser train`, without the seed.
        seeds: Repetitions.
    """

    name: str
    label: str
    arguments: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)


def _ravdess(split: str, words: str, seeds: tuple[int, ...]) -> Row:
    arguments = ("dataset=ravdess", f"split={split}", "frontend=log_mel", "model=cnn2d")
    return Row(f"ravdess_{split}", f"RAVDESS, {words}, `cnn2d`", arguments, seeds)


def _tess(model: str) -> Row:
    arguments = ("dataset=tess", "split=random", "frontend=log_mel", f"model={model}", "trainer.max_epochs=15")
    return Row(f"tess_{model}", f"TESS, random recordings, `{model}`, 15 epochs", arguments)


SERIES = {
    "first_runs": (
        _ravdess("random", "random recordings", (0,)),
        _ravdess("speaker", "unheard speakers", (0, 1, 2)),
        _tess("cnn1d"),
        _tess("cnn2d"),
        _tess("cnn2d_plain"),
    )
}


HELP = """scripts/reproduce <series> [key=value …]: trains what is missing, writes docs/results/<series>.json
and the README's table. Further arguments go to `ser train`: paths and devices, nothing that changes a figure.

Series: """


def main(arguments: list[str]) -> int:
    """Runs one series in the checkout that is the working folder."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP + ", ".join(SERIES))
        return 0
    reproduce(arguments[0], arguments[1:], Path.cwd())
    return 0


def reproduce(series: str, extra: Sequence[str], folder: Path) -> None:
    """Trains what is missing of a series and writes its JSON and its table in the README.

    Args:
        series: Name in `SERIES`.
        extra: Further arguments of `ser train`.
        folder: The checkout.

    Raises:
        UserError: An unknown series, or a run that fails.
    """
    if series not in SERIES:
        raise UserError(f"There is no series '{series}'. {did_you_mean(series, list(SERIES))}")
    rows = []
    for row in SERIES[series]:
        runs = []
        for seed in row.seeds:
            place = folder / "runs" / series / f"{row.name}-s{seed}"
            train.main([*row.arguments, f"seed={seed}", f"hydra.run.dir={place}", *extra])
            runs.append({"seed": seed, **_result(place)})
        rows.append({"label": row.label, "command": " ".join(["ser train", *row.arguments]), "runs": runs})
    results = {"series": series, "rows": rows}
    path = folder / "docs" / "results" / f"{series}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(results, indent=2) + "\n")
    readme = folder / "README.md"
    write_text(readme, with_table(readme.read_text(encoding="utf-8"), results))


def _result(run: Path) -> dict:
    """What a run directory says of its result."""
    read = {name: json.loads((run / f"{name}.json").read_text("utf-8")) for name in ("metrics", "environment", "run")}
    return {"identity": read["run"]["identity"], **{name: read[name] for name in ("metrics", "environment")}}


if __name__ == "__main__":
    from ser.cli import guarded

    sys.exit(guarded(main, sys.argv[1:]))
