"""One self-contained HTML page, put together from parts: it opens anywhere, loads nothing and runs nothing.

Whatever is not `Markup` is escaped, and only the functions of this module make `Markup`: class names, paths and config
text come from strangers' folders and files.

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
from html import escape
from pathlib import Path

import numpy as np

# nothing is fetched and no script runs, whatever a name or a config may hold
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; base-uri 'none'"
STYLE = Path(__file__).with_name("page.css")
NUMBER = re.compile(r"[-+–−]?\d")
DENSITY = 2  # pixels of a picture in one pixel of the page: sharp on telephones


class Markup(str):
    """HTML that is safe as it stands."""

    __slots__ = ()


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
        """Adds a section; a plain `str` among its parts becomes a paragraph. Gives the page back."""
        self._sections.append((title, parts))
        return self

    def html(self) -> str:
        """The whole document."""
        entries = [f'<a href="#s{i}">{escape(title)}</a>' for i, (title, _) in enumerate(self._sections)]
        contents = f'<nav aria-label="Contents">{"".join(entries)}</nav>' if len(entries) > 2 else ""
        sections = [
            f'<section id="s{i}"><h2>{escape(title)}</h2>\n{_joined(parts)}\n</section>'
            for i, (title, parts) in enumerate(self._sections)
        ]
        subtitle = f'<p class="subtitle">{escape(self.subtitle)}</p>' if self.subtitle else ""
        return "\n".join([
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<link rel="icon" href="data:,">',  # else a browser asks the server for one
            f"<title>{escape(self.title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>",
            f"<header><h1>{escape(self.title)}</h1>{subtitle}{contents}</header>\n<main>",
            *sections,
            "</main>\n</body>\n</html>\n",
        ])  # fmt: skip


def text(words: str) -> Markup:
    """A paragraph."""
    return Markup(f"<p>{escape(words)}</p>")


def note(words: str) -> Markup:
    """A remark beside the matter: smaller, set apart."""
    return Markup(f'<p class="note">{escape(words)}</p>')


def heading(words: str) -> Markup:
    """A heading inside a section."""
    return Markup(f"<h3>{escape(words)}</h3>")


def breakable(words: str) -> Markup:
    """Words with paths in them, which may break behind each folder and underscore; they are copied as they are."""
    return Markup(escape(words).replace("/", "/<wbr>").replace("_", "_<wbr>"))


def code(words: str) -> Markup:
    """Text as it stands, such as YAML; long lines scroll in their own box."""
    return Markup(f'<pre tabindex="0">{escape(words)}</pre>')


def details(summary: str, *parts: Part) -> Markup:
    """Parts that open on a click."""
    return Markup(f"<details><summary>{escape(summary)}</summary>\n{_joined(parts)}\n</details>")


def card(*parts: Part) -> Markup:
    """Parts that belong together, in a frame."""
    return Markup(f'<article class="card">{_joined(parts)}</article>')


def columns(*parts: Part) -> Markup:
    """Parts side by side where the window is wide enough, else below each other."""
    return Markup(f'<div class="columns">{_joined(parts)}</div>')


def facts(pairs: Mapping[str, object]) -> Markup:
    """Names with their values, the values large: the few numbers that a reader looks for first."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{_inline(value)}</dd></div>" for name, value in pairs.items())
    return Markup(f'<dl class="facts">{rows}</dl>')


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", stamp: str = "") -> Markup:
    """A table that scrolls inside its own box; the first cell of each row is its heading, numbers stand to the right.

    Args:
        header: A name a column; the first may be empty.
        rows: As wide as the header; cells are text, numbers or `Markup`.
        caption: One line above it; it names the table for screen readers too.
        stamp: A small line below it, for tables of results what the split has apart.
    """
    right = [column > 0 and _is_numeric([row[column] for row in rows]) for column in range(len(header))]
    kinds = [' class="number"' if numeric else "" for numeric in right]
    head = "".join(
        f'<th scope="col"{kind}>{_inline(name)}</th>' if name else f"<td{kind}></td>"
        for name, kind in zip(header, kinds, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row"{kinds[0]}>{_inline(first)}</th>'
        + "".join(f"<td{kind}>{_inline(cell)}</td>" for cell, kind in zip(rest, kinds[1:], strict=True))
        + "</tr>\n"
        for first, *rest in rows
    )
    # title and stamp stand outside the box: they wrap with the page, and do not scroll away
    title = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    foot = f'<p class="stamp">{escape(stamp)}</p>' if stamp else ""
    name = f'aria-label="{escape(caption or "table")}"'
    return Markup(
        f'<figure class="table">{title}<div class="scroll" role="region" tabindex="0" {name}><table {name}>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>{foot}</figure>"
    )


def figure(png: bytes, alt: str, caption: str = "") -> Markup:
    """A picture inside the page.

    Args:
        png: A PNG of twice the pixels that it takes on the page.
        alt: What one sees in it, numbers included, for those who do not see it.
        caption: One line below it.

    Raises:
        ValueError: It is no PNG.
    """
    width, height = (side // DENSITY for side in _size(png))
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Markup(
        f'<figure><img src="{_data_uri(png, "image/png")}" alt="{escape(alt)}" width="{width}" height="{height}">'
        f"{below}</figure>"
    )


def audio(wav: bytes, label: str) -> Markup:
    """A player for a sound inside the page.

    Args:
        wav: A WAV file, e.g. from `wav_bytes`.
        label: What is heard, for screen readers.
    """
    return Markup(f'<audio controls aria-label="{escape(label)}" src="{_data_uri(wav, "audio/wav")}"></audio>')


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


def _joined(parts: Sequence[Part]) -> str:
    return "\n".join(part if isinstance(part, Markup) else text(part) for part in parts)


def _inline(value: object) -> str:
    return value if isinstance(value, Markup) else escape(str(value))


def _is_numeric(cells: Sequence[object]) -> bool:
    """Whether a column holds numbers: `0.61 [0.5, 0.7]`, `12 %`; a dash or an empty cell says nothing.

    >>> _is_numeric([0.5, "-", "0.61 [0.5, 0.7]"]), _is_numeric(["happy", 1]), _is_numeric(["-"])
    (True, False, False)
    """
    said = [text for text in (str(cell).strip() for cell in cells) if text not in ("", "-", "–")]
    return bool(said) and all(NUMBER.match(text) for text in said)


def _size(png: bytes) -> tuple[int, int]:
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a figure of the page is no PNG")
    return struct.unpack(">II", png[16:24])


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
