"""A whole comparison: the question, the sections with their ranking, and the paired tests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser.comparison.columns import value_of
from ser.comparison.conditions import Condition, is_number
from ser.comparison.load_runs import Run, gather
from ser.comparison.rows import Row, ranked
from ser.comparison.sections import Section, sections_of, validated_alike
from ser.comparison.significance import Pair, compare_rows, corrected
from ser.errors import UserError, check_choice, did_you_mean
from ser.evaluation.ranking import added, ranking_metric

METRICS = ("test/uar", "test/wa", "test/f1_macro", "test/ccc", "test/pearson", "test/mae")
PAIRS = ("best", "all", "none")
COSTS = ("seconds", "num_parameters")


@dataclass(frozen=True, slots=True)
class Question:
    """How runs are compared.

    Args:
        where: Which runs, or None for all.
        metrics: Columns of figures; () for UAR, WA and macro F1 of test (of numbers CCC, Pearson's r and MAE) and the
            validation metric.
        sort: A figure, a setting or a group that orders the rows; None for the runs' validation metric.
        group_by: Keys that make the rows; () for the configurations.
        pairs: Which rows are tested against each other: `best`, `all` or `none`.

    Raises:
        UserError: Other pairs.
    """

    where: Condition | None = None
    metrics: tuple[str, ...] = ()
    sort: str | None = None
    group_by: tuple[str, ...] = ()
    pairs: str = "best"

    def __post_init__(self):
        check_choice("pairs", self.pairs, PAIRS)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result.

    Args:
        question: With the metrics filled in.
        sections: Largest first, their rows ranked.
        pairs: Of each section.
        remarks: On skipped runs.
    """

    question: Question
    sections: tuple[Section, ...]
    pairs: tuple[tuple[Pair, ...], ...]
    remarks: tuple[str, ...]


def compare(places: Sequence[str | Path], question: Question) -> Comparison:
    """Compares the finished runs in some places.

    Raises:
        UserError: No run, or the question names a figure or a setting that no run has.
    """
    gathered = gather(places, question.where)
    _check(question, gathered.runs)
    sections = [_ranked(section, question.sort) for section in sections_of(gathered.runs, question.group_by)]
    if question.sort is not None:
        _check_sort(question.sort, sections)
    question = replace(question, metrics=question.metrics or _metrics(gathered.runs, sections))
    found = [compare_rows(section.rows, question.pairs) for section in sections]
    unshown = sum(num_unshown(section, question) for section in sections)
    tested = iter(corrected([pair for pairs in found for pair in pairs], unshown))
    pairs = tuple(tuple(next(tested) for _ in pairs) for pairs in found)
    remarks = gathered.remarks
    if question.where is not None and any(key.startswith("test/") for key in question.where.keys):
        remarks = (*remarks, f"{question.where.where} selects runs by figures of test, which no p value accounts for.")
    return Comparison(question, tuple(sections), pairs, remarks)


def num_unshown(section: Section, question: Question) -> int:
    """Pairs to correct for that are not shown: those without the first row, if a figure of test ranks the rows."""
    rows = len(section.rows)
    return (rows - 1) * (rows - 2) // 2 if question.pairs == "best" and section.sort.startswith("test/") else 0


def _ranked(section: Section, asked: str | None) -> Section:
    """The section with its rows in order: as asked, else by its runs' validation metric."""
    sort, why = (asked, "") if asked is not None else _order([run for row in section.rows for run in row.runs])
    return replace(section, rows=tuple(ranked(section.rows, sort)), sort=sort, why=why)


def _order(runs: Sequence[Run]) -> tuple[str, str]:
    """The metric that ranks runs, where possible without using test, and why."""
    if not validated_alike(runs):
        return f"test/{runs[0].answered.main_figure}", "since the runs have different validation parts (split.val)"
    metric = ranking_metric(run.config for run in runs)
    if not any(is_number(run.metrics.get(metric)) for run in runs):
        return f"test/{runs[0].answered.main_figure}", f"since none of the runs has {metric}, the validation metric"
    if metric == runs[0].config.get("monitor"):
        return metric, "the runs' monitor, which does not use test"
    monitors = sorted({str(run.config.get("monitor")) for run in runs})
    return metric, f"since the runs' monitors differ ({', '.join(monitors)}); it does not use test"


def _metrics(runs: Sequence[Run], sections: Sequence[Section]) -> tuple[str, ...]:
    """The ranking metric, the main figures of test, metrics that configs add, and the validation metric."""
    known = {name for run in runs for name, value in run.metrics.items() if is_number(value)}
    monitors = (str(run.config.get("monitor")) for run in runs)
    more = (f"test/{name}" for name in added(run.config for run in runs))
    wanted = dict.fromkeys([*(section.sort for section in sections), *METRICS, *more, *monitors])
    return tuple(name for name in wanted if name in known and name not in COSTS)


def _check(question: Question, runs: Sequence[Run]) -> None:
    figures = {name for run in runs for name, value in run.metrics.items() if is_number(value)}
    settings = {key for run in runs for key in (*run.flat, *run.choices)}
    for metric in question.metrics:
        if metric not in figures:
            raise UserError(f"--metrics {metric}: no run has this figure. {_nearest(metric, figures)}")
    for key in question.group_by:
        if key not in settings:
            raise UserError(f"--group-by {key}: no run has this setting or group. {_nearest(key, settings)}")
    if question.sort is not None and question.sort not in figures | settings:
        known = figures | {key for key in settings if _differs(key, runs)}
        raise UserError(f"--sort {question.sort}: no run has it. {_nearest(question.sort, known)}")


def _check_sort(key: str, sections: Sequence[Section]) -> None:
    """Checks that the rows differ in the setting that orders them."""
    rows: list[Row] = [row for section in sections for row in section.rows]
    if not any(key in row.cells or row.spread(key).count for row in rows):
        columns = sorted({column for section in sections for column in section.columns})
        differing = f" Settings that differ: {', '.join(columns)}." if columns else ""
        raise UserError(f"--sort {key}: the rows do not differ in it.{differing}")


def _differs(key: str, runs: Sequence[Run]) -> bool:
    return len({str(value_of(run, key)) for run in runs}) > 1


def _nearest(word: str, known: set[str]) -> str:
    """The nearest name; where none is near, those that begin alike, else those without a part behind a dot."""
    hint = did_you_mean(word, sorted(known))
    if hint.startswith("Did"):
        return hint
    head = word.replace("/", ".").split(".")[0]
    alike = [name for name in known if name.replace("/", ".").split(".")[0] == head]
    return did_you_mean(word, alike or [name for name in known if "." not in name and name.count("/") < 2])
