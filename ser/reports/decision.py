"""A recording's mel spectrogram with what decided its emotion."""

from dataclasses import dataclass

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ser.reports.figures import Picture, blank, png_of
from ser.reports.recording import RANGE_DB, draw_mel, mel_db

LEAST = 0.1  # of the probability: smaller losses stay pale


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What decided the emotion of a recording, or of a part of it.

    Args:
        waveform: (T,), T at least 1.
        sample_rate: Hz.
        losses: (bands, times), bands from below, equally wide on the mel scale: how much of the emotion's probability
            each takes away when it is made quiet.
        box: Start and end in seconds, low and high in Hz.
        start: Seconds of the recording before the waveform.
        words: A sentence about it.
    """

    waveform: np.ndarray
    sample_rate: int
    losses: np.ndarray
    box: tuple[float, float, float, float]
    start: float = 0.0
    words: str = ""


def decision_picture(decided: Decided) -> Picture:
    """The spectrogram in grey; what the answer rests on is orange, the part that decided it is framed."""
    losses, start, sample_rate = decided.losses, decided.start, decided.sample_rate
    seconds, mel = len(decided.waveform) / sample_rate, mel_db(decided.waveform, sample_rate)
    figure = blank(1.95, "", laid_out=False)
    axes = figure.add_axes((0.15, 0.2, 0.83, 0.76))
    level = draw_mel(axes, mel, sample_rate, seconds, "gray_r")
    axes.tick_params(labelsize=8)  # readable on a telephone too
    level.set_clim(mel.max() - RANGE_DB, mel.max() + 15)  # room for the colour
    bottom, top = axes.get_ylim()
    inset = axes.inset_axes((0, 0, 1, 1))  # the mel scale is linear in it
    strength = np.clip(losses, 0, None) / max(float(losses.max()), LEAST)
    inset.imshow(
        np.ones_like(strength), cmap="autumn", vmin=0, vmax=2.2, alpha=0.75 * strength, origin="lower", aspect="auto",
        extent=(0, 1, 0, 1), interpolation="bilinear",
    )  # fmt: skip
    inset.set_axis_off()
    begin, end, low, high = decided.box
    low, high = max(low, bottom), min(high, top)
    axes.add_patch(
        Rectangle((begin, low), end - begin, high - low, fill=False, ec="#b3261e", lw=1.6, zorder=9, clip_on=False)
    )
    axes.set(xlim=(0, seconds), ylim=(bottom, top))
    places = [
        place for place in MaxNLocator(6).tick_values(start, start + seconds) if start <= place <= start + seconds
    ]
    axes.set_xticks(np.array(places) - start, [f"{place:g}" for place in places])
    return Picture("decision", png_of(figure), decided.words)
