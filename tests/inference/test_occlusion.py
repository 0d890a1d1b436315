"""Which part decided an answer: that the part is found, that hiding it counts, and that it is the only thing hidden."""

from dataclasses import replace

import numpy as np
import pytest

from ser.data.audio.decode import decode
from ser.inference.answers import Answers
from ser.inference.long_recordings import StreamingModel
from ser.inference.occlusion import BANDS, TIMES, Occluder, Patch, explain, patches_of
from ser.inference.predictor import Predictor
from ser.inference.source import build_model, find_source

RATE = 16000
TIME = np.arange(2 * RATE) / RATE


def level_db(waveform: np.ndarray, hz: float, start: float, end: float) -> float:
    """Of a tone in a part of a waveform."""
    part = slice(round(start * RATE), round(end * RATE))
    return 20 * np.log10(np.abs(np.mean(waveform[part] * np.exp(-2j * np.pi * hz * TIME[part]))))


def test_only_the_patch_becomes_quiet():
    waveform = sum(np.sin(2 * np.pi * hz * TIME) for hz in (300, 3000)).astype(np.float32) / 4
    hidden = Occluder(waveform, RATE)(Patch(0.5, 1.0, 0, 1000))
    assert len(hidden) == len(waveform)
    for hz, start, end, change in ((300, 0.6, 0.9, -40), (3000, 0.6, 0.9, 0), (300, 0.0, 0.4, 0), (300, 1.1, 2.0, 0)):
        found = level_db(hidden, hz, start, end) - level_db(waveform, hz, start, end)
        assert found == pytest.approx(change, abs=0.3), (hz, start)


def test_patches_cover_everything():
    patches = patches_of(2.0, RATE)
    assert min(p.start for p in patches) == min(p.low for p in patches) == 0
    assert max(p.end for p in patches) == 2.0 and max(p.high for p in patches) == pytest.approx(RATE / 2, rel=1e-5)
    waveform = np.random.default_rng(0).normal(0, 0.1, len(TIME)).astype(np.float32)
    quiet = Occluder(waveform, RATE)(Patch(0, 2.0, 0, RATE / 2))
    np.testing.assert_allclose(quiet, waveform / 100, atol=1e-6)


class Beeps(StreamingModel):
    """Answers 'beep' the surer the louder 2 kHz is between 1.2 and 1.3 s, with no regard to anything else."""

    answers, sample_rate, workers, channel, clip_s = Answers(("none", "beep")), RATE, 1, None, 2.0

    def window_logits(self, windows, sample_rate, views=True, offset=False):
        assert offset and sample_rate == RATE
        return np.array([[0.0, (level_db(window, 2000, 1.2, 1.3) + 30) / 4] for window in windows])


def test_the_part_that_the_answer_rests_on_is_found():
    rng = np.random.default_rng(0)
    waveform = (rng.normal(0, 0.05, len(TIME)) + 0.2 * np.sin(2 * np.pi * 2000 * TIME)).astype(np.float32)
    found = explain(Beeps(), waveform, RATE)
    patch = found.patch
    assert found.emotion == "beep" and patch.start <= 1.25 <= patch.end and patch.low < 2000 < patch.high
    assert found.before > 0.9 and found.after < 0.2
    band, time = np.unravel_index(found.losses.argmax(), (BANDS, TIMES))
    assert patch.start <= (time + 0.5) / TIMES * 2 <= patch.end
    assert np.abs(found.losses[:, : TIMES // 2]).max() < 0.02 < found.losses[band, time], "the first second is nothing"


def test_hiding_the_marked_part_counts_more_than_hiding_others(model, tiny_ravdess):
    """Of a trained model, checked as anybody would: by asking it about the recording without the part."""
    for path in sorted(tiny_ravdess.rglob("*.wav"))[:3]:
        waveform, rate = decode(path)
        found, hidden = explain(model, waveform, rate), Occluder(waveform, rate)
        patches = patches_of(len(waveform) / rate, rate)[::9]
        asked = [model(hidden(patch), rate).probabilities[found.emotion] for patch in patches]
        marked = model(hidden(found.patch), rate).probabilities[found.emotion]
        assert found.emotion == model(waveform, rate).emotion and marked == pytest.approx(found.after, abs=1e-5)
        assert found.before == pytest.approx(model(waveform, rate).probability, abs=1e-5)
        assert marked <= min(asked) + 1e-5 and marked < np.mean(asked) - 0.001
        again = explain(model, waveform, rate)
        assert again.patch == found.patch and (again.losses == found.losses).all(), "nothing is random"


def test_the_offset_of_recordings_counts_as_in_predictions(run):
    classifier, audio = build_model(find_source(run))
    model = Predictor(classifier, replace(audio, offset_s=0.5, duration_s=None))
    waveform = np.random.default_rng(0).normal(0, 0.1, len(TIME)).astype(np.float32)
    waveform[: RATE // 2] *= 5
    expected = list(model(waveform, RATE).probabilities.values())
    for offset, same in ((True, True), (False, False)):
        (found,) = model.answers.shares(model.window_logits([waveform], RATE, offset=offset))
        assert np.allclose(found, expected, atol=1e-5) is same


def test_no_answer_no_explanation(model):
    assert explain(model, np.zeros(RATE, np.float32), RATE) is None
