"""Tables as pandas DataFrames."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ser.errors import UserError

if TYPE_CHECKING:
    from pandas import DataFrame

    from ser.comparison.comparing import Comparison
    from ser.evaluation.predictions import AnyPredictions
    from ser.inference.answers import FilePrediction


NUMBERS = ("difference", "low", "high", "p", "p_holm")  # of a paired test


def frame(rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None) -> "DataFrame":
    """Rows as a DataFrame.

    Args:
        rows: Column → value.
        columns: Their order, where `rows` may be empty or lack some.

    Raises:
        UserError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise UserError("Tables in Python need pandas: pip install 'ser[notebook]'") from error
    return pandas.DataFrame(rows, columns=columns)


def predictions_frame(part: "AnyPredictions") -> "DataFrame":
    """Columns as of predictions.csv: path, traits, true, predicted, and the probability of each class; or numbers."""
    columns = ["path", *part.traits, *part.columns]
    traits = zip(*part.traits.values(), strict=True)
    rows = zip(part.keys, traits, part.cells(), strict=True)
    return frame([dict(zip(columns, [key, *words, *cells], strict=True)) for key, words, cells in rows], columns)


def files_frame(found: Iterable["FilePrediction"], classes: Sequence[str], numbers: bool = False) -> "DataFrame":
    """A row a file: path, emotion, its probability, that of each class, and why a file could not be used.

    Of a run that predicts numbers: path, each number, and why.
    """
    if numbers:
        rows = [{"path": str(it.path), **it.numbers, "error": it.error or None} for it in found]
        return frame(rows, ["path", *classes, "error"])
    rows = [
        {
            "path": str(it.path), "emotion": it.emotion or None, "probability": it.probability, **it.probabilities,
            "error": it.error or None,
        }
        for it in found
    ]  # fmt: skip
    return frame(rows, ["path", "emotion", "probability", *classes, "error"])


def comparison_frame(comparison: "Comparison") -> "DataFrame":
    """A row a configuration, ranked within its section, with the paired test of the first row against it.

    `difference` is the UAR of the first row less that of this one, `low` and `high` its 95 % interval, `p_holm` its p
    after Holm's correction, `verdict` that in words. In `attrs`: all pairs, and remarks.
    """
    from ser.comparison.comparing import COSTS
    from ser.comparison.writing import pair_facts

    columns = list(dict.fromkeys(column for section in comparison.sections for column in section.columns))
    metrics = list(dict.fromkeys([*comparison.question.metrics, *COSTS]))
    rows = []
    for section, pairs in zip(comparison.sections, comparison.pairs, strict=True):
        with_first = {pair.second: pair_facts(pair) for pair in pairs if pair.first == 1}
        for rank, row in enumerate(section.rows, start=1):
            facts = with_first.get(rank, {})
            tested = {key: math.nan if facts.get(key) is None else facts[key] for key in NUMBERS}
            spreads = {metric: row.spread(metric) for metric in metrics}
            rows.append(
                {
                    "section": section.title, "protocol": section.stamp, "rank": rank, "name": row.name,
                    **{column: row.cells.get(column) for column in columns}, "runs": len(row.runs),
                    **{metric: spread.mean for metric, spread in spreads.items()},
                    **{f"{metric}/std": it.deviation for metric, it in spreads.items() if metric not in COSTS},
                    **tested, "test": facts.get("test") or "", "verdict": facts.get("verdict", ""),
                    "directories": [str(run.path) for run in row.runs],
                }
            )  # fmt: skip
    table = frame(rows)
    table = table.drop(columns=[name for name in table if name.endswith("/std") and table[name].isna().all()])
    sections = zip(comparison.sections, comparison.pairs, strict=True)
    table.attrs["pairs"] = [{"section": it.title, **pair_facts(pair)} for it, pairs in sections for pair in pairs]
    remarks = [f"{it.title}: {remark}" for it in comparison.sections for remark in (it.varied, *it.remarks)]
    table.attrs["remarks"] = [*remarks, *comparison.remarks]
    return table
