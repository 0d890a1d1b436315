"""`ser evaluate`: figures and a page of a finished run, or of the same run on other recordings."""

import sys
from pathlib import Path
from typing import Any

from ser.commands.show import config_groups, describe, settings

HELP = """ser evaluate run=<dir> [dataset=choice …] [key=value …]

  ser evaluate run=runs/NAME                        the run's own test part: evaluation.json, figures/, report.html
  ser evaluate run=runs/NAME dataset=tess dataset.root=FOLDER
                                                    the run on other recordings: runs/NAME/evaluations/tess-…/
  ser evaluate run=runs/NAME dataset=ravdess 'map={{calm: neutral}}'
                                                    and which emotion is which; equal names are the same
  ser evaluate run=runs/NAME root=FOLDER            the folder of the run's own recordings, if they have moved

Emotions that only one side has are named and left out. Nothing of a run is executed, and test is not scored again.

Settings (configs/evaluate.yaml)
{settings}

Groups (`ser show`)
{groups}"""


def main(arguments: list[str]) -> int:
    """Runs the Hydra app."""
    if any(word in ("-h", "--help") for word in arguments):
        print(_help())
        return 0
    from ser.commands.hydra_app import run_app

    run_app("evaluate", arguments, _run)
    return 0


def _run(config: dict[str, Any]) -> None:
    import torch
    from rich.console import Console

    _check(config)
    if config["threads"]:
        torch.set_num_threads(config["threads"])

    from ser.inference.finished_run import open_run

    run = open_run(Path(config["run"]), config["trust"], config["device"])
    if config["root"] is not None:
        run = run.moved_to(config["root"])
    console = Console(width=None if sys.stdout.isatty() else 120)
    name = config["choices"].get("dataset")
    if name is None:
        _own(run, console)
    else:
        _other(run, name, config, console)


def _own(run, console) -> None:
    from ser.inference.reevaluate import reevaluate

    evaluation, notes, report = reevaluate(run, console)
    _show(console, evaluation, run.directory.protocol, notes, report)


def _other(run, name: str, config: dict[str, Any], console) -> None:
    from ser.inference.cross_corpus import score_elsewhere

    found = score_elsewhere(run, name, config["dataset"], config["map"], config["batch_size"], console)
    _show(console, found.evaluation, found.stamp, found.notes, found.report)


def _show(console, evaluation, stamp: str, notes, report: Path) -> None:
    from ser.reports.evaluation_tables import print_evaluation

    plain = {"highlight": False, "markup": False, "soft_wrap": True}
    console.print(stamp, style="italic", **plain)
    print_evaluation(console, evaluation)
    for note in notes:
        console.print(f"Note: {note}", **plain)
    console.print(f"Report: {report}", **plain)


def _check(config: dict[str, Any]) -> None:
    """Refuses invalid settings before anything is read.

    Raises:
        UserError: The message names the setting.
    """
    from ser.errors import UserError, check_choice
    from ser.runs.settings import check_run_settings

    check_choice("device", config["device"], ("auto", "cpu", "gpu"))
    if config["map"] is not None and not isinstance(config["map"], dict):
        raise UserError("map maps emotions to emotions: write map='{surprised: happy, calm: neutral}'.")
    if not isinstance(config["run"], str):
        raise UserError(f"run={config['run']} must be text, the directory of a run.")
    check_run_settings(config)
    if config["map"] and config["choices"].get("dataset") is None:
        raise UserError("map is for other recordings: name them with dataset=…, or leave it out.")


def _help() -> str:
    """The settings and the datasets."""
    return HELP.format(settings=settings("evaluate"), groups=describe("dataset", config_groups()["dataset"]))
