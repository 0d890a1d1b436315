"""Rows of a comparison: runs that belong together, and their figures as mean and spread."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ser.comparison.columns import belongs_to, differing, label, value_of
from ser.comparison.conditions import is_number
from ser.comparison.load_runs import DRAWN, Run, frozen
from ser.evaluation.ranking import added, falls


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over runs.

    Args:
        mean: Over the runs that have it; None where none has.
        deviation: Standard deviation of a sample (n − 1); None for a single run.
        count: Runs that have it.
    """

    mean: float | None
    deviation: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Mean and spread of any number of values.

        >>> Spread.of([0.5, 0.7]).mean, round(Spread.of([0.5, 0.7]).deviation, 3), Spread.of([]).mean
        (0.6, 0.141, None)
        """
        if not values:
            return cls(None, None, 0)
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True, eq=False)
class Row:
    """One configuration, or the runs that `--group-by` pools.

    Args:
        cells: Column → value.
        runs: At least one.
        apart: Columns that are pooled: settings that the runs of the row differ in.
        grouped: Keys that rows are made by, where they are not the configurations.
        digits: Of settings in its name; None for all, where another row would have the same name.
    """

    cells: dict[str, Any]
    runs: tuple[Run, ...]
    apart: tuple[str, ...] = ()
    grouped: tuple[str, ...] = ()
    digits: int | None = 6

    @property
    def name(self) -> str:
        """The settings that distinguish it; a single row is named by dataset, frontend and model."""
        choices = self.runs[0].choices
        words = (str(choices.get(group)) for group in ("dataset", "frontend", "model"))
        return label(self.cells, "-".join(words), self.digits)

    def spread(self, metric: str) -> Spread:
        """A figure of metrics.json over the row's runs."""
        values = (run.metrics.get(metric) for run in self.runs)
        return Spread.of([float(value) for value in values if is_number(value)])

    def units(self) -> dict[tuple, Run]:
        """The runs by what pairs them with another row's: seed, seed of the split, fold, and pooled settings."""
        return {self._unit(run): run for run in self.runs}

    def _unit(self, run: Run) -> tuple:
        drawn = tuple(value for key, value in zip(DRAWN, run.drawn, strict=True) if key not in self.grouped)
        return (*drawn, *(frozen(value_of(run, key)) for key in self.apart))


def rows_of(runs: Sequence[Run], group_by: Sequence[str]) -> tuple[tuple[str, ...], list[Row], list[str]]:
    """Columns, rows, and remarks on runs that repeat another.

    Args:
        runs: Comparable with each other.
        group_by: Keys; by default the configurations themselves are the rows.
    """
    columns = differing(runs)
    shown = tuple(group_by) or columns
    together: dict[str, list[Run]] = {}
    for run in runs:
        name = frozen([value_of(run, key) for key in group_by]) if group_by else run.configuration
        together.setdefault(name, []).append(run)
    apart = tuple(column for column in columns if group_by and _is_pooled(column, group_by, together.values()))
    rows, remarks = [], []
    for members in together.values():
        cells = {column: value_of(members[0], column) for column in shown}
        row = Row(cells, tuple(members), apart, tuple(group_by))
        kept = tuple(row.units().values())
        if len(kept) < len(members):
            left = sorted(run.path.name for run in members if run not in kept)
            remarks.append(
                f"{row.name}: {', '.join(left)} repeat seed and fold of another run and are left out; they differ in "
                "something outside config.yaml, such as the recordings themselves."
            )
        rows.append(replace(row, runs=kept))
    names = Counter(row.name for row in rows)
    return shown, [row if names[row.name] == 1 else replace(row, digits=None) for row in rows], remarks


def _is_pooled(column: str, group_by: Sequence[str], rows: Iterable[Sequence[Run]]) -> bool:
    """Whether runs of one row differ in a setting; what each row has one value of goes with the row's name."""
    if any(column == group or belongs_to(column, group) for group in group_by):
        return False
    return any(len({frozen(value_of(run, column)) for run in members}) > 1 for members in rows)


def ranked(rows: Sequence[Row], key: str) -> list[Row]:
    """Best first by a figure's mean, least first by what costs; by a setting in its order. Rows without it are last."""

    lower_is_better = added((run.config for row in rows for run in row.runs), "lower_is_better")

    def place(row: Row) -> tuple:
        if key in row.cells:
            value = row.cells[key]
            return (value is None, not is_number(value), value if is_number(value) else 0, str(value))
        mean = row.spread(key).mean
        mean = None if mean is None or math.isnan(mean) else mean
        return (mean is None, 0, 0 if mean is None else mean if falls(key, lower_is_better) else -mean, row.name)

    return sorted(rows, key=place)
