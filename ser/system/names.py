"""Names of files that people write in lists and read in tables (`ser.errors.readable`)."""

import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path

from ser.errors import readable

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets read these as the start of a formula


def possible_names(text: str) -> list[str]:
    r"""The possible names of a file in a list: exactly so, or as `readable` shows it; in this locale's encoding.

    >>> [os.fsencode(name) for name in possible_names("w\\xfctend.wav")]
    [b'w\\xfctend.wav', b'w\xfctend.wav']
    """
    raw = text.encode("utf-8", "surrogateescape")
    unescaped = re.sub(rb"\\x([89a-f][0-9a-f])", lambda byte: bytes.fromhex(byte[1].decode()), raw)
    names = []
    for name in dict.fromkeys((raw, unescaped)):
        with suppress(UnicodeDecodeError):  # on Windows, where each name is text
            names.append(os.fsdecode(name))
    return names


def printable(text: str) -> str:
    r"""Text with its control characters escaped, as in Python, so that a terminal ignores them.

    So are the invisible marks that turn the direction of writing, and invalid bytes.

    >>> printable("loud\x1b[31m.wav"), printable("naïve file.wav")
    ('loud\\x1b[31m.wav', 'naïve file.wav')
    """
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode("ascii")
        for character in readable(text)
    )


def cell(text: str) -> str:
    """Text in a cell of a table that a spreadsheet may open: no formula, and no control characters."""
    text = printable(text)
    return f"'{text}" if text.startswith(FORMULA) else text


def escaped(text: str) -> str:
    r"""Text for rich, line by line, with neither markup nor control characters of its own.

    >>> escaped("[bold]\x1b[31m")
    '\\[bold]\\x1b[31m'
    """
    from rich.markup import escape

    return escape("\n".join(map(printable, text.split("\n"))))


def near(path: Path) -> str:
    """A path as seen from the working folder, where it is inside.

    Args:
        path: Absolute.
    """
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def safe_name(text: str) -> str:
    """At most 80 characters that are valid on every file system: letters, digits, `.`, `_`, `-`.

    >>> safe_name("my data/log_mel")
    'my_data_log_mel'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:80].strip("._-") or "run"
