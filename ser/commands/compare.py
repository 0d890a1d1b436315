"""`ser compare`: finished runs side by side, a row a configuration, and which differences are more than chance."""

import argparse
import shutil
import sys
from pathlib import Path

from ser.commands.arguments import Parser, format_of, names, output_file
from ser.errors import UserError, did_you_mean

HELP = """ser compare [runs …] [options]      (by default all of runs/)

  ser compare                                        every finished run in runs/, a row a configuration
  ser compare sweeps/mlp-3fa2c1 'runs/tess-*'        of a sweep, and what matches a pattern
  ser compare runs/ravdess-…-crossval-…              the folds of a cross-validation
  ser compare --where "model=cnn2d and optimizer.lr<1e-3"
  ser compare --sort val/loss --metrics test/uar,test/ece,val/loss
  ser compare --group-by model                       pools all other differences: frontend, seeds, folds
  ser compare --output grid.tex --html grid.html     formats by suffix: .csv .md .tex .json .txt

A row is the runs that differ only in seed, split.seed and split.fold: mean ± standard deviation over them. Runs of
different recordings, classes or splits are in separate tables.

Options
  --where CONDITION       only runs for which it is true: keys, groups, figures; and, or, not, in, = < > !=
  --sort NAME             figure or setting; default the runs' monitor (val/uar), best first
  --metrics NAME,…        figures shown; default what sorts, and UAR, WA, macro F1 of test
  --group-by KEY,…        a row for each value of these keys
  --pairs WHICH           paired tests: best (the first row against each other; corrected for all pairs where a
                          test figure sorts), all, none
  --format FORMAT         table (default), csv, markdown, latex, json
  --output FILE           into a file, in the format of its suffix
  --html FILE             one page with tables, heat map, learning curves and parallel coordinates
  --heat KEY,KEY          rows and columns of the heat map
"""
SUFFIXES = {".csv": "csv", ".md": "markdown", ".tex": "latex", ".json": "json", ".txt": "table"}
OPTIONS = ("where", "sort", "metrics", "group-by", "pairs", "format", "output", "html", "heat")


def main(arguments: list[str]) -> int:
    """Compares runs and shows the result."""
    asked = _parsed(arguments)
    output = None if asked.output is None else output_file(asked.output)
    html = None if asked.html is None else output_file(asked.html, "--html")
    kind = _format(asked.format, output)
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--html {html}: the page is an HTML file, call it {html.name}.html.")

    from ser.comparison.comparing import Question, compare
    from ser.comparison.conditions import Condition

    question = Question(
        where=None if asked.where is None else Condition(asked.where, "--where"),
        metrics=tuple(names(asked.metrics)),
        sort=asked.sort,
        group_by=tuple(names(asked.group_by)),
        pairs=asked.pairs,
    )
    comparison = compare(asked.runs or ["runs"], question)
    if html is not None:
        from ser.reports.comparison import write_comparison

        write_comparison(html, comparison, names(asked.heat))
    _show(comparison, kind, output)
    if html is not None:
        print(f"Page: {html}", file=sys.stdout if kind == "table" or output else sys.stderr)
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("ser compare")
    parser.add_argument("runs", nargs="*")
    for name in OPTIONS:
        parser.add_argument(f"--{name}", default="best" if name == "pairs" else None)
    asked = parser.parse_intermixed_args(arguments)
    if asked.heat is not None and (asked.html is None or len(names(asked.heat)) != 2):
        raise UserError("--heat names the two keys of the page's heat map: --html grid.html --heat model,frontend.")
    return asked


def _format(chosen: str | None, output: Path | None) -> str:
    formats = list(dict.fromkeys(SUFFIXES.values()))
    if chosen is not None and chosen not in formats:
        raise UserError(f"--format {chosen}: {did_you_mean(chosen, formats)}")
    if chosen is None and output is not None:
        return format_of(output, SUFFIXES, "for a page use --html, or add --format")
    return chosen or "table"


def _show(comparison, kind: str, output: Path | None) -> None:
    from ser.comparison.terminal import as_text
    from ser.comparison.text_tables import texts_of
    from ser.comparison.writing import WRITERS

    if output is not None:
        from ser.system.files import write_text

        write_text(output, WRITERS[kind](comparison) if kind != "table" else as_text(*texts_of(comparison)))
        print(f"Written: {output}")
    elif kind == "table":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        sys.stdout.write(as_text(*texts_of(comparison), width, sys.stdout.isatty()))
    else:
        sys.stdout.write(WRITERS[kind](comparison))
