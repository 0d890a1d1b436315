"""The page builder: everything is escaped, nothing is fetched, what belongs into a page is in it."""

import base64
import io
import re
import wave

import numpy as np
import pytest
from matplotlib.figure import Figure

from ser.reports.figures import png_of
from ser.reports.page import (
    Markup,
    Page,
    audio,
    card,
    code,
    columns,
    details,
    facts,
    figure,
    heading,
    note,
    table,
    text,
    wav_bytes,
)

EVIL = "<script>alert('x')</script>\"&"


def png() -> bytes:
    return png_of(Figure(figsize=(1, 0.5), dpi=100))


def test_whatever_is_not_markup_is_escaped():
    wav = wav_bytes(np.zeros(4), 8000)
    page = Page(EVIL, EVIL).section(
        EVIL, EVIL, text(EVIL), note(EVIL), heading(EVIL), code(EVIL), details(EVIL, EVIL), card(EVIL), columns(EVIL),
        facts({EVIL: EVIL}), table([EVIL, EVIL], [[EVIL, EVIL]], EVIL, EVIL), figure(png(), EVIL, EVIL),
        audio(wav, EVIL),
    ).html()  # fmt: skip
    assert "<script" not in page and "alert('x')" not in page
    assert page.count("&lt;script&gt;") >= 19 and "&#34;" in page


def test_a_page_is_whole_and_loads_nothing():
    page = Page("A title", "below it").section("One", "words").section("Two").section("Three").html()
    assert page.startswith("<!doctype html>") and page.endswith("</html>\n")
    assert "default-src 'none'" in page and "script-src" not in page and "viewport" in page
    assert not re.search(r"https?:|@import|url\(", page)
    assert page.count("<section") == 3 and '<a href="#s2">Three</a>' in page and "<p>words</p>" in page


def test_few_sections_need_no_contents():
    assert "<nav" not in Page("A").section("One").html()


def test_numbers_stand_to_the_right_and_a_row_begins_with_its_heading():
    made = table(["class", "recall", "without"], [["7up", "0.5 [0.4, 0.6]", "calm"], ["sad", "-", ""]], "By class")
    assert '<th scope="row">7up</th><td class="number">0.5 [0.4, 0.6]</td><td>calm</td>' in made
    assert '<th scope="col" class="number">recall</th>' in made and 'aria-label="By class"' in made
    assert table(["", "a"], []).count("<tr>") == 1


def test_a_cell_may_be_markup():
    assert "<td><b>x</b></td>" in table(["", "a"], [["r", Markup("<b>x</b>")]])


def test_a_picture_knows_its_size_and_what_is_seen_in_it():
    made = figure(png(), "two bars, 1 and 2", "Bars")
    assert 'alt="two bars, 1 and 2" width="50" height="25"' in made and "<figcaption>Bars</figcaption>" in made
    assert base64.b64decode(re.search(r"base64,([^\"]+)", made)[1]) == png()
    with pytest.raises(ValueError, match="PNG"):
        figure(b"GIF89a", "no")


def test_sound_is_16_bit_and_clipped():
    data = wav_bytes(np.array([0.0, 0.5, -2.0, 2.0]), 22050)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        assert np.frombuffer(file.readframes(9), "<i2").tolist() == [0, 16384, -32767, 32767]
