"""Figures of a comparison: heat map over two keys, learning curves overlaid, parallel coordinates."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize

from ser.comparison.columns import value_of
from ser.comparison.conditions import is_number
from ser.comparison.load_runs import frozen, shown
from ser.comparison.rows import Row
from ser.reports.events import Curve
from ser.reports.figures import GREY, WIDTH, Picture, blank, counted_along, literal, png_of

COLORS = ("#1f5fae", "#d9730d", "#3a8f5c", "#8e44ad", "#c0392b", "#6b7280", "#0e9aa7", "#b8860b")
DASHES = ("-", "--", ":", "-.")
LONGEST = 22  # letters of a name that a figure shows
MOST_TICKS = 8  # values of a numeric axis that are all written
Point = tuple[float, str]


def heat_map(rows: Sequence[Row], keys: tuple[str, str], metric: str, stamp: str) -> Picture:
    """The mean of a figure for each pair of values of two keys, over all runs that have them.

    Args:
        rows: Of one section.
        keys: Down and across.
        metric: The figure shown.
        stamp: Of the section.
    """
    runs = [run for row in rows for run in row.runs if is_number(run.metrics.get(metric))]
    down, across = (values_of([value_of(run, key) for run in runs]) for key in keys)
    means = np.full((len(down), len(across)), np.nan)
    counts = np.zeros(means.shape, dtype=int)
    for place in np.ndindex(means.shape):
        wanted = [frozen(down[place[0]]), frozen(across[place[1]])]
        values = [run.metrics[metric] for run in runs if [frozen(value_of(run, key)) for key in keys] == wanted]
        if values:
            means[place], counts[place] = np.mean(values), len(values)
    figure = blank(0.9 + 0.42 * len(down) + 0.5, stamp, max(WIDTH, 1.5 + 0.6 * len(across)))
    axes = figure.subplots()
    image = axes.imshow(means, cmap="Blues", aspect="auto")
    middle = np.nanmean([np.nanmin(means), np.nanmax(means)])
    for (i, j), mean in np.ndenumerate(means):
        words = "–" if math.isnan(mean) else f"{mean:.3f}"
        axes.text(j, i, words, ha="center", va="center", fontsize=8, color="white" if mean > middle else "black")
    axes.set_xticks(range(len(across)), [short(value) for value in across], fontsize=8)
    axes.set_yticks(range(len(down)), [short(value) for value in down], fontsize=8)
    if max(len(short(value)) for value in across) * len(across) > 40:
        axes.set_xticks(axes.get_xticks(), [short(v) for v in across], rotation=30, ha="right", fontsize=7.5)
    axes.set_xlabel(literal(keys[1]), fontsize=8)
    axes.set_ylabel(literal(keys[0]), fontsize=8)
    axes.tick_params(length=2)
    axes.set_title(literal(metric), fontsize=8.5)
    figure.colorbar(image, ax=axes, shrink=0.9).ax.tick_params(labelsize=7)
    cells = "; ".join(
        f"{shown(down[i])} and {shown(across[j])}: {means[i, j]:.3f} over {counts[i, j]} runs"
        for i, j in np.argwhere(counts > 0)
    )
    caption = f"Mean {metric} over all runs with the two values, other settings may differ"
    return Picture("heat_map", png_of(figure), f"Heat map of {metric} by {keys[0]} and {keys[1]}. {cells}.", caption)


def curves_picture(name: str, metric: str, curves: Mapping[str, Sequence[Curve]], stamp: str) -> Picture | None:
    """A curve a row: the mean over its runs by epoch, with the range between the least and the largest of them.

    Args:
        name: Of the file.
        metric: `val/uar`, `train/loss`.
        curves: Name of a row → the curve of each of its runs.
        stamp: Of the section.

    Returns:
        None where no run has the curve.
    """
    known = {row: found for row, of_runs in curves.items() if (found := [curve for curve in of_runs if curve])}
    if not known:
        return None
    figure = blank(3.0 + 0.16 * len(known), stamp)
    axes = figure.subplots()
    in_words = []
    for i, (row, of_runs) in enumerate(known.items()):
        color, dash = COLORS[i % len(COLORS)], DASHES[i // len(COLORS) % len(DASHES)]
        epochs, values = _by_epoch(of_runs)
        means = [np.mean(of_epoch) for of_epoch in values]
        marker = "o" if len(epochs) < 15 else None
        axes.plot(epochs, means, color=color, ls=dash, lw=1.4, marker=marker, ms=2.5, label=short(row, 48))
        if len(of_runs) > 1:
            axes.fill_between(epochs, list(map(min, values)), list(map(max, values)), color=color, alpha=0.12, lw=0)
        in_words.append(f"{row} from {means[0]:.3g} to {means[-1]:.3g} over {len(epochs)} epochs")
    axes.set_title(metric, fontsize=8.5)
    counted_along(axes, "epoch")
    figure.legend(*axes.get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside upper center", ncols=1)
    several = any(len(of_runs) > 1 for of_runs in known.values())
    caption = f"{metric} by epoch" + (": mean over the runs, shaded from the least to the largest" if several else "")
    return Picture(name, png_of(figure), f"Learning curves, {metric}: {'; '.join(in_words)}.", caption)


def parallel_coordinates(rows: Sequence[Row], columns: Sequence[str], metric: str, stamp: str) -> Picture | None:
    """A line a row through its settings to its figure, the darker the higher.

    Args:
        rows: Of one section.
        columns: What they differ in.
        metric: The last axis.
        stamp: Of the section.
    """
    scored = [(row, mean) for row in rows if (mean := row.spread(metric).mean) is not None]
    if len(scored) < 2 or not columns:
        return None
    scales = [_scale([row.cells[column] for row, _ in scored]) for column in columns]
    means = np.array([mean for _, mean in scored])
    norm = Normalize(means.min(), means.max())
    figure = blank(3.2, stamp, max(WIDTH, 1.2 + 1.1 * len(columns)))
    axes = figure.subplots()
    for row, mean in sorted(scored, key=lambda it: it[1]):
        heights = [scale[frozen(row.cells[column])] for column, scale in zip(columns, scales, strict=True)]
        color = colormaps["viridis_r"](0.08 + 0.92 * norm(mean)) if norm.vmax > norm.vmin else COLORS[0]
        last = norm(mean) if norm.vmax > norm.vmin else 0.5
        axes.plot(range(len(columns) + 1), [*heights, last], color=color, lw=1.3, alpha=0.85)
    for place, (column, scale) in enumerate(zip(columns, scales, strict=True)):
        _write_axis(axes, place, [(scale[frozen(value)], short(value, 14)) for value in _written(scored, column)])
    _write_axis(axes, len(columns), [(0, f"{means.min():.3f}"), (1, f"{means.max():.3f}")])
    names = [*(short(column, 20) for column in columns), metric]
    axes.set_xticks(range(len(columns) + 1), names, fontsize=7.5)
    if len(columns) > 3:
        axes.set_xticks(axes.get_xticks(), names, rotation=20, ha="right", fontsize=7.5)
    axes.set(ylim=(-0.06, 1.06), xlim=(-0.15, len(columns) + 0.55))
    axes.yaxis.set_visible(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    best = max(scored, key=lambda it: it[1])
    worst = min(scored, key=lambda it: it[1])
    alt = (
        f"Parallel coordinates over {', '.join(columns)} and {metric}, {len(scored)} lines. Highest: {best[0].name}, "
        f"{best[1]:.3f}; lowest: {worst[0].name}, {worst[1]:.3f}."
    )
    return Picture("parallel_coordinates", png_of(figure), alt, f"A line a row, the darker the higher its {metric}")


def values_of(values: Sequence[Any]) -> list[Any]:
    """Each value once: numbers by size, then texts by the alphabet, None last."""
    once = list({frozen(value): value for value in values}.values())
    numeric = [value for value in once if is_number(value)]
    others = [value for value in once if not is_number(value) and value is not None]
    return [*sorted(numeric), *sorted(others, key=shown), *([None] if None in once else [])]


def _by_epoch(curves: Sequence[Curve]) -> tuple[list[int], list[list[float]]]:
    """Epochs, and the values of the runs that reached them, each the last that was written."""
    together: dict[int, list[float]] = {}
    for curve in curves:
        for epoch, value in dict(curve).items():
            together.setdefault(epoch, []).append(value)
    epochs = sorted(together)
    return epochs, [together[epoch] for epoch in epochs]


def _scale(values: Sequence[Any]) -> dict[str, float]:
    """Height of each value on its axis: many numbers by size, or by ratio if they span decades; else evenly."""
    once = values_of(values)
    if len(once) > MOST_TICKS and all(map(is_number, once)):
        sizes = np.array(once, dtype=np.float64)
        if sizes.min() > 0 and sizes.max() / sizes.min() > 30:
            sizes = np.log(sizes)
        heights = (sizes - sizes.min()) / (sizes.max() - sizes.min())
    else:
        heights = np.linspace(0, 1, len(once)) if len(once) > 1 else [0.5]
    return {frozen(value): float(height) for value, height in zip(once, heights, strict=True)}


def _written(scored: Sequence[tuple[Row, float]], column: str) -> list[Any]:
    """The values written on an axis: all of a few, else the ends and the middle."""
    once = values_of([row.cells[column] for row, _ in scored])
    return once if len(once) <= MOST_TICKS else [once[0], once[len(once) // 2], once[-1]]


def _write_axis(axes, place: int, ticks: Sequence[Point]) -> None:
    axes.axvline(place, color=GREY, lw=0.8, zorder=0)
    for height, words in ticks:
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
        axes.text(place + 0.04, height, words, fontsize=7, va="center", ha="left", bbox=box, zorder=3)


def short(value: Any, longest: int = LONGEST) -> str:
    """A setting or a name of at most so many letters, for a figure."""
    words = shown(value)
    return literal(words if len(words) <= longest else f"{words[: longest - 1]}…")
