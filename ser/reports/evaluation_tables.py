"""An evaluation as tables for the terminal: overall beside the baselines, by class, and by group."""

import numpy as np
from rich.console import Console
from rich.table import Table

from ser.evaluation.confidence import Estimate
from ser.evaluation.evaluate import MODEL, Evaluation
from ser.evaluation.groups import Division
from ser.system.names import escaped

FIGURES = {
    "uar": "UAR", "wa": "WA", "f1_macro": "macro F1", "auroc": "AUROC", "top2": "top-2", "ece": "ECE",
    "ece_scaled": "ECE, temperature scaled", "recall": "recall", "precision": "precision", "f1": "F1",
    "ccc": "CCC", "pearson": "Pearson's r", "mae": "MAE", "rmse": "RMSE",
}  # fmt: skip


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Shows all figures: overall beside the baselines, by class, and by group."""
    for table in (evaluation_table(evaluation), class_table(evaluation), group_table(evaluation)):
        console.print(table)


def evaluation_table(evaluation: Evaluation) -> Table:
    """The model and the baselines, a row a figure, with 95 % intervals where the speakers allow them."""
    speakers = "speakers unknown" if evaluation.num_speakers is None else f"{evaluation.num_speakers} speakers"
    table = _table(f"test: {evaluation.num_utterances} utterances, {speakers}")
    for system in evaluation.systems:
        table.add_column(system, justify="right")
    for figure in evaluation.systems[MODEL].overall:
        scores = [scores.overall.get(figure) for scores in evaluation.systems.values()]
        table.add_row(FIGURES[figure], *map(_escaped, scores))
    table.caption = escaped("; ".join(remarks(evaluation)))
    return table


def class_table(evaluation: Evaluation) -> Table:
    """The model's figures of each class; `-` where one is not defined."""
    kind = "class" if evaluation.systems[MODEL].confusion else "target"
    table, by_class = _table(f"model, by {kind}"), evaluation.systems[MODEL].by_class
    figures = list(next(iter(by_class.values())))
    for figure in figures:
        table.add_column(FIGURES[figure], justify="right")
    for name, estimates in by_class.items():
        table.add_row(escaped(name), *(_escaped(estimates[figure]) for figure in figures))
    return table


def group_table(evaluation: Evaluation) -> Table:
    """The model's figures in each group, and the gap between the groups of a trait."""
    table = _table("model, by group")
    table.add_column("utterances", justify="right")
    figures = figures_by_group(evaluation)
    for figure in figures:
        table.add_column(FIGURES[figure], justify="right")
    table.add_column("without")
    for division in evaluation.divisions:
        _add_division(table, division, len(figures))
    return table


def figures_by_group(evaluation: Evaluation) -> tuple[str, ...]:
    """The names of the figures that each group has."""
    groups = [group for division in evaluation.divisions for group in division.groups]
    return tuple(groups[0].figures) if groups else ()


def _add_division(table: Table, division: Division, num_figures: int) -> None:
    for group in division.groups:
        cells = [_escaped(estimate) for estimate in group.figures.values()]
        table.add_row(
            escaped(f"{division.trait} {group.name}"), str(group.count), *cells, escaped(", ".join(group.absent))
        )
    gaps = [_escaped(estimate) for estimate in division.gaps.values()] or [""] * num_figures
    table.add_row(f"{division.trait}: gap", "", *gaps, division.remark, style="italic", end_section=True)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("")
    return table


def cell(estimate: Estimate | None) -> str:
    """`0.631 [0.535, 0.718]`, without brackets if there is no interval, `-` if not defined."""
    if estimate is None or np.isnan(estimate.value):
        return "-"
    interval = "" if estimate.low is None else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{estimate.value:.3f}{interval}"


def remarks(evaluation: Evaluation) -> list[str]:
    """Remarks on the figures: why there are no intervals, which classes are absent, the temperature."""
    without = "; ECE has none" if "ece" in evaluation.systems[MODEL].overall else ""
    found = [evaluation.remark or f"in brackets 95 % intervals, which resample speakers{without}"]
    if evaluation.absent:
        found.append(f"no test utterance is {', '.join(evaluation.absent)}")
    if evaluation.temperatures:
        found.append(f"temperature {', '.join(f'{t:.2f}' for t in evaluation.temperatures)}, fitted on val")
    return found


def _escaped(estimate: Estimate | None) -> str:
    """A cell for the terminal, where brackets are markup."""
    return escaped(cell(estimate))
