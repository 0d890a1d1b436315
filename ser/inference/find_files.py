"""From files and folders to a list of files, in a predictable order."""

import os
from collections.abc import Iterable
from pathlib import Path

from ser.data.corpora.audio_files import AUDIO_SUFFIXES, is_skipped
from ser.errors import UserError

SUFFIXES = AUDIO_SUFFIXES | {".opus", ".oga", ".aifc", ".au", ".caf", ".w64"}  # of what libsndfile reads


def find_files(places: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """The recordings in files and folders, each once, and remarks on what was skipped.

    A named file is taken with any suffix, even if missing: reading it reports that. A folder gives the audio files in
    and below it, by suffix, sorted. Skipped are hidden files and folders, those of operating systems
    (`ser.data.corpora.audio_files`), links to folders, and links to files outside of the folder: the sender of a folder
    must not choose files of the receiver's.

    Args:
        places: Files and folders, in order.

    Raises:
        UserError: No place, or no recording in any.
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
            f"There are no recordings to predict: {'; '.join(remarks)}. Looked for: {', '.join(sorted(SUFFIXES))}."
        )
    return list(found.values()), remarks


def _walk(top: Path, remarks: list[str]) -> list[Path]:
    """Audio files at and below a folder, sorted; an unreadable folder is listed itself."""
    found, skipped_links, inside = [], 0, top.resolve()
    barred: list[Path] = []
    for folder, subfolders, names in os.walk(top, onerror=lambda error: barred.append(Path(error.filename))):
        subfolders[:] = [name for name in subfolders if not is_skipped(name)]
        skipped_links += sum(os.path.islink(os.path.join(folder, name)) for name in subfolders)  # not followed
        for name in names:
            path = Path(folder, name)
            if is_skipped(name) or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_symlink() and not _leads_inside(path, inside):
                skipped_links += 1
            else:
                found.append(path)
    if skipped_links:
        links = f"{skipped_links} link{'s' * (skipped_links > 1)}"
        remarks.append(f"{links} under {top} skipped: to folders, or to files outside of it")
    return sorted([*found, *barred])


def _leads_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a link to itself
        return False
