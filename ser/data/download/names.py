"""Which names a server or an archive may give its files: those that stay in the folder, on every system."""

import re
import unicodedata

MOST_FOLDERS = 8
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows opens these in any folder
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


def why_unsafe(name: str) -> str:
    """Why a path with forward slashes is not one of a file below a folder; empty where it is.

    >>> why_unsafe("Actor_01/03-01-01-01-01-01-01.wav"), why_unsafe("a/../../b"), why_unsafe("/etc/passwd")
    ('', 'it leads out of its folder', 'it leads out of its folder')
    """
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:|\\", name):
        return "it leads out of its folder"
    if _FORBIDDEN.search(name):
        return "it has a character that no file name should have"
    if len(parts) > MOST_FOLDERS or any(len(part.encode("utf-8", "replace")) > 200 for part in parts):
        return "it is too long"
    if any(part in ("", ".") or part.endswith((" ", ".")) or _DEVICE.fullmatch(part) for part in parts):
        return "it is not a file name on every system"
    return ""


def first_clash(names: list[str]) -> str | None:
    """The first name that is there twice, in any case of letters, or is a file and a folder; None where there is none.

    >>> first_clash(["a.wav", "A.WAV"]), first_clash(["a/b.wav", "a"]), first_clash(["a/b.wav", "a/c.wav"])
    ('A.WAV', 'a', None)
    """
    files = set()
    folders = set()
    for name in names:
        form = unicodedata.normalize("NFC", name).casefold()
        above = {form[:i] for i, letter in enumerate(form) if letter == "/"}
        if form in files | folders or above & files:
            return name
        files.add(form)
        folders |= above
    return None
