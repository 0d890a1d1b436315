"""The parts of the demo page."""

import re

import numpy as np

from ser.reports.decision import Decided
from ser.reports.demo_page import answer_part, facts, refusal

RATE = 8000
SOUND = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32), RATE


def test_names_are_text_and_not_html():
    evil = "<script>alert(1)</script>"
    page = answer_part(evil, {evil: 0.75, "b": 0.25}, SOUND, [(0.0, 1.0, evil, 0.7)])
    page += refusal(evil) + facts({evil: evil}, [evil])
    assert "<script" not in page and page.count("&lt;script") >= 7


def test_bars_are_as_long_as_probabilities():
    page = answer_part("sad", {"angry": 0.125, "sad": 0.75, "calm": 0.125}, SOUND)
    assert re.findall(r'scope="row">(\w+)</th><td><span style="width:([\d.]+)%', page) == [
        ("sad", "75.0"), ("angry", "12.5"), ("calm", "12.5"),
    ]  # fmt: skip
    assert '<h2 id="emotion">sad</h2>' in page and "75 % probable" in page and "Along" not in page


def test_a_long_recording_has_a_strip_and_rows():
    rows = [(0.0, 0.5, "sad", 0.9), (1.0, 2.0, "calm", 0.6)]
    page = answer_part("sad", {"angry": 0.2, "sad": 0.42, "calm": 0.38}, SOUND, rows)
    assert '<h2 id="emotion">mixed: sad, calm, angry</h2>' in page, "none of them is that of the whole"
    assert re.findall(r"left:([\d.]+)%;width:([\d.]+)%", page) == [("0.0", "25.0"), ("50.0", "50.0")]
    assert page.count("<tr><td>") == 2 and "0:01 – 0:02" in page
    assert "The first 100 of 101 stretches" in answer_part("sad", {"sad": 1.0}, SOUND, [(0.0, 0.01, "sad", 1.0)] * 101)


def test_the_decision_is_a_picture_with_words():
    losses = np.zeros((8, 16))
    losses[2:4, 4:6] = 0.3
    decided = Decided(SOUND[0], RATE, losses, (0.5, 0.75, 400.0, 900.0), 12.0, "Without the framed part it falls.")
    page = answer_part("sad", {"sad": 1.0}, SOUND, decided=decided)
    assert 'src="data:image/png;base64,' in page and 'alt="Without the framed part' in page and "1311.2901" in page
