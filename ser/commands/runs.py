"""`ser runs`: state and size of each run; `ser runs prune`: removes checkpoints that are no longer needed."""

import argparse
import sys
from collections.abc import Sequence

from ser.commands.arguments import Parser, names, whole
from ser.errors import UserError, did_you_mean
from ser.system.names import printable

HELP = """ser runs [place …] [--state S,…] [--sort name|when|size|val|test] [--format table|csv|json]
ser runs prune [place …] <what> [--yes]

  ser runs                                every run in runs/: state, figures, epochs, when, size on disk
  ser runs sweeps/NAME 'runs/ravdess-*'   of a sweep, of a pattern, of a cross-validation
  ser runs --state failed,interrupted     only these: finished, running, interrupted, failed, pruned (by a search),
                                          damaged
  ser runs --sort size --format csv       largest first, as CSV (or json)

  ser runs prune --last                   last.ckpt of finished runs: not needed to evaluate them
  ser runs prune --failed --interrupted   checkpoints of these, which would then start anew
  ser runs prune --pruned                 checkpoints of runs that a search pruned
  ser runs prune --keep-best 5            checkpoints of all finished runs but the 5 best by val/uar
  ser runs prune --keep-best 5 --by val/loss

The files to remove are shown first, and removed only after a yes, or with --yes. Figures, predictions and configs
always stay, and so does every run that a process works on.
"""


def main(arguments: list[str]) -> int:
    """Lists, or prunes."""
    if arguments[:1] == ["prune"]:
        return _prune(arguments[1:])
    return _list(arguments)


def _list(arguments: list[str]) -> int:
    from ser.reports.runs_table import as_csv, as_json, print_rows
    from ser.runs.listing import STATES, find_runs
    from ser.runs.overview import ordered, row_of

    parser = Parser("ser runs")
    parser.add_argument("places", nargs="*", default=["runs"])
    parser.add_argument("--state", type=_states, default=frozenset(STATES))
    parser.add_argument("--sort", choices=["name", "when", "size", "val", "test"], default="name")
    parser.add_argument("--format", choices=["table", "csv", "json"], default="table")
    asked = parser.parse_intermixed_args(arguments)
    found, remarks = find_runs(asked.places)
    rows = ordered((row_of(run) for run in found if run.state in asked.state), asked.sort)
    if asked.format == "table":
        console = _console()
        print_rows(console, rows)
        _print_remarks(console, remarks)
    else:
        sys.stdout.write(as_csv(rows) if asked.format == "csv" else as_json(rows))
        for remark in remarks:
            print(f"Note: {printable(remark)}", file=sys.stderr)
    return 0


def _prune(arguments: list[str]) -> int:
    parser = Parser("ser runs prune")
    parser.add_argument("places", nargs="*", default=["runs"])
    for name in ("last", "failed", "interrupted", "pruned", "yes"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--keep-best", type=whole("a number of runs", 0), metavar="N")
    parser.add_argument("--by", default=None)
    asked = parser.parse_intermixed_args(arguments)
    states = frozenset(state for state in ("failed", "interrupted", "pruned") if getattr(asked, state))
    if not (asked.last or states or asked.keep_best is not None):
        raise UserError("Say what to remove: --last, --failed, --interrupted, --pruned or --keep-best N.")
    if asked.by is not None and asked.keep_best is None:
        raise UserError("--by ranks runs and needs --keep-best N.")

    from ser.evaluation.ranking import main_metric
    from ser.reports.runs_table import print_removals
    from ser.runs.listing import find_runs
    from ser.runs.overview import readable_size
    from ser.runs.pruning import PruneOptions, plan, remove

    found, remarks = find_runs(asked.places)
    by = asked.by or main_metric(run.config for run in found if run.state == "finished")
    removals = plan(found, PruneOptions(asked.last, states, asked.keep_best, by))
    console = _console()
    _print_remarks(console, remarks)
    if not removals:
        console.print("Nothing to remove.")
        return 0
    print_removals(console, removals)
    total = readable_size(sum(removal.bytes for removal in removals))
    if not (asked.yes or _says_yes(f"Remove these checkpoints ({total})? [y/N] ")):
        console.print(f"Nothing was removed; --yes removes these checkpoints ({total}).", highlight=False)
        return 0
    freed, remarks = remove(removals)
    _print_remarks(console, remarks)
    console.print(f"Removed {readable_size(freed)}.", highlight=False)
    return 0


def _says_yes(question: str) -> bool:
    if not _on_a_terminal():
        return False
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _on_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _console():
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


def _print_remarks(console, remarks: Sequence[str]) -> None:
    for remark in remarks:
        console.print(f"Note: {printable(remark)}", highlight=False, markup=False, soft_wrap=True)


def _states(text: str) -> frozenset[str]:
    from ser.runs.listing import STATES

    for word in names(text):
        if word not in STATES:
            raise argparse.ArgumentTypeError(f"'{word}' is not a state. {did_you_mean(word, list(STATES))}")
    if not names(text):
        raise argparse.ArgumentTypeError(f"name one or more of {', '.join(STATES)}")
    return frozenset(names(text))
