"""Grids of runs that take a second, and what became of them."""

import contextlib
import json
from pathlib import Path

import pytest

from ser.cli import main


def grid_of(root: Path) -> list[str]:
    """Arguments of a grid of the corpus there, without what varies."""
    return [
        "train", "-m", "dataset=ravdess", f"dataset.root={root}", "model=mlp", "model.hidden=[8]",
        "frontend=mfcc", "trainer=cpu", "trainer.max_epochs=1", "split=random", "run.threads=1",
    ]  # fmt: skip


@pytest.fixture
def grid(tiny_ravdess) -> list[str]:
    """`grid_of` the tiny RAVDESS."""
    return grid_of(tiny_ravdess)


def figures_of(words: list[str], folder: Path) -> dict[str, dict]:
    """`figures_in` a folder where a command was given that nothing interrupted."""
    with contextlib.chdir(folder):
        assert main(words) == 0
    return figures_in(folder)


def runs_in(folder: Path) -> list[Path]:
    """Finished run directories under `folder/runs`."""
    return sorted(path.parent for path in (folder / "runs").glob("*/finished.json"))


def sweep_in(folder: Path) -> Path:
    """The one sweep's folder."""
    (sweep,) = (folder / "sweeps").iterdir()
    return sweep


def index_of(sweep: Path) -> dict:
    return json.loads((sweep / "sweep.json").read_text())


def figures_in(folder: Path) -> dict[str, dict]:
    """metrics.json of each finished run by name, without the time that it took."""
    found = {run.name: json.loads((run / "metrics.json").read_text()) for run in runs_in(folder)}
    return {name: {key: value for key, value in each.items() if key != "seconds"} for name, each in found.items()}
