"""Figures of a run. Object-oriented matplotlib on the Agg canvas: nothing opens a window, nothing is global."""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def confusion_figure(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Confusion matrix: shade is the share of the true class (row), the number is the count.

    Args:
        matrix: Counts (K, K), true class by row.
        classes: Names in order.
        title: One line.
    """
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.62 * len(classes)
    figure = Figure(figsize=(size, size * 0.92), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        shade = "white" if share[row, column] > 0.55 else "black"
        axes.text(column, row, f"{count}", ha="center", va="center", color=shade, fontsize=9)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, fraction=0.046, label="share of the true class")
    return figure


def as_image(figure: Figure) -> np.ndarray:
    """The figure's pixels (H, W, 3) uint8."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[:, :, :3].copy()
