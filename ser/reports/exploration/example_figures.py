"""Examples to look at: waveform above features, one for each gender and emotion, and all of them in one grid."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser.frontends.base import Frontend
from ser.frontends.functional import hz_to_mel
from ser.frontends.mel import MelFrontend
from ser.reports.exploration.explore import Example
from ser.reports.exploration.figures import STYLE, colour_of, short
from ser.reports.figures import Picture, blank, literal, png_of
from ser.reports.recording import envelope

TICKS_HZ = (500, 1000, 2000, 4000, 8000, 16000)
CELL = 1.6  # inches: height of a cell of the grid
EDGE = 0.55  # left of the first column


class ExamplePainter:
    """Draws examples on common scales: one time axis, one range of feature values.

    Args:
        examples: All of them, at least one.
        frontend: Of their features.
        sample_rate: Hz.
    """

    def __init__(self, examples: Sequence[Example], frontend: Frontend, sample_rate: int):
        self.examples, self.sample_rate = examples, sample_rate
        self.genders = list(dict.fromkeys(example.gender for example in examples))
        self.ticks = frequency_ticks(frontend)
        self.longest_s = 1.02 * max(len(example.waveform) for example in examples) / sample_rate
        values = np.concatenate([example.features.ravel() for example in examples])
        self.low, self.high = np.percentile(values, [10, 99.9])  # lower values are background noise

    @rc_context(STYLE)
    def cell(self, example: Example) -> Picture:
        """One example."""
        figure = blank(2.3, "", laid_out=False)
        upper, lower = figure.add_axes((0.115, 0.7, 0.865, 0.27)), figure.add_axes((0.115, 0.165, 0.865, 0.5))
        self._draw(example, upper, lower)
        lower.set_xlabel("seconds", labelpad=0)
        return Picture(example.name.replace(" ", "_"), png_of(figure), self._in_words(example))

    @rc_context(STYLE)
    def grid(self) -> Picture:
        """All examples: an emotion a row, a gender a column."""
        emotions = list(dict.fromkeys(example.recording.emotion for example in self.examples))
        place = {(example.gender, example.recording.emotion): example for example in self.examples}
        figure = blank(0.6 + CELL * len(emotions), "", EDGE + 4.2 * len(self.genders), laid_out=False)
        for row, emotion in enumerate(emotions):
            for column, gender in enumerate(self.genders):
                if (gender, emotion) in place:
                    upper, lower = self._axes(figure, row, len(emotions), column)
                    self._draw(place[gender, emotion], upper, lower)
                    upper.set_title(literal(short(place[gender, emotion].name, 40)), fontsize=9, loc="left", pad=2)
                    if row < len(emotions) - 1:
                        lower.set_xticklabels([])
        figure.supxlabel("seconds", y=0.004)
        return Picture(
            "examples", png_of(figure), f"Grid of {len(place)} examples, an emotion a row, a gender a column."
        )

    def _axes(self, figure: Figure, row: int, rows: int, column: int) -> tuple[Axes, Axes]:
        """Places two axes in a cell of the grid; matplotlib's own layout takes seconds for so many."""
        width, height = figure.get_size_inches()
        left, wide = (EDGE + 4.2 * column) / width, 3.95 / width
        bottom = (0.45 + CELL * (rows - 1 - row)) / height
        lower = figure.add_axes((left, bottom, wide, 0.8 / height))
        return figure.add_axes((left, bottom + 0.84 / height, wide, 0.45 / height)), lower

    def _draw(self, example: Example, upper: Axes, lower: Axes) -> None:
        seconds, peak = len(example.waveform) / self.sample_rate, float(np.abs(example.waveform).max()) or 1.0
        low, high = envelope(example.waveform)
        colour = colour_of(example.gender, self.genders)
        upper.fill_between(np.linspace(0, seconds, len(low)), low, high, color=colour, linewidth=0.4)
        upper.set(xlim=(0, self.longest_s), ylim=(-1.05 * peak, 1.05 * peak), xticks=[], yticks=[-peak, peak])
        upper.set_yticklabels([f"{-peak:.2g}", f"{peak:.2g}"])
        upper.spines["bottom"].set_visible(False)
        rows = len(example.features)
        lower.imshow(
            example.features, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, -0.5, rows - 0.5),
            vmin=self.low, vmax=self.high, interpolation="none",
        )  # fmt: skip
        lower.set_xlim(0, self.longest_s)
        lower.locator_params(axis="x", nbins=7)
        lower.set_yticks(list(self.ticks.values()), list(self.ticks))
        lower.set_ylabel("kHz" if self.ticks else "", labelpad=1)
        for axes in (upper, lower):
            axes.tick_params(labelsize=7.5, length=2)

    def _in_words(self, example: Example) -> str:
        peak, seconds = np.abs(example.waveform).max(), len(example.waveform) / self.sample_rate
        key = example.recording.utterance.key
        return f"Waveform and features of {example.name}, {key}: {seconds:.2f} s, peak {peak:.2g}."


def frequency_ticks(frontend: Frontend) -> dict[str, float]:
    """Labels in kHz and the bands where they belong, for a frontend whose features are mel bands; else none."""
    if not isinstance(frontend, MelFrontend) or frontend.mel_settings[2] != frontend.num_features:
        return {}
    _, _, n_mels, f_min, f_max = frontend.mel_settings
    # the centres of the bands divide the mel scale between the edges into n_mels + 1 steps
    start, step = hz_to_mel(f_min), (hz_to_mel(f_max) - hz_to_mel(f_min)) / (n_mels + 1)
    return {f"{hz / 1000:g}": (hz_to_mel(hz) - start) / step - 1 for hz in TICKS_HZ if f_min < hz < f_max}
