"""Pictures of a corpus: classes, speakers, durations, levels, silence, each with a description in words."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser.data.emotions import in_order
from ser.reports.exploration.examples import genders_of
from ser.reports.exploration.explore import Exploration
from ser.reports.exploration.inspection import Inspected
from ser.reports.figures import BLUE, GREEN, GREY, ORANGE, Picture, blank, literal, png_of

STYLE = {
    "font.size": 8.5, "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8.5, "legend.fontsize": 8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.grid.axis": "x",
    "grid.color": "#e3e6ec", "legend.frameon": False,
}  # fmt: skip
COLOURS = {"female": ORANGE, "male": BLUE}  # distinguishable for the colour-blind too
OTHER_COLOURS = (GREEN, GREY)
ROW = 0.21  # inches a row of a chart
MOST_SPEAKERS = 60  # shown one by one; of larger corpora those with most recordings
SPREAD = "Line: 5 to 95 % of the recordings; bar: the middle half; dot: the median."


def corpus_pictures(exploration: Exploration) -> list[Picture]:
    """The pictures of this module that the corpus has data for."""
    recordings = exploration.recordings
    usable = [recording for recording in recordings if recording.bad is None]
    pictures = [classes_picture(recordings, exploration.emotions)]
    if speakers_of(recordings):
        pictures.append(speakers_picture(recordings, exploration.emotions))
    limit = exploration.audio.duration_s
    return [*pictures, durations_picture(usable, limit), silence_picture(usable), levels_picture(usable)]


@rc_context(STYLE)
def classes_picture(recordings: Sequence[Inspected], emotions: Sequence[str]) -> Picture:
    """How many recordings each emotion has, by gender."""
    genders = genders_of(recordings)
    counts = Counter((r.utterance.gender, r.emotion) for r in recordings)
    figure = blank(0.8 + len(emotions) * (0.12 + 0.16 * len(genders)), "")
    axes, thick = figure.subplots(), 0.8 / len(genders)
    for k, gender in enumerate(genders):
        places = np.arange(len(emotions)) + (k - (len(genders) - 1) / 2) * thick
        numbers = [counts[gender, emotion] for emotion in emotions]
        label = literal(short(gender or "gender not known"))
        bars = axes.barh(places, numbers, 0.9 * thick, color=colour_of(gender, genders), label=label)
        axes.bar_label(bars, padding=3, fontsize=7.5)
    _name_rows(axes, emotions)
    axes.set_xlabel("recordings")
    axes.margins(x=0.12)
    if genders != [None]:
        _add_legend(figure, axes)
    return Picture("classes", png_of(figure), f"Bars of recordings. {_counts_in_words(counts, emotions, genders)}.")


def _counts_in_words(counts: Counter, emotions: Sequence[str], genders: Sequence[str | None]) -> str:
    """`angry: 96 female, 96 male; …`."""
    by_emotion = [
        f"{emotion}: " + ", ".join(f"{counts[gender, emotion]} {gender or ''}".strip() for gender in genders)
        for emotion in emotions
    ]
    return "; ".join(by_emotion)


@rc_context(STYLE)
def speakers_picture(recordings: Sequence[Inspected], emotions: Sequence[str]) -> Picture:
    """How many recordings each speaker has of each emotion."""
    counts = Counter((r.utterance.speaker, r.emotion) for r in recordings)
    speakers = shown_speakers(recordings)
    matrix = np.array([[counts[speaker, emotion] for emotion in emotions] for speaker in speakers])
    figure = blank(0.9 + ROW * len(speakers), "")
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=2 * matrix.max(), aspect="auto")  # light enough for black numbers
    for (row, column), count in np.ndenumerate(matrix):
        shade = "black" if count else "#b3261e"
        axes.text(column, row, str(count), ha="center", va="center", color=shade, fontsize=7.5)
    axes.set_xticks(range(len(emotions)), [literal(short(emotion)) for emotion in emotions], rotation=40, ha="right")
    _name_rows(axes, speakers)
    _colour_by_gender(axes, speakers, recordings)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    alt = (
        f"Table in shades: {len(speakers)} speakers by {len(emotions)} emotions, {matrix.min()} to {matrix.max()} "
        f"recordings each; {int((matrix == 0).sum()) or 'no'} combinations are empty."
    )
    return Picture("speakers", png_of(figure), alt, _about_speakers(recordings))


@rc_context(STYLE)
def durations_picture(usable: Sequence[Inspected], limit_s: float | None) -> Picture:
    """How long recordings are, whole and as training uses them, and by emotion; and where `audio.duration_s` cuts."""
    emotions = in_order(r.emotion for r in usable)
    whole, used = np.array([r.file.duration_s for r in usable]), np.array([r.used_s for r in usable])
    by_emotion = [[r.used_s for r in usable if r.emotion == emotion] for emotion in emotions]
    figure = blank(2.3 + ROW * len(emotions), "")
    above, below = figure.subplots(2, sharex=True, height_ratios=[1.4, 0.4 + ROW * len(emotions)])
    bins = np.linspace(0, max(whole.max(), used.max()), 50)
    above.hist(whole, bins, color=GREY, alpha=0.55, label="whole file")
    above.hist(used, bins, color=BLUE, alpha=0.7, label="what training uses")
    above.set_ylabel("recordings")
    _add_spreads(below, by_emotion)
    _name_rows(below, emotions)
    below.set_xlabel("seconds; by emotion, of what training uses")
    caption = SPREAD
    if limit_s is not None:
        for axes in (above, below):
            line = axes.axvline(limit_s, color="black", linestyle="--", linewidth=0.8)
        line.set_label(f"audio.duration_s, {limit_s:g} s")
        longer = int((used > limit_s).sum())
        share = f"{longer:,} of {len(used):,} are" if longer else "None is"
        caption = f"{share} longer than audio.duration_s, {limit_s:g} s, which cuts them. {SPREAD}"
    _add_legend(figure, above, below)
    medians = [f"{emotion} {np.median(values):.2f}" for emotion, values in zip(emotions, by_emotion, strict=True)]
    alt = (
        f"Histogram: files last {_range(whole)} s, what training uses {_range(used)} s. "
        f"Medians by emotion, in seconds: {', '.join(medians)}."
    )
    return Picture("durations", png_of(figure), alt, caption)


@rc_context(STYLE)
def silence_picture(usable: Sequence[Inspected]) -> Picture:
    """How much silence is at the two ends of the files."""
    leading, trailing = (np.array([getattr(r.file, name) for r in usable]) for name in ("leading_s", "trailing_s"))
    figure = blank(2.3, "")
    axes = figure.subplots()
    bins = np.linspace(0, max(leading.max(), trailing.max(), 0.1), 40)
    axes.hist(leading, bins, color=GREY, alpha=0.55, label="at the start")
    axes.hist(trailing, bins, color=BLUE, alpha=0.6, label="at the end")
    axes.set(xlabel="seconds of silence", ylabel="recordings")
    _add_legend(figure, axes)
    share = 100 * np.mean((leading + trailing) / [r.file.duration_s for r in usable])
    alt = f"Histogram: {_range(leading)} s of silence at the start, {_range(trailing)} s at the end."
    return Picture("silence", png_of(figure), alt, f"Silent ends are {share:.0f} % of a file, on average.")


@rc_context(STYLE)
def levels_picture(usable: Sequence[Inspected]) -> Picture:
    """How loud speech and noise floor are, by speaker; by emotion where speakers are not known."""
    trait, names = "speaker", shown_speakers(usable)
    groups = [[r.file for r in usable if r.utterance.speaker == name] for name in names]
    if not names:
        trait, names = "emotion", in_order(r.emotion for r in usable)
        groups = [[r.file for r in usable if r.emotion == name] for name in names]
    figure = blank(1.0 + ROW * len(names), "")
    axes = figure.subplots()
    _add_spreads(axes, [[file.rms_db for file in group] for group in groups], label="level of speech")
    floors = np.array([np.median([file.floor_db for file in group]) for group in groups])
    axes.plot(floors, range(len(groups)), "D", color=GREY, markersize=3.5, label="noise floor, median")
    _name_rows(axes, names)
    if trait == "speaker":
        _colour_by_gender(axes, names, usable)
    axes.set_xlabel("dBFS: 0 is full scale, -100 digital silence")
    axes.locator_params(axis="x", nbins=6)
    _add_legend(figure, axes)
    levels = np.array([np.median([file.rms_db for file in group]) for group in groups])
    alt = (
        f"Levels by {trait}: medians of speech {_range(levels, 0)} dBFS, quietest {names[levels.argmin()]}, loudest "
        f"{names[levels.argmax()]}; medians of the noise floor {_range(floors, 0)} dBFS."
    )
    return Picture("levels", png_of(figure), alt, f"{_about_speakers(usable)} {SPREAD}".strip())


def speakers_of(recordings: Iterable[Inspected]) -> list[str]:
    """The known speakers."""
    return sorted({r.utterance.speaker for r in recordings if r.utterance.speaker is not None})


def shown_speakers(recordings: Sequence[Inspected]) -> list[str]:
    """The speakers that fit into a figure."""
    counts = Counter(r.utterance.speaker for r in recordings if r.utterance.speaker is not None)
    return sorted(speaker for speaker, _ in counts.most_common(MOST_SPEAKERS))


def _about_speakers(recordings: Sequence[Inspected]) -> str:
    """The caption of a picture by speaker: the colours of the names, and whether all are shown."""
    genders = [gender for gender in genders_of(recordings) if gender in COLOURS]
    sentences = ["orange names are female speakers, blue ones male"] if len(genders) == 2 else []
    count = len(speakers_of(recordings))
    if count > MOST_SPEAKERS:
        sentences.append(f"the {MOST_SPEAKERS} speakers with most recordings, of {count:,}")
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def colour_of(gender: str | None, genders: Sequence[str | None]) -> str:
    """The colour of a gender among those that occur; blue if there is only one."""
    others = [other for other in genders if other not in COLOURS]
    if gender in COLOURS:
        return COLOURS[gender]
    return BLUE if len(genders) == 1 else OTHER_COLOURS[others.index(gender) % len(OTHER_COLOURS)]


def short(name: str, length: int = 18) -> str:
    """A name that fits beside a chart, without line breaks.

    >>> short("a_speaker_with_a_very_long_name")
    'a_speaker_with_a_…'
    """
    return printable(name if len(name) <= length else name[: length - 1] + "…")


def printable(name: str) -> str:
    """A name on one line, without control characters.

    >>> printable("a\\nb")
    'a?b'
    """
    return "".join(character if character.isprintable() else "?" for character in name)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names the rows of a chart, the first at the top."""
    axes.set_yticks(range(len(names)), [literal(short(name)) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _colour_by_gender(axes: Axes, speakers: Sequence[str], recordings: Sequence[Inspected]) -> None:
    gender_of = {r.utterance.speaker: r.utterance.gender for r in recordings}
    for label, speaker in zip(axes.get_yticklabels(), speakers, strict=True):
        label.set_color(COLOURS.get(gender_of[speaker], "black"))


def _add_spreads(axes: Axes, groups: Sequence[Sequence[float]], label: str | None = None) -> None:
    """A row for each group, as `SPREAD` describes."""
    axes.grid(True)
    for row, values in enumerate(groups):
        low, left, middle, right, high = np.percentile(values, [5, 25, 50, 75, 95])
        axes.hlines(row, low, high, color=BLUE, linewidth=0.9, alpha=0.7)
        axes.hlines(row, left, right, color=BLUE, linewidth=6, alpha=0.4, label=None if row else label)
        axes.plot(middle, row, "o", color=BLUE, markersize=3.5)


def _add_legend(figure: Figure, *charts: Axes) -> None:
    entries = [entry for axes in charts for entry in zip(*axes.get_legend_handles_labels(), strict=True)]
    handles, labels = zip(*entries, strict=True)
    figure.legend(handles, labels, loc="outside upper center", ncols=3, columnspacing=1.2, handlelength=1.4)


def _range(values: np.ndarray, digits: int = 1) -> str:
    """`1.2 to 4.0 (median 2.5)`."""
    low, middle, high = (f"{value:.{digits}f}" for value in (values.min(), np.median(values), values.max()))
    return f"{low} to {high} (median {middle})"
