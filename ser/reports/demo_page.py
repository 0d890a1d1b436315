"""The parts of the demo page as HTML, with autoescape: names of classes, runs and files are not trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser.reports.decision import Decided, decision_picture
from ser.reports.page import TEMPLATES, data_uri, wav_bytes
from ser.reports.timeline import Row, colours_of
from ser.system.clock import clock

PARTS = TEMPLATES.get_template("demo.html").module
CSS = (Path(__file__).parent / "demo.css").read_text(encoding="utf-8")
MOST_ROWS = 100
PAPER = "arxiv.org/abs/1311.2901"


def top(title: str, limits: str) -> str:
    """The head of the page."""
    return PARTS.top(title, limits)


def refusal(words: str) -> str:
    """Why a recording has no answer."""
    return PARTS.refusal(words)


def facts(pairs: Mapping[str, str], remarks: Sequence[str]) -> str:
    """What is known of the model."""
    return PARTS.facts(pairs, remarks)


def answer_part(
    emotion: str,
    probabilities: Mapping[str, float],
    sound: tuple[np.ndarray, int],
    rows: Sequence[Row] = (),
    decided: Decided | None = None,
) -> str:
    """The answer to a recording.

    Args:
        emotion: The most probable class.
        probabilities: Of each.
        sound: Waveform (T,) to be played, and its rate in Hz.
        rows: Stretches of one emotion of a long recording: start and end in seconds, emotion, probability.
        decided: What decided it; None where nothing did.
    """
    colours = colours_of(probabilities)
    seconds = len(sound[0]) / sound[1]
    best = max(probabilities.values())
    spoken = sum(end - start for start, end, _, _ in rows)
    headline, remark = emotion, f"{100 * best:.0f} % probable, by {seconds:.1f} s of sound"
    if rows:
        remark = f"on average over the {spoken:.0f} s of speech in {clock(seconds)} of sound"
        if best < 0.5:  # no emotion is that of the whole
            headline = f"mixed: {', '.join(sorted(probabilities, key=probabilities.get, reverse=True)[:3])}"
    bars = [
        {"name": name, "width": round(100 * share, 1), "percent": f"{100 * share:.0f} %", "colour": colours[name]}
        for name, share in sorted(probabilities.items(), key=lambda item: -item[1])
    ]
    picture = "" if decided is None else data_uri(decision_picture(decided).png, "image/png")
    return PARTS.answer(
        headline, remark, bars, data_uri(wav_bytes(*sound), "audio/wav"), f"The recording, {seconds:.1f} s",
        _strip(rows, seconds, colours) if rows else None, [_row(row, colours) for row in rows[:MOST_ROWS]],
        f"The first {MOST_ROWS} of {len(rows)} stretches." if len(rows) > MOST_ROWS else "",
        picture, decided and decided.words,
        "Orange: without this part the probability falls; framed: where it falls most. Found by occlusion (Zeiler and "
        f"Fergus 2014, {PAPER}): each part of the sound is made 40 dB quieter, and the model asked again.",
    )  # fmt: skip


def _strip(rows: Sequence[Row], seconds: float, colours: Mapping[str, str]) -> dict[str, object]:
    blocks = [
        {
            "left": round(100 * start / seconds, 3), "width": round(100 * (end - start) / seconds, 3),
            "colour": colours[emotion], "opacity": round(0.35 + 0.65 * share, 2), "title": _said(start, end, emotion),
        }
        for start, end, emotion, share in rows
    ]  # fmt: skip
    label = "; ".join(block["title"] for block in blocks[:MOST_ROWS])
    return {"blocks": blocks, "end": clock(seconds), "label": label}


def _said(start: float, end: float, emotion: str) -> str:
    return f"{clock(start)} to {clock(end)} {emotion}"


def _row(row: Row, colours: Mapping[str, str]) -> dict[str, str]:
    start, end, emotion, share = row
    times = f"{clock(start)} – {clock(end)}"
    return {"time": times, "name": emotion, "percent": f"{100 * share:.0f} %", "colour": colours[emotion]}
