"""Names of files that people write in lists and read in tables (`ser.errors.readable`)."""

import os
import re
import unicodedata
from contextlib import suppress

from ser.errors import readable


def meant_names(text: str) -> list[str]:
    r"""What a file may be called that a list names: just so, or as `readable` shows it; as this locale's Python has it.

    >>> [os.fsencode(name) for name in meant_names("w\\xfctend.wav")]
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
    r"""Text whose control characters are written out, as Python writes them: a terminal obeys none of them.

    So are the invisible marks that turn the direction of writing, and bytes that are no text.

    >>> printable("loud\x1b[31m.wav"), printable("naïve file.wav")
    ('loud\\x1b[31m.wav', 'naïve file.wav')
    """
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode("ascii")
        for character in readable(text)
    )
