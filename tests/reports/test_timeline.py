"""The picture of a long recording: what is drawn where, however long it is, in memory that does not grow."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from ser.reports.timeline import BANDS, MOST_COLUMNS, Overview, timeline_picture

CLASSES = ("angry", "happy")


def overview(seconds: float, rate: int = 16000, block: float = 20.0) -> Overview:
    """Of a tone of 1 kHz in the second half."""
    found = Overview()
    time = np.arange(int(seconds * rate)) / rate
    samples = np.where(time > seconds / 2, 0.5 * np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)
    for start in range(0, len(samples), int(block * rate)):
        found.add(samples[start : start + int(block * rate)], rate)
    return found


@pytest.mark.parametrize(("rate", "block"), [(16000, 20.0), (44100, 0.333)])
def test_columns_are_of_the_sound(rate, block):
    found = overview(4.0, rate, block)
    low, high, power = found.columns
    assert len(low) == pytest.approx(4.0 / found.column_s, abs=2) and power.shape == (len(low), BANDS)
    half = len(low) // 2
    assert np.abs(high[: half - 2]).max() < 0.01
    assert high[half + 3 : -3].min() > 0.45 and low[half + 3 : -3].max() < -0.45
    loudest = power[half + 3 :].sum(axis=0).argmax()
    assert power[half + 3 :, loudest].sum() > 0.5 * power.sum() and 15 < loudest < 35


def test_long_sound_is_joined_and_keeps_its_extremes():
    found, rng = Overview(), np.random.default_rng(0)
    minute = (0.01 * rng.standard_normal(60 * 16000)).astype(np.float32)
    shout = minute.copy()
    shout[500_000] = 0.9
    for k in range(30):
        found.add(shout if k == 17 else minute, 16000)
    low, high, power = found.columns
    assert MOST_COLUMNS <= len(low) <= 2 * MOST_COLUMNS and found.column_s == 0.04
    assert high.argmax() * found.column_s == pytest.approx(17 * 60 + 500_000 / 16000, abs=0.1) and high.max() > 0.85
    assert len(low) * found.column_s == pytest.approx(1800, abs=0.1)


def drawn(seconds: float, rows) -> tuple[np.ndarray, str]:
    picture = timeline_picture(overview(seconds, 2000), rows, CLASSES, "a $x$ recording", "a run")
    return imread(io.BytesIO(picture.png))[:, :, :3], picture.alt


def test_an_emotion_is_drawn_at_its_time():
    image, alt = drawn(10.0, [(2.0, 4.0, "angry", 0.9), (6.0, 9.0, "happy", 0.6), (9.0, 9.5, "unsure", 0.3)])
    assert alt == "Emotions along 10.0 s of sound: happy 3.0 s, angry 2.0 s, unsure 0.5 s."
    left, width = 0.045 * image.shape[1], 0.935 * image.shape[1]
    grey = np.abs(image - np.array([0x8C, 0x8C, 0x8C]) / 255).max(axis=2) < 0.02  # the first class's colour
    below = grey[int(0.5 * image.shape[0]) :]
    columns = np.flatnonzero(below.sum(axis=0) > 30)
    assert (columns[0] - left) / width * 10 == pytest.approx(2.0, abs=0.1)
    assert (columns[-1] - left) / width * 10 == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(("seconds", "lines"), [(0.2, 1), (320, 1), (700, 3), (3601, 12), (7300, 12)])
def test_an_hour_has_twelve_lines(seconds, lines):
    rows = [(0.0, 0.1, "happy", 0.5), (seconds - 0.1, seconds, "angry", 0.5)]
    image = imread(io.BytesIO(timeline_picture(Overview(), rows, CLASSES, "a", "a run").png))
    assert image.shape[0] == pytest.approx((1.05 + 1.62 * lines) * 200, abs=2) and image.shape[1] == 2400


def test_nothing_to_draw_is_drawn():
    assert timeline_picture(Overview(), [], CLASSES, "empty", "a run").alt.endswith("s of sound: no speech.")
