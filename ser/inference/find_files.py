"""From files and folders to a list of files, in an order that anybody can foretell."""

import os
from collections.abc import Iterable
from pathlib import Path

from ser.data.corpora.audio_files import AUDIO_SUFFIXES, passed_over
from ser.errors import UserError

SUFFIXES = AUDIO_SUFFIXES | {".opus", ".oga", ".aifc", ".au", ".caf", ".w64"}  # of what libsndfile reads


def find_files(places: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """The files that are meant, each once, and remarks on what was skipped.

    A file that is named is taken whatever it is called, also one that is not there: reading it will tell. A folder
    gives what lies in it and below it with a suffix of an audio file, sorted. Passed over are hidden files and
    folders, those of systems (`ser.data.corpora.audio_files`), links to folders, and links to files outside of the
    folder: who sends a folder does not choose files of the receiver's.

    Args:
        places: Files and folders, in the order that counts.

    Raises:
        UserError: There is no place, or nothing in the folders and no file beside them.
    """
    found: dict[Path, Path] = {}  # absolute → as it was named
    remarks: list[str] = []
    named = [Path(os.path.expanduser(place)) for place in places]  # pathlib's fails at the file ~a.wav
    if not named:
        raise UserError("Name the recordings: files, or folders that hold some.")
    for place in named:
        inside = _walk(place, remarks) if os.path.isdir(place) else [place]  # pathlib's fails at a name too long
        if not inside:
            remarks.append(f"no recordings under {place}")
        for path in inside:
            found.setdefault(path.absolute(), path)
    if not found:
        raise UserError(
            f"There is nothing to listen to: {'; '.join(remarks)}. Looked for: {', '.join(sorted(SUFFIXES))}."
        )
    return list(found.values()), remarks


def _walk(top: Path, remarks: list[str]) -> list[Path]:
    """Audio files at and below a folder, sorted; a folder that cannot be read stands there itself."""
    found, left, inside = [], 0, top.resolve()
    barred: list[Path] = []
    for folder, subfolders, names in os.walk(top, onerror=lambda error: barred.append(Path(error.filename))):
        subfolders[:] = [name for name in subfolders if not passed_over(name)]
        left += sum(os.path.islink(os.path.join(folder, name)) for name in subfolders)  # os.walk does not follow them
        for name in names:
            path = Path(folder, name)
            if passed_over(name) or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_symlink() and not _leads_inside(path, inside):
                left += 1
            else:
                found.append(path)
    if left:
        remarks.append(f"{left} link{'s' * (left > 1)} under {top} skipped: to folders, or to files outside of it")
    return sorted([*found, *barred])


def _leads_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a link to itself
        return False
