"""Recall, precision and F1 of each class as bars."""

from collections.abc import Mapping

import numpy as np

from ser.evaluation.confidence import Estimate
from ser.reports.figures import BLUE, GREEN, ORANGE, Picture, blank, literal, png_of

BARS = {"recall": ("recall", BLUE), "precision": ("precision", ORANGE), "f1": ("F1", GREEN)}
THICK = 0.26  # of the distance between two classes


def class_bars(by_class: Mapping[str, Mapping[str, Estimate]], stamp: str) -> Picture:
    """Three bars a class, with 95 % intervals where the speakers allow them.

    Args:
        by_class: Class → `recall`, `precision`, `f1`.
        stamp: The split's stamp.
    """
    figure = blank(1.1 + 0.42 * len(by_class), stamp)
    axes = figure.subplots()
    places = np.arange(len(by_class))
    for row, (key, (label, color)) in enumerate(BARS.items()):
        estimates = [figures[key] for figures in by_class.values()]
        values = np.array([estimate.value for estimate in estimates])
        at = places + (row - 1) * THICK
        axes.barh(at, np.nan_to_num(values), THICK * 0.92, color=color, label=label)
        for place, estimate in zip(at, estimates, strict=True):
            if estimate.low is not None:
                axes.plot([estimate.low, estimate.high], [place, place], color="black", lw=0.8)
    axes.set_yticks(places, [literal(name) for name in by_class], fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(by_class) - 0.45, -0.55)  # the first class on top
    axes.tick_params(axis="x", labelsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, fontsize=7.5, frameon=False)
    intervals = any(estimates[key].low is not None for estimates in by_class.values() for key in BARS)
    return Picture(
        "classes", png_of(figure), f"Recall, precision and F1 by class. {_in_words(by_class)}.",
        "Lines: 95 % intervals over speakers" if intervals else "Without intervals: too few speakers for them",
    )  # fmt: skip


def _in_words(by_class: Mapping[str, Mapping[str, Estimate]]) -> str:
    """`angry 0.81, 0.75, 0.78; …`; a dash for what is not defined."""
    classes = []
    for name, figures in by_class.items():
        values = [figures[key].value for key in BARS]
        classes.append(f"{name} {', '.join('–' if np.isnan(value) else f'{value:.2f}' for value in values)}")
    return "; ".join(classes)
