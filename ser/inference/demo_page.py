"""The demo page of a run: the answers of its model, and what is known of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ser.data.audio.prepare import resampled
from ser.errors import UserError
from ser.inference.answers import check_classes
from ser.inference.demo_answers import MOST_BYTES, MOST_S, DemoAnswer, answer
from ser.inference.demo_server import serve
from ser.inference.ensemble_predictor import EnsemblePredictor
from ser.inference.export_facts import licence_of
from ser.inference.finished_run import open_run
from ser.inference.load import load
from ser.inference.predictor import Predictor
from ser.reports.decision import Decided
from ser.reports.demo_page import CSS, answer_part, facts, refusal, top
from ser.reports.run_card import one_line
from ser.system.names import printable

PLAYER_S, PLAYER_RATES = 120.0, (16000, 8000)  # a longer sound is played like a telephone's: it lies in the page
LIMITS = (
    f"Up to {MOST_BYTES // 2**20} MB and {MOST_S / 60:g} minutes: WAV, FLAC, OGG, MP3. A recording is removed as "
    "soon as it is answered."
)
DOUBT = "The probabilities are the model's, among its classes alone; on speech unlike its corpus they may be wrong."


def run_demo(run: Path, port: int, share: bool, device: str, trust: list[str]) -> None:
    """Serves the page until Ctrl-C.

    Raises:
        UserError: The run cannot be loaded, the port is in use, or the page cannot be shared.
    """
    model, title = load(run, device, trust), printable(run.resolve().name)
    check_classes(model.answers, "The page")
    about = facts(known_of(run, model, trust), [DOUBT])
    serve(responder(model), top(title, LIMITS + _where(share)), about, CSS, f"ser: {title}", port, share)


def responder(model: Predictor | EnsemblePredictor) -> Callable[[Path], str]:
    """From a file to the page's part about it."""

    def respond(path: Path) -> str:
        try:
            return _shown(answer(model, path))
        except UserError as error:
            return refusal(printable(str(error).replace(str(path), "The file")))

    return respond


def known_of(run: Path, model: Predictor | EnsemblePredictor, trust: list[str]) -> dict[str, str]:
    """Facts of a run, or of a single checkpoint, by their names; those that are known."""
    known = {"run": printable(run.resolve().name), "emotions": ", ".join(model.classes)}
    known["sample rate"] = f"{model.sample_rate} Hz; other recordings are resampled"
    if not run.is_dir():
        return known | {"test": "not known of a single checkpoint"}
    found = open_run(run, trust, "cpu")
    known["test"] = _figures(found.directory.metrics())
    known["split"] = printable(found.directory.protocol)
    known["licence"] = printable(licence_of(found, trust))
    return known


def _shown(found: DemoAnswer) -> str:
    decided = None
    rows = [(part.start, part.end, part.emotion, part.probability) for part in found.stretches]
    start, end = found.part
    if (decision := found.decision) is not None:
        part = found.waveform[round(start * found.sample_rate) : round(end * found.sample_rate)]
        patch = decision.patch
        place = f"from {start + patch.start:.1f} to {start + patch.end:.1f} s, {patch.low:.0f} to {patch.high:.0f} Hz"
        whose = f"In the surest stretch ({start:.1f} to {end:.1f} s) w" if rows else "W"
        words = (
            f"{whose}ithout the framed part ({place}) the probability of {decision.emotion} falls from "
            f"{100 * decision.before:.0f} % to {100 * decision.after:.0f} %."
        )
        if decision.after > decision.before - 0.05:
            words = f"No part decides it alone: {decision.emotion} stays at about {100 * decision.before:.0f} %."
        box = patch.start, patch.end, patch.low, patch.high
        decided = Decided(part, found.sample_rate, decision.losses, box, start, words)
    return answer_part(found.emotion, found.probabilities, _player(found), rows, decided)


def _player(found: DemoAnswer) -> tuple[np.ndarray, int]:
    """The sound at a rate that fits into a page."""
    rate = PLAYER_RATES[len(found.waveform) > PLAYER_S * found.sample_rate]
    if found.sample_rate <= rate:
        return found.waveform, found.sample_rate
    return resampled(found.waveform, found.sample_rate, rate), rate


def _figures(metrics: dict[str, float]) -> str:
    """`UAR 0.652 (0.580 to 0.719), WA … on 240 recordings`, and what is in the brackets, or why there are none."""
    words = one_line(metrics)
    brackets = "in brackets 95 %" if "(" in words else "without an interval"
    return f"{words} on {metrics.get('num_test', 0):.0f} recordings; {brackets}" if words else "not known"


def _where(share: bool) -> str:
    if share:
        return " This page is shared: what is sent to it passes gradio's servers."
    return " Nothing leaves this machine."
