"""Predicted numbers against true ones."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ser.evaluation.confidence import Estimate
from ser.evaluation.number_predictions import NumberPredictions
from ser.reports.figures import BLUE, GREY, WIDTH, Picture, blank, light_grid, literal, png_of


def scatter_figure(test: NumberPredictions, title: str, stamp: str) -> Figure:
    """A point an utterance, in a square a target; on the grey line they are equal.

    Args:
        test: The predictions.
        title: One line.
        stamp: The split's stamp.
    """
    count = len(test.targets)
    width = max(WIDTH, 3.0 * count)
    figure = blank(min(WIDTH, width / count) * 0.96, stamp, width)
    figure.suptitle(literal(title), fontsize=8.5)
    squares = figure.subplots(1, count, squeeze=False)[0]
    alpha = float(np.clip(60 / len(test), 0.08, 0.6))
    for axes, name, true, predicted in zip(squares, test.targets, test.true.T, test.predicted.T, strict=True):
        both = np.concatenate([true, predicted])
        margin = 0.05 * (np.ptp(both) or 1)
        limits = both.min() - margin, both.max() + margin
        axes.plot(limits, limits, color=GREY, lw=0.9)
        axes.scatter(true, predicted, s=9, color=BLUE, alpha=alpha, linewidths=0)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.set_xlabel(literal(f"true {name}"), fontsize=8)
        axes.set_ylabel(literal(f"predicted {name}"), fontsize=8)
        light_grid(axes)
    return figure


def scatter_picture(test: NumberPredictions, by_target: Mapping[str, Mapping[str, Estimate]], stamp: str) -> Picture:
    """The figure for a page.

    Args:
        test: The predictions.
        by_target: Target → its figures, which stand in the description.
        stamp: The split's stamp.
    """
    words = [
        f"{name}: true {_range(true)}, predicted {_range(predicted)}, CCC {by_target[name]['ccc'].value:.2f}"
        for name, true, predicted in zip(test.targets, test.true.T, test.predicted.T, strict=True)
    ]
    return Picture(
        "scatter", png_of(scatter_figure(test, f"test, {len(test)} utterances", stamp)),
        f"Predicted numbers against true ones. {'; '.join(words)}.",
        "A point an utterance; on the grey line predicted and true number are equal",
    )  # fmt: skip


def _range(numbers: np.ndarray) -> str:
    return f"{numbers.min():.3g} to {numbers.max():.3g}"
