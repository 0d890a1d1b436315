"""Learning curves of a run: losses, and the validation scores that selected its checkpoint.

Epochs are counted from 0, as in metrics.json, in the log and in TensorBoard.
"""

from collections.abc import Mapping

from ser.reports.events import Curve
from ser.reports.figures import BLUE, GREY, ORANGE, Picture, blank, counted_along, png_of

LOSSES = {"train/loss": ("train", GREY), "val/loss": ("validation", BLUE)}
SCORES = {
    "val/uar": ("UAR", BLUE), "val/wa": ("WA", ORANGE), "val/ccc": ("CCC", BLUE),
    "val/pearson": ("Pearson's r", ORANGE),
}  # fmt: skip


def learning_curves(curves: Mapping[str, Curve], best_epoch: int | None, stamp: str) -> list[Picture]:
    """Losses, and where there is a validation part its UAR and WA, each with the best epoch marked.

    Args:
        curves: From `ser.reports.events.curves_of`.
        best_epoch: The epoch of the selected weights.
        stamp: The split's stamp.
    """
    pictures = []
    for name, title, chosen in (("learning_loss", "loss", LOSSES), ("learning_scores", "validation score", SCORES)):
        found = {key: curves[key] for key in chosen if curves.get(key)}
        if found:
            pictures.append(_picture(name, title, found, chosen, best_epoch, stamp))
    return pictures


def _picture(
    name: str, title: str, curves: Mapping[str, Curve], styles: dict, best_epoch: int | None, stamp: str
) -> Picture:
    figure = blank(2.9, stamp)
    axes = figure.subplots()
    for key, points in curves.items():
        label, color = styles[key]
        epochs, values = zip(*points, strict=True)
        # one point makes no line
        axes.plot(
            epochs, values, color=color, lw=1.4, label=label,
            marker="o" if len(points) < 15 else None, ms=3,
        )  # fmt: skip
    if best_epoch is not None:
        axes.axvline(best_epoch, color=GREY, lw=0.9, ls="--")
        # where there is room: losses fall to the right, scores rise
        last, above = max(epoch for points in curves.values() for epoch, _ in points), name == "learning_loss"
        right = best_epoch < last / 2
        axes.annotate(
            f"epoch {best_epoch}", (best_epoch, 1 if above else 0), xycoords=("data", "axes fraction"),
            xytext=(3 if right else -3, -3 if above else 3), textcoords="offset points", fontsize=7, color=GREY,
            ha="left" if right else "right", va="top" if above else "bottom",
        )  # fmt: skip
    axes.set_title(title, fontsize=8.5)
    counted_along(axes, "epoch")
    axes.legend(fontsize=7.5, frameon=False)
    words = "; ".join(_in_words(styles[key][0], points, best_epoch) for key, points in curves.items())
    dashed = "" if best_epoch is None else f" Dashed: epoch {best_epoch}, of the selected weights"
    return Picture(name, png_of(figure), f"{title.capitalize()} by epoch. {words}.", f"{title.capitalize()}.{dashed}")


def _in_words(label: str, points: Curve, best_epoch: int | None) -> str:
    """`validation from 2.10 to 1.35 over 10 epochs, 1.30 in epoch 8`."""
    values = dict(points)
    words = f"{label} from {points[0][1]:.3g} to {points[-1][1]:.3g} over {len(points)} epochs"
    return words + (f", {values[best_epoch]:.3g} in epoch {best_epoch}" if best_epoch in values else "")
