"""A comparison for other programs: CSV and JSON with all digits, Markdown and LaTeX as the terminal shows it."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ser.comparison.comparing import COSTS, Comparison
from ser.comparison.load_runs import shown
from ser.comparison.rows import Row
from ser.comparison.sections import Section
from ser.comparison.significance import Pair
from ser.comparison.text_tables import Sheet, texts_of
from ser.system.names import cell

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "±": r"$\pm$", "–": "--",
    "×": r"$\times$", "→": r"$\to$", "−": "$-$", "…": r"\ldots{}",
}  # fmt: skip


def as_csv(comparison: Comparison) -> str:
    """One line a row of any section, with mean, standard deviation and number of runs of each figure in columns."""
    columns = list(dict.fromkeys(column for section in comparison.sections for column in section.columns))
    metrics = list(dict.fromkeys([*comparison.question.metrics, *COSTS]))
    figures = [f"{metric}{end}" for metric in metrics for end in ("", "/std", "/runs")]
    with io.StringIO(newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["section", "protocol", "rank", *columns, "runs", *figures])
        for section in comparison.sections:
            for rank, row in enumerate(section.rows, start=1):
                cells = [_csv_cell(row.cells.get(column)) for column in columns]
                spreads = [row.spread(metric) for metric in metrics]
                numbers = [value for it in spreads for value in (it.mean, it.deviation, it.count)]
                writer.writerow([cell(section.title), cell(section.stamp), rank, *cells, len(row.runs), *numbers])
        return file.getvalue()


def as_json(comparison: Comparison) -> str:
    """Everything, all digits: rows with the directories of their runs, pairs, remarks."""
    sections = [
        _section(comparison, section, pairs)
        for section, pairs in zip(comparison.sections, comparison.pairs, strict=True)
    ]
    whole = {"sections": finite(sections), "remarks": list(comparison.remarks)}
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def finite(value: Any) -> Any:
    """The same with infinite numbers as text, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def as_markdown(sheets: Sequence[Sheet], remarks: Sequence[str]) -> str:
    """Sections with their tables, and remarks on all of them."""
    parts = []
    for sheet in sheets:
        parts += [f"## {_markdown(sheet.title)}", _markdown(sheet.stamp), _pipes(sheet.header, sheet.rows, sheet.left)]
        if sheet.pairs:
            parts.append(_pipes(sheet.pairs_header, sheet.pairs, len(sheet.pairs_header)))
        parts += map(_markdown, sheet.notes)
    return "\n\n".join([*parts, *map(_markdown, remarks)]) + "\n"


def as_latex(sheets: Sequence[Sheet], remarks: Sequence[str]) -> str:
    """Sections as tables that need no package; remarks as comments."""
    parts = [table for sheet in sheets for table in _latex_tables(sheet)]
    return "\n".join([*parts, *(f"% {' '.join(line.split())}" for line in remarks)]) + "\n"


WRITERS: dict[str, Callable[[Comparison], str]] = {
    "csv": as_csv,
    "markdown": lambda comparison: as_markdown(*texts_of(comparison)),
    "latex": lambda comparison: as_latex(*texts_of(comparison)),
    "json": as_json,
}


def _csv_cell(value: Any) -> Any:
    """Numbers with all their digits; None as an empty cell; lists and booleans as in the terminal."""
    if value is None or type(value) in (int, float):
        return "" if value is None else value
    return "\n".join(map(cell, shown(value).split("\n")))


def _section(comparison: Comparison, section: Section, pairs: Sequence[Pair]) -> dict[str, Any]:
    rows = [_row(comparison, rank, row) for rank, row in enumerate(section.rows, start=1)]
    return {
        "title": section.title,
        "protocol": section.stamp,
        "varied": section.varied,
        "sorted_by": section.sort,
        "rows": rows,
        "pairs": [pair_facts(pair) for pair in pairs],
        "remarks": list(section.remarks),
    }


def _row(comparison: Comparison, rank: int, row: Row) -> dict[str, Any]:
    spreads = {name: row.spread(name) for name in (*comparison.question.metrics, *COSTS)}
    metrics = {name: {"mean": it.mean, "std": it.deviation, "runs": it.count} for name, it in spreads.items()}
    runs = [
        {"path": str(run.path), "identity": run.identity, "seed": run.drawn[0], "split_seed": run.drawn[1],
         "fold": run.drawn[2]}
        for run in row.runs
    ]  # fmt: skip
    return {"rank": rank, "name": row.name, "settings": row.cells, "metrics": metrics, "runs": runs}


def pair_facts(pair: Pair) -> dict[str, Any]:
    estimate = pair.difference
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": None if math.isnan(estimate.value) else estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "remark": estimate.remark,
        "runs": pair.runs,
        "speakers": pair.speakers,
        "test": pair.test or None,
        "p": pair.p,
        "p_holm": pair.corrected,
        "distinguishable": pair.distinguishable,
        "verdict": pair.verdict,
    }


def _markdown(words: str) -> str:
    """Text without markup."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(words.split()))


def _pipes(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    rule = ["---" if column < left else "---:" for column in range(len(header))]
    lines = [map(_markdown, header), rule, *(map(_markdown, row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _latex_tables(sheet: Sheet) -> list[str]:
    notes = [f"% {' '.join(note.split())}" for note in sheet.notes]
    tables = [_latex_table(sheet.header, sheet.rows, sheet.left, f"{sheet.title}: {sheet.stamp}"), *notes]
    if sheet.pairs:
        width = len(sheet.pairs_header)
        tables.append(_latex_table(sheet.pairs_header, sheet.pairs, width, f"{sheet.title}: paired tests"))
    return tables


def _latex_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int, caption: str) -> str:
    spec = "l" * left + "r" * (len(header) - left)
    body = [f"{' & '.join(map(_latex, row))} \\\\" for row in rows]
    return "\n".join([
        r"\begin{table}", r"\centering", f"\\caption{{{_latex(caption)}}}", f"\\begin{{tabular}}{{{spec}}}", r"\hline",
        f"{' & '.join(map(_latex, header))} \\\\", r"\hline", *body, r"\hline", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def _latex(words: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in " ".join(words.split()))
