"""A picture of a long recording: waveform, mel spectrogram and emotions, in lines like those of a text."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ser.data.audio.blocks import Resampler
from ser.frontends.mel import Mel
from ser.frontends.stft import Stft
from ser.reports.figures import BLUE, GREY, Picture, blank, literal, png_of
from ser.reports.recording import BANDS, RANGE_DB
from ser.system.clock import clock

RATE = 16000  # Hz: what a picture of speech shows
HOP = 320  # samples of the finest column, 20 ms
MOST_COLUMNS = 24_000  # an hour has them at 150 ms each
WIDTH = 12.0  # inches
LINE_S, MOST_LINES = 300.0, 12  # an hour fills them
COLOURS = (
    "#8c8c8c", "#56b4e9", "#f0b400", "#1f5fae", "#d62728", "#8e5bc0", "#3a8f5c", "#ff8fb1", "#8c564b", "#17becf",
    "#bcbd22", "#2f2f6f",
)  # fmt: skip
UNSURE = "#e3e5e8"

Row = tuple[float, float, str, float]  # start, end (seconds), emotion, probability


class Overview:
    """What a picture shows of a sound of any length, in memory that does not grow: neighbouring columns are joined."""

    def __init__(self):
        self.seconds = 0.0
        self._resample, self._waiting = Resampler(RATE), np.empty(0, np.float32)
        self._mel = Mel(RATE, Stft(1024, HOP, 640), BANDS)
        self._pieces: list[list[np.ndarray]] = [[], [], []]  # least and largest sample, power; of joined columns
        self._fine = [np.zeros((0, n), np.float32) for n in (1, 1, BANDS)]  # not yet joined
        self._joined, self._count = 1, 0  # fine columns in one, and how many there are

    def add(self, samples: np.ndarray, sample_rate: int) -> None:
        """The next block (n,)."""
        self.seconds += len(samples) / sample_rate
        sound = np.concatenate([self._waiting, self._resample(samples, sample_rate)])
        count = len(sound) // HOP
        self._waiting = sound[count * HOP :].copy()
        if not count:
            return
        sound = sound[: count * HOP]
        with torch.inference_mode():
            power, _ = self._mel(torch.from_numpy(sound)[None], torch.tensor([len(sound)]))
        pieces = sound.reshape(count, HOP)
        new = pieces.min(axis=1)[:, None], pieces.max(axis=1)[:, None], power[0, :, :count].T.numpy()
        self._fine = [np.concatenate(pair) for pair in zip(self._fine, new, strict=True)]
        whole = len(self._fine[0]) // self._joined * self._joined
        self._keep(_join([part[:whole] for part in self._fine], self._joined))
        self._fine = [part[whole:] for part in self._fine]
        while self._count > 2 * MOST_COLUMNS:
            even = self._count // 2 * 2
            old, self._pieces, self._count = self.columns, [[], [], []], 0
            self._keep(_join([part[:even] for part in old], 2))
            # one column at most is left over: it lacks its other half
            left = [np.repeat(part[even:], self._joined, axis=0) for part in old]
            self._fine = [np.concatenate(pair) for pair in zip(left, self._fine, strict=True)]
            self._joined *= 2

    def _keep(self, parts: list[np.ndarray]) -> None:
        self._count += len(parts[0])
        for kept, part in zip(self._pieces, parts, strict=True):
            kept.append(part)

    @property
    def column_s(self) -> float:
        """Seconds of a column."""
        return self._joined * HOP / RATE

    @property
    def columns(self) -> list[np.ndarray]:
        """Least sample (N, 1), largest sample (N, 1) and mel power (N, 64) of each column."""
        return [
            np.concatenate(kept) if kept else np.zeros((0, n), np.float32)
            for kept, n in zip(self._pieces, (1, 1, BANDS), strict=True)
        ]


def timeline_picture(
    overview: Overview, rows: Sequence[Row], classes: Sequence[str], title: str, stamp: str
) -> Picture:
    """Lines of five minutes, longer ones beyond an hour; in each the waveform, its mel spectrogram and the emotions.

    Args:
        overview: Of the sound.
        rows: Stretches of one emotion; pauses lie between them.
        classes: Names, in the order of their colours.
        title: Of the recording.
        stamp: What the emotions come from.
    """
    low, high, power = overview.columns
    seconds = max(overview.seconds, overview.column_s, *(row[1] for row in rows))
    lines = min(MOST_LINES, max(1, math.ceil(seconds / LINE_S - 0.1)))  # no line of a few seconds
    line_s = seconds if lines == 1 else math.ceil(seconds / lines / 10) * 10.0
    lines = math.ceil(seconds / line_s)
    colours = colours_of(classes)
    level = 10 * np.log10(np.maximum(power, 1e-12))
    ceiling = float(np.percentile(level.max(axis=1), 99)) if len(level) else 0.0  # one shout leaves the rest visible
    top = float(np.percentile(np.maximum(high, -low), 99)) if len(low) else 0.0

    height = 0.75 + 1.62 * lines + 0.3
    figure = blank(height, stamp, WIDTH, laid_out=False)
    figure.text(0.045, 1 - 0.28 / height, literal(title), fontsize=10, weight="bold", va="center")
    shown = [name for name in colours if any(row[2] == name for row in rows)]
    handles = [Patch(color=colours[name], label=literal(name)) for name in shown]
    if handles:
        figure.legend(
            handles=handles, loc="center left", bbox_to_anchor=(0.04, 1 - 0.55 / height), ncols=len(handles),
            fontsize=8, frameon=False, handlelength=1.0, columnspacing=1.2,
        )  # fmt: skip
    for line in range(lines):
        begin, y = line * line_s, 0.75 + 1.62 * line
        first, last = (round(time / overview.column_s) for time in (begin, begin + line_s))
        part = slice(first, last)
        end = begin + line_s
        wave = _axes(figure, height, y, 0.4, begin, end)
        times = begin + overview.column_s * (0.5 + np.arange(len(low[part])))
        wave.fill_between(times, low[part, 0], high[part, 0], color=BLUE, lw=0.3)
        wave.set(ylim=(-(top or 1), top or 1), yticks=[])
        mel = _axes(figure, height, y + 0.42, 0.5, begin, end)
        until = begin + overview.column_s * len(level[part])
        if len(level[part]):
            mel.imshow(
                level[part].T, origin="lower", aspect="auto", extent=(begin, until, 0, BANDS), cmap="magma",
                vmin=ceiling - RANGE_DB, vmax=ceiling, interpolation="antialiased",
            )  # fmt: skip
        mel.set(xlim=(begin, end), ylim=(0, BANDS), yticks=[])
        track = _axes(figure, height, y + 0.95, 0.34, begin, end)
        _track(track, [row for row in rows if row[1] > begin and row[0] < end], colours, (begin, end))
        track.set(ylim=(0, 1), yticks=[])
        ticks = _ticks(begin, end)
        track.set_xticks(ticks, [clock(tick, int(tick % 1 > 0)) for tick in ticks], fontsize=6.5)
        track.tick_params(axis="x", length=2, pad=1.5)
        if line == 0:
            for axes, words in ((wave, "wave"), (mel, "mel"), (track, "emotion")):
                axes.set_ylabel(words, fontsize=6.5, rotation=0, ha="right", va="center", labelpad=3, color=GREY)
    return Picture("timeline", png_of(figure), _in_words(rows, seconds), "")


def _join(parts: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Each `count` columns as one."""
    low, high, power = (part.reshape(-1, count, part.shape[1]) for part in parts)
    return [low.min(axis=1), high.max(axis=1), power.mean(axis=1)]


def _axes(figure: Figure, height: float, y: float, inches: float, begin: float, end: float):
    """Axes over the whole width, `y` inches from above."""
    axes = figure.add_axes((0.045, 1 - (y + inches) / height, 0.935, inches / height))
    axes.set(xlim=(begin, end), xticks=[])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=GREY, lw=0.4)
    return axes


def _track(axes, rows: Sequence[Row], colours: dict[str, str], limits: tuple[float, float]) -> None:
    """A pale block a stretch, filled up to its probability, with its name where there is room."""
    begin, end = limits
    inch = 0.935 * WIDTH / (end - begin)  # of a second
    for start, stop, emotion, probability in rows:
        colour = colours.get(emotion, UNSURE)
        axes.axvspan(start, stop, color=colour, alpha=0.35, lw=0)
        axes.bar(start, probability, stop - start, align="edge", color=colour, lw=0)
        if (min(stop, end) - max(start, begin)) * inch > 0.075 * len(emotion) + 0.05:
            middle = (max(start, begin) + min(stop, end)) / 2
            axes.text(middle, 0.5, literal(emotion), fontsize=6.5, ha="center", va="center", clip_on=True)


def _ticks(begin: float, end: float) -> list[float]:
    step = next(step for step in (0.5, 1, 2, 5, 10, 30, 60, 300, 600, 3600, 36_000) if (end - begin) / step <= 15)
    return [step * k for k in range(math.ceil(begin / step), math.floor(end / step) + 1)]


def colours_of(classes: Iterable[str]) -> dict[str, str]:
    """The colour of each class, and of 'unsure'."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(classes)} | {"unsure": UNSURE}


def _in_words(rows: Sequence[Row], seconds: float) -> str:
    total = {name: sum(row[1] - row[0] for row in rows if row[2] == name) for name in dict.fromkeys(r[2] for r in rows)}
    ranked = sorted(total.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{name} {time:.1f} s" for name, time in ranked)
    return f"Emotions along {seconds:.1f} s of sound: {shares or 'no speech'}."
