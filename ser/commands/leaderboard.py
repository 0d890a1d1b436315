"""`ser leaderboard`: our recipes and published systems of one corpus and protocol, in one ranking."""

import shutil
import sys
from pathlib import Path

from ser.commands.arguments import Parser, output_file
from ser.errors import UserError

HELP = """ser leaderboard [runs …] [options]      (by default all of runs/)

  ser leaderboard runs --corpus ravdess --protocol emobox       how far from EmoBox' frozen models, row by row
  ser leaderboard runs --output card.md --output card.tex --output card.html
  ser leaderboard runs --published mine.yaml --against WavLM    with systems of a file of yours

One table of complete recipes (all folds; each seed is a training) and of published systems that were tested by the same
protocol: corpus, emotions, recordings, folds, and speakers apart from training or not. With 95 % intervals, a paired
test over speakers for each two recipes, and the place of published figures beside the intervals of ours. What is of
another protocol is left out, and the reason is given.

Options
  --corpus NAME, --protocol NAME   where the runs are of several: ravdess, tess, …; emobox, or a choice of `split`
  --metric NAME                    what ranks: uar (default), wa, f1_macro
  --against NAME                   the published system that distances are measured to; default the best
  --where CONDITION                only runs for which it is true, as in ser compare
  --published FILE                 YAML with further `protocols` and `systems`; may be repeated
  --output FILE                    .md, .tex, .html or .txt; may be repeated
"""
SUFFIXES = (".md", ".tex", ".html", ".txt")


def main(arguments: list[str]) -> int:
    """Ranks, and shows or writes the result."""
    asked = _parser().parse_intermixed_args(arguments)
    outputs = [output_file(name) for name in asked.output]
    for path in outputs:
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"--output {path}: the suffix selects the format: {', '.join(SUFFIXES)}.")

    from ser.comparison.conditions import Condition
    from ser.comparison.leaderboard import Choice, leaderboard

    choice = Choice(
        asked.corpus,
        asked.protocol,
        asked.metric,
        asked.against,
        None if asked.where is None else Condition(asked.where, "--where"),
        tuple(Path(name).expanduser() for name in asked.published),
    )
    board = leaderboard(asked.runs or ["runs"], choice)
    for path in outputs:
        _write(path, board)
        print(f"Written: {path}")
    if not outputs:
        from ser.comparison.leaderboard_table import sheet_of
        from ser.comparison.terminal import as_text

        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        sys.stdout.write(as_text([sheet_of(board)], board.asides, width, sys.stdout.isatty()))
    return 0


def _parser() -> Parser:
    parser = Parser("ser leaderboard")
    parser.add_argument("runs", nargs="*")
    for name in ("corpus", "protocol", "against", "where"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--metric", default="uar")
    parser.add_argument("--published", action="append", default=[])
    parser.add_argument("--output", action="append", default=[])
    return parser


def _write(path: Path, board) -> None:
    if path.suffix.lower() == ".html":
        from ser.reports.leaderboard import write_leaderboard

        write_leaderboard(path, board)
        return

    from ser.comparison.leaderboard_table import sheet_of
    from ser.comparison.terminal import as_text
    from ser.comparison.writing import as_latex, as_markdown
    from ser.system.files import write_text

    writer = {".md": as_markdown, ".tex": as_latex, ".txt": as_text}[path.suffix.lower()]
    write_text(path, writer([sheet_of(board)], board.asides))
