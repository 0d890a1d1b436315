"""`ser crossval`: all folds of a split, trained as `ser train -m` trains them, and pooled into one result."""

import sys
from typing import Any

HELP = """ser crossval [group=choice …] [key=value …]

  ser crossval dataset=ravdess split=emobox model=cnn2d      its six folds, then all predictions pooled
  ser crossval dataset=tess split=kfold split.k=10
  ser crossval … hydra/launcher=joblib                       folds side by side on this machine

The same as `ser train -m … split.fold=0,…,k-1`, and the pooling: predictions.csv with each recording once, metrics.json
with confidence, report.html, in a directory of its own beside those of the folds. Finished folds are kept, an
interrupted one goes on: run the same command again. Settings and groups are those of `ser train --help`.
"""


def main(arguments: list[str]) -> int:
    """Trains what is missing and pools; 1 where a fold failed."""
    from ser.commands import train

    check_words(arguments)
    folds = plan(arguments)
    every_fold = ",".join(map(str, range(len(folds))))
    code = train.main(["-m", *arguments, f"split.fold={every_fold}"])
    missing = [fold for fold, job in enumerate(folds) if not job.directory.finished]
    if code or missing:
        print(f"Not pooled: of {len(folds)} folds {_listed(missing)} did not finish.", file=sys.stderr)
        return code or 1
    _pool(folds)
    return 0


def check_words(arguments: list[str]) -> None:
    """Raises a `UserError` for what crossval decides by itself."""
    from ser.commands.overrides import flags_and_words, parse
    from ser.errors import UserError

    for override in parse(flags_and_words(arguments)[1]):
        word = override.input_line
        if override.key_or_group == "split.fold":
            raise UserError("ser crossval goes through all folds: leave out split.fold, or train one with ser train.")
        if override.key_or_group in ("run.resume", "hydra.run.dir", "run.dry_run", "trainer.num_nodes"):
            raise UserError(f"ser crossval is several runs, each with its own directory: leave out {word}.")
        if override.is_sweep_override():
            raise UserError(
                f"ser crossval takes one configuration, and {word} is several: give one at a time. Folds that are "
                "finished are never trained again."
            )
    if {"-m", "--multirun"} & set(arguments):
        raise UserError("ser crossval is a multirun by itself: leave out -m.")


def plan(arguments: list[str]) -> list[Any]:
    """The folds of a command as jobs, found but not begun."""
    from ser.commands.hydra_app import run_app
    from ser.commands.overrides import flags_and_words
    from ser.errors import UserError

    found = []

    def find(config: dict[str, Any]) -> None:
        from ser.sweeps.crossval import folds_of

        found.extend(folds_of(config))

    def refuse(grid: Any) -> int:
        raise UserError(
            "ser crossval takes one configuration, and a config file makes it a grid: hydra.mode is MULTIRUN."
        )

    # a launcher is for the folds
    flags, words = flags_and_words(arguments)
    composed = [*flags, *(word for word in words if not word.lstrip("+").startswith(("hydra/", "hydra.")))]
    run_app("train", composed, find, refuse)
    return found


def _pool(folds: list[Any]) -> None:
    from rich.console import Console

    from ser.reports.evaluation_tables import evaluation_table
    from ser.sweeps.crossval import pool_folds

    console = Console(width=None if sys.stdout.isatty() else 120)
    pooled = pool_folds(folds, console)
    console.print(f"{pooled.stamp}; each recording tested once", style="italic", markup=False, highlight=False)
    console.print(evaluation_table(pooled.evaluation))
    if pooled.untested:
        console.print(f"{pooled.untested} recordings are in the test part of no fold.", highlight=False)
    for label, path in (("Report", pooled.report), ("Directory", pooled.folder)):
        console.print(f"{label}: {path}", markup=False, highlight=False, soft_wrap=True)


def _listed(folds: list[int]) -> str:
    return ", ".join(map(str, folds)) or "some"
