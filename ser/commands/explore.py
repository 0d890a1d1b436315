"""`ser explore`: shows a corpus before training, as a page, as pictures and in TensorBoard."""

import sys
from pathlib import Path
from typing import Any

from ser.commands.show import with_settings

HELP = """ser explore [group=choice …] [key=value …]

  ser explore                                       the demo corpus
  ser explore dataset=ravdess dataset.root=FOLDER   yours
  ser explore dataset=tess examples=1               other examples
  ser explore dataset=ravdess out_dir=FOLDER        where it is written
  ser explore --cfg job                             print the composed config

It writes index.html, recordings.csv (a row a file), figures/*.png and TensorBoard's events:
tensorboard --logdir explorations. Training reuses its decoded recordings from the store.

Settings (configs/explore.yaml)
{settings}

Groups (`ser show`)
{groups}"""


def main(arguments: list[str]) -> int:
    """Runs the Hydra app."""
    from ser.commands.hydra_app import run_app

    run_app("explore", arguments, _run)
    return 0


def _run(config: dict[str, Any]) -> None:
    from rich.console import Console

    from ser.runs.settings import check_run_settings

    check_run_settings(config)
    folder = Path(config["out_dir"]).expanduser()

    from ser.reports.exploration.explore import explore
    from ser.reports.exploration.page import check_folder, write_exploration
    from ser.reports.exploration.table import print_exploration
    from ser.training.feature_cache import bar

    check_folder(folder)
    console = Console(width=None if sys.stdout.isatty() else 120)
    shown = config["progress"]
    config = {**config, "run": {"trust": config["trust"]}}  # where a run has it
    exploration = explore(config, lambda what, total: bar(console, what, total) if shown else iter)
    page = write_exploration(exploration, folder)
    print_exploration(console, exploration)
    console.print(f"Page: {page}", soft_wrap=True, markup=False, highlight=False)


def help_text() -> str:
    """The settings of explore.yaml with their comments, and its groups."""
    return with_settings(HELP, "explore", ["audio", "dataset", "frontend"])
