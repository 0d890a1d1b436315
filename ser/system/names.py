"""Names of files as text that can be shown, written and compared: what the system calls a name is bytes."""

import os
import re
import sys
import unicodedata
from contextlib import suppress


def readable(text: str | os.PathLike) -> str:
    r"""A name, or a sentence with names in it, as UTF-8 reads it; bytes that are none are written out.

    The same name gives the same text in every locale: results and identities may rest on it.

    >>> readable(os.fsdecode(b"w\xfctend.wav")), readable("wütend.wav")
    ('w\\xfctend.wav', 'wütend.wav')
    """
    text = os.fspath(text)
    for encoding in (sys.getfilesystemencoding(), "utf-8"):
        with suppress(UnicodeEncodeError):
            return text.encode(encoding, "surrogateescape").decode("utf-8", "backslashreplace")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")  # halves of a UTF-16 pair


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
