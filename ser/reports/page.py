"""One self-contained HTML page, put together from parts: it opens anywhere, loads nothing and runs nothing.

The HTML is in the Jinja templates `page.html` and `parts.html`, with autoescape: everything but `Markup` is
escaped, and only the functions of this module make `Markup`. Class names, paths and config text are not trusted.

    page = Page("demo-log_mel-mlp", "speaker-independent")
    page.section("Result", text("Test was scored once."), table(["class", "recall"], [["<b>", 0.5]]))
    page.section("Curves", figure(png, alt="Loss falls from 2.1 to 0.9.", caption="Loss by epoch"))
    path.write_text(page.html(), encoding="utf-8")
"""

import base64
import io
import re
import struct
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
PARTS = TEMPLATES.get_template("parts.html").module
NUMBER = re.compile(r"[-+–−]?\d")
DENSITY = 2  # pixels of a picture in one pixel of the page: sharp on telephones

Part = Markup | str


class Page:
    """A page: title, contents, sections.

    Args:
        title: What it is about.
        subtitle: One line below it; for a report the split's stamp.
    """

    def __init__(self, title: str, subtitle: str = ""):
        self.title, self.subtitle = title, subtitle
        self._sections: list[tuple[str, Sequence[Part]]] = []

    def section(self, title: str, *parts: Part) -> "Page":
        """Adds a section; a plain `str` among its parts becomes a paragraph. Returns the page."""
        self._sections.append((title, parts))
        return self

    def html(self) -> str:
        """The whole document."""
        template = TEMPLATES.get_template("page.html")
        return template.render(title=self.title, subtitle=self.subtitle, sections=self._sections) + "\n"


def text(words: str) -> Markup:
    """A paragraph."""
    return PARTS.text(words)


def note(words: str) -> Markup:
    """A remark in smaller type."""
    return PARTS.note(words)


def heading(words: str) -> Markup:
    """A heading inside a section."""
    return PARTS.heading(words)


def breakable(words: str) -> Markup:
    """Text with paths, which may break behind each folder and underscore; copying it gives the original."""
    return escape(words).replace("/", Markup("/<wbr>")).replace("_", Markup("_<wbr>"))


def code(words: str) -> Markup:
    """Preformatted text, such as YAML; long lines scroll in their own box."""
    return PARTS.code(words)


def details(summary: str, *parts: Part) -> Markup:
    """Parts that open on a click."""
    return PARTS.details(summary, parts)


def card(*parts: Part) -> Markup:
    """Parts that belong together, in a frame."""
    return PARTS.card(parts)


def columns(*parts: Part) -> Markup:
    """Parts side by side where the window is wide enough, else below each other."""
    return PARTS.columns(parts)


def facts(pairs: Mapping[str, object]) -> Markup:
    """Names with their values, the values large: the key numbers."""
    return PARTS.facts(pairs)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", stamp: str = "") -> Markup:
    """A table that scrolls inside its own box; the first cell of each row is its heading, numbers are right-aligned.

    Args:
        header: A name a column; the first may be empty.
        rows: As wide as the header; cells are text, numbers or `Markup`.
        caption: One line above it; it names the table for screen readers too.
        stamp: A small line below it; for results the split's stamp.
    """
    numeric = [column > 0 and _is_numeric([row[column] for row in rows]) for column in range(len(header))]
    return PARTS.table(header, rows, numeric, caption, stamp)


def figure(png: bytes, alt: str, caption: str = "") -> Markup:
    """A picture inside the page.

    Args:
        png: A PNG of twice the pixels that it takes on the page.
        alt: A description, numbers included, for screen readers.
        caption: One line below it.

    Raises:
        ValueError: It is not a PNG.
    """
    width, height = png_size(png)
    return PARTS.figure(data_uri(png, "image/png"), alt, caption, width, height)


def audio(wav: bytes, label: str) -> Markup:
    """A player for a sound inside the page.

    Args:
        wav: A WAV file, e.g. from `wav_bytes`.
        label: A description, for screen readers.
    """
    return PARTS.audio(data_uri(wav, "audio/wav"), label)


def wav_bytes(waveform: np.ndarray, sample_rate: int) -> bytes:
    """A waveform (T,) in [-1, 1] as a WAV file of 16 bit; louder samples are clipped."""
    samples = np.round(np.clip(waveform, -1, 1) * 32767).astype("<i2")
    with io.BytesIO() as buffer:
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(samples.tobytes())
        return buffer.getvalue()


def _is_numeric(cells: Sequence[object]) -> bool:
    """Whether a column holds numbers: `0.61 [0.5, 0.7]`, `12 %`; dashes and empty cells are ignored.

    >>> _is_numeric([0.5, "-", "0.61 [0.5, 0.7]"]), _is_numeric(["happy", 1]), _is_numeric(["-"])
    (True, False, False)
    """
    filled = [text for text in (str(cell).strip() for cell in cells) if text not in ("", "-", "–")]
    return bool(filled) and all(NUMBER.match(text) for text in filled)


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height of a picture on a page, in its pixels.

    Raises:
        ValueError: It is not a PNG.
    """
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a figure of the page is not a PNG")
    width, height = struct.unpack(">II", png[16:24])
    return width // DENSITY, height // DENSITY


def data_uri(data: bytes, kind: str) -> Markup:
    """A file inside a page.

    Args:
        data: The file.
        kind: Its media type.
    """
    # base64 has nothing to escape, and looking for it in a megabyte takes time
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}")
