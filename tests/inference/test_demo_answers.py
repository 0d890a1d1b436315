"""What the demo page answers to what strangers send: recordings, long ones, and everything else."""

import numpy as np
import pytest
import soundfile

from ser.errors import UserError
from ser.inference import demo_answers, long_recordings
from ser.inference.demo_answers import MOST_S, answer
from ser.inference.demo_page import known_of, responder
from ser.inference.ensemble_predictor import EnsemblePredictor
from ser.inference.voice_activity import Energy
from tests.tiny_corpora import write_tone

RATE = 16000


@pytest.fixture
def energy(monkeypatch):
    """Tones are no speech to silero-vad."""
    monkeypatch.setattr(long_recordings, "build_detector", lambda name: Energy())


def test_a_short_recording_is_answered_as_by_predict(model, tiny_ravdess):
    path = next(tiny_ravdess.rglob("*.wav"))
    found, (expected,) = answer(model, path), model.read([path])
    assert (found.emotion, found.probabilities) == (expected.emotion, expected.probabilities)
    assert found.stretches == () and found.decision.emotion == found.emotion and found.part == (0.0, 0.4)


def test_a_long_one_has_a_course(model, in_tmp, energy, monkeypatch):
    monkeypatch.setattr(type(model), "clip_s", 1.0)
    pieces = [soundfile.read(write_tone(in_tmp / f"{hz}.wav", hz, duration_s=2.0))[0] for hz in (110, 500)]
    soundfile.write(in_tmp / "long.wav", np.concatenate([pieces[0], np.zeros(RATE), pieces[1]]), RATE)
    found = answer(model, in_tmp / "long.wav")
    assert len(found.stretches) >= 2 and sum(found.probabilities.values()) == pytest.approx(1)
    start, end = found.part
    surest = max(found.stretches, key=lambda stretch: stretch.probability)
    assert surest.start <= start < end <= surest.end and end - start <= 1.0 + 1e-9
    page = responder(model)(in_tmp / "long.wav")
    assert "Along the recording" in page and ("In the surest stretch" in page or "No part decides it" in page)


def test_an_ensemble_answers_too(model, tiny_ravdess):
    path = next(tiny_ravdess.rglob("*.wav"))
    found = answer(EnsemblePredictor([model, model]), path)
    assert found.probabilities == pytest.approx(answer(model, path).probabilities, abs=1e-6) and found.decision


def text(path):
    path.write_text("Dear sir or madam, this is no sound at all.\n" * 20)


def cut(path):
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, RATE), RATE)
    path.write_bytes(path.read_bytes()[:20_000])


@pytest.mark.parametrize(
    ("write", "words"),
    [(text, "text in place of the recording"),
     (lambda path: soundfile.write(path, np.zeros(RATE), RATE), "silent"),
     (lambda path: soundfile.write(path, np.full(200, 0.1), RATE), "too short"),
     (lambda path: soundfile.write(path, np.zeros(int(MOST_S + 1) * 8000), 8000, format="FLAC"), "longer than 10 min"),
     (lambda path: path.open("wb").truncate(demo_answers.MOST_BYTES + 1), "larger than 50 MB"),
     (lambda path: path.write_bytes(b""), "empty file"), (cut, "truncated"), (lambda path: None, "no such file"),
     (lambda path: path.mkdir(), "a folder")],
    ids=["text", "silence", "short", "long", "large", "empty", "cut", "missing", "folder"],
)  # fmt: skip
def test_what_cannot_be_used_is_a_sentence(model, in_tmp, write, words):
    write(path := in_tmp / "sent.wav")
    with pytest.raises(UserError, match="^This recording cannot be used: ") as caught:
        answer(model, path)
    assert words in str(caught.value) and str(in_tmp) not in str(caught.value)
    assert words.replace("'", "&#39;") in responder(model)(path)


def test_no_more_is_decoded_than_is_allowed(model, in_tmp, monkeypatch):
    """A small file can hold hours."""
    soundfile.write(in_tmp / "hours.flac", np.zeros(8000 * 3600, np.int16), 8000)
    blocks = []
    read = demo_answers.read_blocks
    monkeypatch.setattr(
        demo_answers, "read_blocks", lambda *words: (blocks.append(1) or block for block in read(*words))
    )
    with pytest.raises(UserError, match="longer than 10 minutes"):
        answer(model, in_tmp / "hours.flac")
    assert len(blocks) <= MOST_S / 20 + 1


def test_what_the_page_knows_of_a_run(run, model):
    known = known_of(run, model, [])
    assert known["run"] == run.name and "angry" in known["emotions"] and known["sample rate"].startswith("16000 Hz")
    assert known["test"].startswith("UAR ") and ", WA " in known["test"] and "CC BY-NC-SA 4.0" in known["licence"]
    single = known_of(run / "checkpoints" / "best.ckpt", model, [])
    assert single["test"] == "not known of a single checkpoint"
