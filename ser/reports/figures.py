"""Figures of a run. Object-oriented matplotlib on the Agg canvas: nothing opens a window, nothing is global.

All of them have one style: 100 pixels of the page to the inch and twice as many in the file, so that two stand side by
side on a desk and one fills a telephone; and at the foot the split's stamp.
"""

import io
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator

from ser.reports.page import png_size

WIDTH = 4.2  # inches
DPI = 200
BLUE, ORANGE, GREEN, GREY = "#1f5fae", "#d9730d", "#3a8f5c", "#6b7280"
STAMP_SIZE = 5.5  # points


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure drawn; a notebook shows it.

    Args:
        name: Of its file in `figures/`, without suffix.
        png: The file.
        alt: A description, numbers included, for screen readers.
        caption: One line below it.
    """

    name: str
    png: bytes = field(repr=False)
    alt: str
    caption: str = ""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return self.png, dict(zip(("width", "height"), png_size(self.png), strict=True))


def blank(height: float, stamp: str, width: float = WIDTH, laid_out: bool = True) -> Figure:
    """An empty figure with its stamp.

    Args:
        height, width: Inches.
        stamp: The split's stamp.
        laid_out: Whether matplotlib places the axes; False where the caller does, in half the time.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained" if laid_out else None)
    FigureCanvasAgg(figure)
    lines = "\n".join(map(literal, stamp_lines(stamp, width)))
    if laid_out:
        figure.supxlabel(lines, fontsize=STAMP_SIZE, color=GREY)
    else:
        figure.text(0.5, 0.012, lines, fontsize=STAMP_SIZE, color=GREY, ha="center", va="bottom")
    return figure


def light_grid(axes: Axes) -> None:
    """Small numbers, a pale grid, and no frame above and to the right."""
    axes.tick_params(labelsize=7.5)
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def counted_along(axes: Axes, what: str) -> None:
    """A light grid over whole numbers on the horizontal axis, such as epochs."""
    axes.set_xlabel(what, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    light_grid(axes)


def stamp_lines(stamp: str, width: float = WIDTH) -> list[str]:
    """The stamp in lines that fit below a figure of so many inches: a letter is about 0.58 of its size wide."""
    return textwrap.wrap(stamp, int(width * 72 / (0.58 * STAMP_SIZE)))


def literal(words: str) -> str:
    """Text without formulas: between two dollar signs matplotlib would set one, or fail."""
    return words.replace("$", r"\$")


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG file, in two thirds of the time of `savefig`, which draws twice."""
    return as_png(as_image(figure))


def as_png(pixels: np.ndarray) -> bytes:
    """Pixels (H, W, 3) uint8 as a PNG file."""
    with io.BytesIO() as buffer:
        imsave(buffer, pixels, format="png")
        return buffer.getvalue()


def as_image(figure: Figure) -> np.ndarray:
    """The figure's pixels (H, W, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a script that the font lacks; the alt text has the name
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def confusion_figure(
    matrix: np.ndarray, classes: Sequence[str], title: str, stamp: str = "", normalised: bool = False
) -> Figure:
    """Confusion matrix: shade is the share of the true class (row), the number is the count or that share.

    Args:
        matrix: Counts (K, K), true class by row.
        classes: Names in order.
        title: One line.
        stamp: The split's stamp.
        normalised: Write the share in per cent, not the count.
    """
    share = shares(matrix)
    width = max(WIDTH, 1.4 + 0.35 * len(classes))
    figure = blank(width * 0.94, stamp, width)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        words = f"{100 * share[row, column]:.0f}" if normalised else f"{count}"
        shade = "white" if share[row, column] > 0.55 else "black" if count else "#9aa3b0"
        axes.text(column, row, words, ha="center", va="center", color=shade, fontsize=8)
    names = [literal(name) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(classes)), names, fontsize=8)
    axes.tick_params(length=2)
    axes.set_xlabel("predicted", fontsize=8)
    axes.set_ylabel("true", fontsize=8)
    axes.set_title(literal(title), fontsize=8.5)
    return figure


def shares(matrix: np.ndarray) -> np.ndarray:
    """Each row of counts (K, K) by its sum; zeros for a class that does not occur."""
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def confusion_pictures(matrix: np.ndarray, classes: Sequence[str], stamp: str) -> list[Picture]:
    """The confusion matrix in counts and in per cent of the true class.

    Args:
        matrix: Counts (K, K), true class by row.
        classes: Names in order.
        stamp: The split's stamp.
    """
    counts = confusion_figure(matrix, classes, "test, counts", stamp)
    percent = confusion_figure(matrix, classes, "test, per cent of the true class", stamp, normalised=True)
    rows = _row_by_row(matrix, classes, "{count}", "{right} of {total} right")
    rates = _row_by_row(matrix, classes, "{share:.0%}", "{rate:.0%} right")
    alts = f"Confusion matrix, counts. {rows}", f"Confusion matrix, shares of the true class. {rates}"
    return [
        Picture("confusion_matrix", png_of(counts), alts[0], "Counts; the darker, the larger the share of its row"),
        Picture("confusion_matrix_normalised", png_of(percent), alts[1], "Per cent; the diagonal is the recall"),
    ]


def _row_by_row(matrix: np.ndarray, classes: Sequence[str], number: str, right: str) -> str:
    """`angry: 12 of 16 right, else mostly happy (3); …`."""
    sentences = []
    for label, (name, row) in enumerate(zip(classes, matrix, strict=True)):
        total = row.sum()
        if not total:
            sentences.append(f"{name}: none")
            continue
        words = f"{name}: {right.format(right=row[label], total=total, rate=row[label] / total)}"
        wrong = np.where(np.arange(len(row)) == label, 0, row)
        if wrong.any():
            most = wrong.argmax()
            words += f", else mostly {classes[most]} ({number.format(count=wrong[most], share=wrong[most] / total)})"
        sentences.append(words)
    return "; ".join(sentences) + "."
