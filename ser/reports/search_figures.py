"""Figures of a search: how it went from trial to trial, and which settings mattered."""

from collections.abc import Mapping, Sequence

from ser.reports.figures import BLUE, GREY, ORANGE, Picture, blank, counted_along, literal, png_of


def history_picture(points: Sequence[tuple[int, float, str]], metric: str, minimised: bool, stamp: str) -> Picture:
    """Each trial's value, pruned ones apart, and the best so far as a line.

    Args:
        points: Number of the trial, value, and `complete` or `pruned`; in order.
        metric: By which was searched.
        minimised: Whether low is good.
        stamp: What the split has apart.
    """
    figure = blank(2.9, stamp)
    axes = figure.subplots()
    complete = [(number, value) for number, value, state in points if state == "complete"]
    pruned = [(number, value) for number, value, state in points if state == "pruned"]
    if pruned:
        axes.plot(*zip(*pruned, strict=True), "x", color=GREY, ms=4, mew=0.9, label="pruned, where it stopped")
    axes.plot(*zip(*complete, strict=True), "o", color=BLUE, ms=4, mec="white", mew=0.5, label="complete")
    best, so_far = (min if minimised else max), []
    for number, value in complete:
        so_far.append((number, best(value, so_far[-1][1]) if so_far else value))
    last = max(number for number, *_ in points)
    so_far.append((last, so_far[-1][1]))
    axes.step(*zip(*so_far, strict=True), where="post", color=ORANGE, lw=1.4, label="best so far")
    axes.set_ylabel(literal(metric), fontsize=8)
    counted_along(axes, "trial")
    figure.legend(fontsize=7, frameon=False, loc="outside upper center", ncols=3)  # points are anywhere in the axes
    first = next(number for number, value in complete if value == so_far[-1][1])
    kinds = f"{len(complete)} complete, {len(pruned)} pruned"
    said = f"{metric} by trial: {kinds}; the best, {so_far[-1][1]:.4f}, is trial {first}."
    return Picture("history", png_of(figure), said, "Each trial's value; the line is the best so far")


def importance_picture(importance: Mapping[str, float], metric: str, stamp: str) -> Picture:
    """Bars: the share of the metric's variance over trials that each setting explains.

    Args:
        importance: Setting → share, 0 to 1, in descending order.
        metric: By which was searched.
        stamp: What the split has apart.
    """
    names, shares = [*importance], [100 * share for share in importance.values()]
    figure = blank(1.3 + 0.27 * len(names), stamp)
    axes = figure.subplots()
    bars = axes.barh(range(len(names)), shares, color=BLUE, height=0.62)
    axes.bar_label(bars, [f"{share:.0f} %" for share in shares], fontsize=7.5, padding=2)
    axes.set_yticks(range(len(names)), [literal(_short(name)) for name in names], fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(*shares, 1))
    axes.tick_params(labelsize=7.5)
    axes.set_xlabel("share of the variance, %", fontsize=7.5)
    figure.suptitle(literal(f"what mattered for {metric} (fANOVA)"), fontsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)
    said = ", ".join(f"{name} {share:.0f} %" for name, share in zip(names, shares, strict=True))
    caption = "Of the trials that were trained to their end; near the best, others may matter"
    return Picture("importance", png_of(figure), f"Importance for {metric}: {said}.", caption)


def _short(name: str, letters: int = 26) -> str:
    """The end of a long key, which says most.

    >>> _short("augmentation.waveform.0.probability")
    '…ion.waveform.0.probability'
    """
    return name if len(name) <= letters else f"…{name[-letters:]}"
