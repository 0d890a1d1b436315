"""The page of a comparison: tables, paired tests, heat map, learning curves and parallel coordinates on one page."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path

from ser.comparison.columns import value_of
from ser.comparison.comparing import Comparison
from ser.comparison.load_runs import frozen
from ser.comparison.rows import Row
from ser.comparison.sections import Section
from ser.comparison.text_tables import Sheet, closing, sheets_of
from ser.errors import UserError, did_you_mean
from ser.reports.comparison_figures import curves_picture, heat_map, parallel_coordinates
from ser.reports.events import Curve, curves_of
from ser.reports.figures import Picture
from ser.reports.page import Page, columns, details, figure, heading, note, table, text
from ser.system.files import write_text

MOST_CURVES = 8  # rows that can be distinguished in one figure
MOST_RUNS = 12  # of a row whose event files are read, each in a tenth of a second
MOST_AXES = 6
CURVES = {
    "curves_val_uar": "val/uar", "curves_val_ccc": "val/ccc", "curves_val_loss": "val/loss",
    "curves_train_loss": "train/loss",
}  # fmt: skip


def write_comparison(path: Path, comparison: Comparison, heat: Sequence[str] = ()) -> None:
    """Writes the page, which is self-contained.

    Args:
        path: The file.
        comparison: What it shows.
        heat: The two keys of the heat map; () for the two that differ most.

    Raises:
        UserError: No row has such a key, or the file cannot be written.
    """
    _check_heat(comparison, heat)
    sections = comparison.sections
    count = sum(len(row.runs) for section in sections for row in section.rows)
    rows = sum(len(section.rows) for section in sections)
    page = Page("Comparison", f"{count} runs in {rows} rows, {len(sections)} protocol{'s' * (len(sections) > 1)}")
    for section, sheet in zip(sections, sheets_of(comparison), strict=True):
        page.section(sheet.title, *_parts(comparison, section, sheet, heat))
    page.section("How to read it", *map(text, closing(comparison)))
    write_text(path, page.html())


def heat_keys(section: Section, metric: str) -> tuple[str, str] | None:
    """The two columns whose heat map has most cells filled and fewest empty; None where fewer than two differ.

    Args:
        section: Its rows.
        metric: Rows without it fill no cell.
    """
    rows = [row for row in section.rows if row.spread(metric).count]
    best, most = None, 0.0
    for pair in combinations(section.columns, 2):
        cells = {tuple(frozen(row.cells[column]) for column in pair) for row in rows}
        down, across = (len(set(values)) for values in zip(*cells, strict=True)) if cells else (0, 0)
        filled = len(cells) ** 2 / (down * across) if min(down, across) > 1 else 0.0
        if filled > most:
            best, most = pair, filled
    return best


def _parts(comparison: Comparison, section: Section, sheet: Sheet, heat: Sequence[str]) -> list[str]:
    metric = section.sort if "/" in section.sort else f"test/{section.rows[0].runs[0].answered.main_figure}"
    parts = [table(sheet.header, sheet.rows, f"Sorted by {section.sort}", sheet.stamp)]
    if sheet.pairs:
        parts.append(table(sheet.pairs_header, sheet.pairs, "Paired tests", sheet.stamp))
    parts += [note(words) for words in sheet.notes]
    pictures = [_heat(section, heat, metric), parallel_coordinates(
        section.rows, section.columns[:MOST_AXES], metric, section.stamp
    )]  # fmt: skip
    parts += _side_by_side("Settings and score", pictures)
    curves = _curves(section.rows)
    overlaid = [curves_picture(name, key, _of(curves, key), section.stamp) for name, key in CURVES.items()]
    parts += _side_by_side("Learning curves", overlaid)
    if len(section.rows) > MOST_CURVES:
        parts.append(note(f"Learning curves of the first {MOST_CURVES} of {len(section.rows)} rows."))
    runs = [[row.name, run.path.name] for row in section.rows for run in row.runs]
    parts.append(details(f"The {len(runs)} runs", table(["row", "run"], runs, "Runs")))
    return parts


def _side_by_side(title: str, pictures: Sequence[Picture | None]) -> list[str]:
    drawn = [figure(picture.png, picture.alt, picture.caption) for picture in pictures if picture is not None]
    return [heading(title), columns(*drawn)] if drawn else []


def _heat(section: Section, asked: Sequence[str], metric: str) -> Picture | None:
    keys = (asked[0], asked[1]) if asked else heat_keys(section, metric)
    if keys is None or not any(row.spread(metric).count for row in section.rows):
        return None
    return heat_map(section.rows, keys, metric, section.stamp)


def _curves(rows: Sequence[Row]) -> dict[str, list[Mapping[str, Curve]]]:
    """Row → the curves of its runs, from their event files; a damaged file counts as none."""
    found: dict[str, list[Mapping[str, Curve]]] = {}
    for row in rows[:MOST_CURVES]:
        found[row.name] = []
        for run in row.runs[:MOST_RUNS]:
            with suppress(Exception):  # TensorBoard raises various errors on a truncated event file
                found[row.name].append(curves_of(run.path))
    return found


def _of(curves: Mapping[str, Sequence[Mapping[str, Curve]]], key: str) -> dict[str, list[Curve]]:
    return {row: [of_run.get(key, []) for of_run in of_runs] for row, of_runs in curves.items()}


def _check_heat(comparison: Comparison, heat: Sequence[str]) -> None:
    runs = [run for section in comparison.sections for row in section.rows for run in row.runs]
    known = {key for run in runs for key in (*run.flat, *run.choices)}
    for key in heat:
        if key not in known:
            differing = sorted({column for section in comparison.sections for column in section.columns})
            hint = did_you_mean(key, sorted(known))
            hint = hint if hint.startswith("Did") else f"The rows differ in: {', '.join(differing)}."
            raise UserError(f"--heat {key}: no run has this setting or group. {hint}")
        if len({frozen(value_of(run, key)) for run in runs}) < 2:
            raise UserError(f"--heat {key}: all runs have the same value.")
