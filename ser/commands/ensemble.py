"""`ser ensemble`: finished runs averaged, and scored on what none of them was trained on."""

import sys
from pathlib import Path

from ser.commands.arguments import Parser, add_trust
from ser.errors import UserError

HELP = """ser ensemble <run …> [options]

  ser ensemble runs/A runs/B runs/C             the mean of their logits, a run of its own beside the first
  ser ensemble 'runs/ravdess-*-s[0-4]-*'        seeds of a recipe, or several recipes: other frontends, rates, models
  ser ensemble runs/X-crossval-… runs/Y-crossval-…
                                                seeds of a cross-validation: an ensemble a fold, and the folds pooled
  ser predict runs/NAME-ensemble-… a.wav        used like any run; it holds its members' weights and can be moved

It is scored on the recordings that all members have in their test part: none was used to train a member or to choose
its epoch. A temperature is fitted on the validation recordings that all share (ser predict --calibrated). Members
of several folds are grouped by their test parts. ser compare and ser runs find it; the same runs are the same ensemble.

Options
  --name NAME      prefix of its directory's name (default: the experiment or dataset)
  --dir FOLDER     parent of its directory (default: beside the first run)
  --trust PACKAGE  your own package with metrics of the runs; several with commas
"""


def main(arguments: list[str]) -> int:
    """Averages runs, scores the ensemble and shows the result."""
    parser = Parser("ser ensemble")
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--name")
    parser.add_argument("--dir", metavar="FOLDER")
    add_trust(parser)
    asked = parser.parse_intermixed_args(arguments)
    if not asked.runs:
        raise UserError("Name the runs to average: ser ensemble runs/A runs/B …, or a folder of them (see --help).")

    from rich.console import Console

    from ser.inference.ensemble import make_ensemble
    from ser.inference.ensemble_members import by_test_part, find_members

    members, remarks = find_members(asked.runs)
    folder = Path(asked.dir).expanduser().absolute() if asked.dir else members[0].run.path.parent
    groups = by_test_part(members)
    is_single = len(groups) == 1
    made = [make_ensemble(group, folder, asked.name, asked.trust, report=is_single) for group in groups]
    console = Console(width=None if sys.stdout.isatty() else 120)
    for note in dict.fromkeys([*remarks, *(note for ensemble in made for note in ensemble.notes)]):
        console.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
    _show(console, made[0], len(members)) if is_single else _pool(console, made, len(members))
    return 0


def _show(console, ensemble, count: int) -> None:
    from ser.reports.evaluation_tables import evaluation_table

    protocol = ensemble.run.directory.protocol
    console.print(f"{count} runs averaged; {protocol}", style="italic", markup=False, highlight=False)
    console.print(evaluation_table(ensemble.evaluation))
    found = "Directory" if ensemble.is_new else "Directory (found there)"
    console.print(f"{found}: {ensemble.run.path}", markup=False, highlight=False, soft_wrap=True)


def _pool(console, made, count: int) -> None:
    from ser.reports.evaluation_tables import evaluation_table
    from ser.sweeps.crossval import pool_ensembles

    pooled = pool_ensembles(made)
    words = f"{count} runs averaged, an ensemble a fold; {pooled.stamp}"
    console.print(words, style="italic", markup=False, highlight=False)
    console.print(evaluation_table(pooled.evaluation))
    for label, path in (("Report", pooled.report), ("Directory", pooled.folder)):
        console.print(f"{label}: {path}", markup=False, highlight=False, soft_wrap=True)
