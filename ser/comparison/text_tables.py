"""A comparison as cells of text, shared by the terminal, Markdown, LaTeX and the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from ser.comparison.comparing import COSTS, Comparison, num_unshown
from ser.comparison.load_runs import shown
from ser.comparison.rows import Row, Spread
from ser.comparison.sections import Section, runs_in_words
from ser.comparison.significance import Pair

DIGITS = {"seconds": ".1f", "num_parameters": ",.0f"}
HEADINGS = {"num_parameters": "parameters"}
APART = (
    "These runs do not share one protocol (recordings, classes, split), so they are not ranked together: each table "
    "is a ranking of its own."
)
ALONE = "One row only: there is nothing to compare it with."
ON_PAIRS = (
    "Difference: {}, mean over the shared runs of the first less the second. In brackets its 95 % interval, each on "
    "its own, from resampled speakers. p: corrected by Holm over all pairs"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One section as text.

    Args:
        title, stamp: Of the section.
        header, rows: The ranking; `left` counts the text columns before those of numbers.
        pairs_header, pairs: The paired tests; possibly no rows.
        better: Of each pair the place of the better row, None where they are not distinguishable.
        notes: Sentences that belong to it.
    """

    title: str
    stamp: str
    left: int
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    pairs_header: tuple[str, ...]
    pairs: tuple[tuple[str, ...], ...]
    better: tuple[int | None, ...]
    notes: tuple[str, ...]


def sheets_of(comparison: Comparison) -> list[Sheet]:
    """Each section as a sheet."""
    return [
        _sheet(comparison, section, pairs) for section, pairs in zip(comparison.sections, comparison.pairs, strict=True)
    ]


def texts_of(comparison: Comparison) -> tuple[list[Sheet], list[str]]:
    """Sheets and closing remarks: what every format takes."""
    return sheets_of(comparison), closing(comparison)


def closing(comparison: Comparison) -> list[str]:
    """Remarks on all sections: how they are sorted, why they are separate, and what was skipped."""
    sorting = list(dict.fromkeys(map(_sorted_by, comparison.sections)))
    if len(sorting) > 1:
        sorting = [f"{section.title}: {_sorted_by(section)}" for section in comparison.sections]
    return [*sorting, *([APART] if len(comparison.sections) > 1 else []), *comparison.remarks]


def _sorted_by(section: Section) -> str:
    words = [f"Sorted by {section.sort}", "best first" if "/" in section.sort else "", section.why]
    warning = " Selecting by the test part makes its figures optimistic." if section.sort.startswith("test/") else ""
    return f"{', '.join(filter(None, words))}.{warning}"


def mean_cell(spread: Spread, style: str = ".3f") -> str:
    """`0.586 ± 0.050`, without a spread for a single run, a dash without a value.

    >>> mean_cell(Spread(0.586, 0.05, 3)), mean_cell(Spread(0.586, None, 1)), mean_cell(Spread(None, None, 0))
    ('0.586 ± 0.050', '0.586', '–')
    """
    if spread.mean is None:
        return "–"
    return format(spread.mean, style) + ("" if spread.deviation is None else f" ± {format(spread.deviation, style)}")


def p_cell(p: float | None) -> str:
    """`0.031`, `<0.001`, or a dash."""
    return "–" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _sheet(comparison: Comparison, section: Section, pairs: Sequence[Pair]) -> Sheet:
    asked = [name for name in comparison.question.metrics if name not in COSTS]
    metrics = [name for name in asked if any(row.spread(name).count for row in section.rows)] or asked
    # a column without values is useless: a single row gets its name
    named = section.columns or ("configuration",)
    header = ("#", *named, *metrics, "runs", *(HEADINGS.get(name, name) for name in COSTS))
    rows = [_cells(number, row, section.columns, metrics) for number, row in enumerate(section.rows, start=1)]
    notes = [f"{section.varied}.", *section.remarks, *_on_pairs(comparison, section, pairs)]
    pairs_header = ("pair", "first", "second", "difference", "runs", "test", "p", "p (Holm)", "verdict")
    cells = tuple(pair_cells(pair) for pair in pairs)
    better = tuple(pair.better for pair in pairs)
    texts = section.title, section.stamp
    return Sheet(*texts, 1 + len(named), header, tuple(rows), pairs_header, cells, better, tuple(notes))


def _cells(number: int, row: Row, columns: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    named = [shown(row.cells[column], row.digits) for column in columns] or [row.name]
    figures = [mean_cell(row.spread(name)) for name in metrics]
    costs = [cost_cell(name, row.spread(name)) for name in COSTS]
    return (str(number), *named, *figures, runs_in_words(row.runs), *costs)


def cost_cell(name: str, spread: Spread) -> str:
    """A cost as a cell; without a spread where it is equal in all runs, as sizes mostly are."""
    exact = Spread(spread.mean, spread.deviation or None, spread.count)
    return mean_cell(exact, DIGITS[name])


def pair_cells(pair: Pair) -> tuple[str, ...]:
    """The cells of a paired test."""
    return (
        f"{pair.first}–{pair.second}", *pair.names, difference_cell(pair), str(pair.runs), pair.test or "–",
        p_cell(pair.p), p_cell(pair.corrected), pair.verdict,
    )  # fmt: skip


def difference_cell(pair: Pair, scale: float = 1, style: str = "+.3f") -> str:
    """`+0.031 [-0.002, +0.064]`; without limits where there is no interval."""
    it = pair.difference
    limits = "" if it.low is None else f" [{format(scale * it.low, style)}, {format(scale * it.high, style)}]"
    return "–" if pair.p is None else format(scale * it.value, style) + limits


def _on_pairs(comparison: Comparison, section: Section, pairs: Sequence[Pair]) -> list[str]:
    if comparison.question.pairs == "none":
        return []
    if len(section.rows) < 2:
        return [ALONE]
    without = dict.fromkeys(pair.difference.remark for pair in pairs if pair.difference.remark)
    counted = " shown."
    if num_unshown(section, comparison.question):
        number = len(section.rows) * (len(section.rows) - 1) // 2
        counted = f" of rows ({number} here), not only those shown: a figure of test decides which row is first."
    figure = section.rows[0].runs[0].answered.main_figure.upper()
    notes = [
        f"{ON_PAIRS.format(figure)}{counted}",
        *(f"No interval for some pairs: {remark}." for remark in without),
    ]
    if over := [what for what in ("utterances", "runs") if any(pair.test.endswith(what) for pair in pairs)]:
        notes.append(f"Tests over {' or '.join(over)} hold for these speakers only: too few are known to generalise.")
    if any(pair.runs == 1 for pair in pairs):
        notes.append("Pairs of one run each compare two trainings; other seeds may reverse the order.")
    return notes
