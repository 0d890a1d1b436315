"""Reliability diagrams: accuracy by confidence (Guo et al., ICML 2017)."""

import numpy as np

from ser.evaluation.calibration import Reliability
from ser.evaluation.confidence import Estimate
from ser.reports.figures import BLUE, GREY, ORANGE, Picture, blank, light_grid, png_of


def reliability_picture(name: str, title: str, bins: Reliability, error: Estimate, stamp: str) -> Picture:
    """Share that is right by confidence, the ideal diagonal, and below the number of utterances of each bar.

    Args:
        name: Of the file.
        title: One line.
        bins: The bins shown.
        error: The ECE of these probabilities.
        stamp: The split's stamp.
    """
    figure = blank(3.9, stamp)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    edges, accuracy = np.array(bins.edges), np.array(bins.accuracy)
    width, middle = np.diff(edges), (edges[:-1] + edges[1:]) / 2
    full = np.array(bins.counts) > 0
    upper.bar(middle[full], accuracy[full], width[full] * 0.94, color=BLUE, label="right")
    upper.plot(np.array(bins.confidence)[full], accuracy[full], "o", color="black", ms=2.5, clip_on=False,
               label="mean confidence")  # fmt: skip
    upper.plot([0, 1], [0, 1], "--", color=ORANGE, lw=1.1, label="ideal")
    upper.set_title(f"{title}: ECE {error.value:.3f}", fontsize=8.5)
    upper.set(xlim=(0, 1), ylim=(0, 1))
    upper.set_ylabel("share right", fontsize=8)
    upper.legend(fontsize=7.5, frameon=False, loc="upper left")
    lower.bar(middle, bins.counts, width * 0.94, color=GREY)
    lower.set_xlabel("confidence: probability of the predicted class", fontsize=8)
    lower.set_ylabel("utterances", fontsize=7.5)
    for axes in (upper, lower):
        light_grid(axes)
        axes.set_axisbelow(True)
    return Picture(name, png_of(figure), f"Reliability {title}: ECE {error.value:.3f}. {_in_words(bins)}.")


def _in_words(bins: Reliability) -> str:
    """`confidence 0.60 to 0.67: 53 % of 17 right; …`, bins without utterances left out."""
    return "; ".join(
        f"confidence {low:.2f} to {high:.2f}: {accuracy:.0%} of {count} right"
        for low, high, count, accuracy in zip(bins.edges[:-1], bins.edges[1:], bins.counts, bins.accuracy, strict=True)
        if count
    )
