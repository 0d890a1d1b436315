"""Predicted numbers against true ones."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser.evaluation.confidence import Estimate
from ser.evaluation.number_predictions import NumberPredictions
from ser.reports.figures import BLUE, GREY, WIDTH, Picture, blank, light_grid, literal, png_of
from ser.system.names import safe_name

HEIGHT = WIDTH * 0.96


def scatter_figure(test: NumberPredictions, title: str, stamp: str) -> Figure:
    """A point an utterance, a square a target; on the grey line predicted and true number are equal.

    Args:
        test: The predictions.
        title: One line.
        stamp: The split's stamp.
    """
    count = len(test.targets)
    figure = blank(HEIGHT, stamp, WIDTH * count)
    figure.suptitle(literal(title), fontsize=8.5)
    for target, axes in enumerate(figure.subplots(1, count, squeeze=False)[0]):
        _draw(axes, test, target)
    return figure


def scatter_pictures(
    test: NumberPredictions, by_target: Mapping[str, Mapping[str, Estimate]], stamp: str
) -> list[Picture]:
    """The squares one by one, for a page.

    Args:
        test: The predictions.
        by_target: Target → its figures, which stand in the title.
        stamp: The split's stamp.
    """
    pictures = []
    for target, (name, true, predicted) in enumerate(zip(test.targets, test.true.T, test.predicted.T, strict=True)):
        ccc = by_target[name]["ccc"].value
        figure = blank(HEIGHT, stamp)
        axes = figure.subplots()
        _draw(axes, test, target)
        axes.set_title(literal(f"test, {name}: CCC {ccc:.3f}"), fontsize=8.5)
        words = f"True numbers {_range(true)}, predicted ones {_range(predicted)}; CCC {ccc:.3f}"
        caption = "A point an utterance; on the grey line predicted and true number are equal"
        alt = f"Predicted {name} against true {name} of {len(test)} utterances. {words}."
        pictures.append(Picture(f"scatter_{safe_name(name)}", png_of(figure), alt, caption))
    return pictures


def _draw(axes: Axes, test: NumberPredictions, target: int) -> None:
    name, true, predicted = test.targets[target], test.true[:, target], test.predicted[:, target]
    both = np.concatenate([true, predicted])
    margin = 0.05 * (np.ptp(both) or 1)
    limits = both.min() - margin, both.max() + margin
    axes.plot(limits, limits, color=GREY, lw=0.9)
    axes.scatter(true, predicted, s=9, color=BLUE, alpha=float(np.clip(60 / len(test), 0.08, 0.6)), linewidths=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set_xlabel(literal(f"true {name}"), fontsize=8)
    axes.set_ylabel(literal(f"predicted {name}"), fontsize=8)
    light_grid(axes)


def _range(numbers: np.ndarray) -> str:
    return f"{numbers.min():.3g} to {numbers.max():.3g}"
