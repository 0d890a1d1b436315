"""Benchmarks as a table in the terminal, and as the table of docs/performance.md."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def print_benchmark(console: Console, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Shows ours, theirs, ratio and spread.

    Args:
        console: Where to.
        name: Of the benchmark.
        rows: Plain data of `scripts.benchmarks.measure.Row`.
    """
    table = Table(title=f"benchmark {name}", title_justify="left")
    for title in ("what", "ours", "against", "theirs", "ratio", "spread", "target"):
        table.add_column(title, justify="right" if title in ("ours", "theirs", "ratio") else "left")
    for row in rows:
        what = row["what"] + (f"\n({row['note']})" if row["note"] else "")
        table.add_row(what, *cells(row))
    console.print(table, markup=False)


def cells(row: dict[str, Any]) -> list[str]:
    """Ours, against what, theirs, ratio, spread and target of a row, as text; a dash where nothing was measured."""
    spread = row["spread"]
    ratio = "–" if row["ratio"] is None else f"{row['ratio']:.2f} {row['meaning']}"
    return [
        _with_unit(row["ours"], row["unit"]),
        row["against"] or "–",
        _with_unit(row["theirs"], row["unit"]),
        ratio,
        "–" if spread is None else f"{_number(spread[0])} to {_number(spread[1])}",
        row["target"] or "–",
    ]


def markdown(benchmarks: Sequence[dict[str, Any]]) -> str:
    """The table of the page: a row a measurement, and what it was measured on."""
    lines = ["| what | ours | against | theirs | ratio (rounds) | target |", "|---|---|---|---|---|---|"]
    for benchmark in benchmarks:
        for row in benchmark["rows"]:
            ours, against, theirs, ratio, spread, target = cells(row)
            if row["ratio"] is not None:
                ratio += f" ({spread})"
            what = row["what"] + (f" ({row['note']})" if row["note"] else "")
            lines.append(f"| {what} | {ours} | {against} | {theirs} | {ratio} | {target} |")
    machines = sorted({f"{b['environment']['device']}, {b['environment']['threads']} threads" for b in benchmarks})
    return "\n".join([*lines, "", f"Measured on: {'; '.join(machines)} (docs/results/performance/)."])


def _with_unit(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 123.

    >>> _number(0.012345), _number(1.2345), _number(1234.5)
    ('0.0123', '1.23', '1234')
    """
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
