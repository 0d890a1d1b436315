"""Which files of a folder are recordings, by their names; files that operating systems leave there are skipped."""

import os
import stat
from collections.abc import Collection, Iterable
from pathlib import Path

from ser.errors import UserError

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"})
FILM_SUFFIXES = frozenset({".mp4", ".m4a", ".avi", ".mov", ".mkv", ".flv", ".webm"})  # their sound is not read
# Bins, snapshots, indexes and what a repair found, in lower case: made by systems, often unreadable
SYSTEM_FOLDERS = frozenset(
    [
        "$recycle.bin", "recycler", "recycled", "system volume information", "found.000", "lost+found", "__macosx",
        "network trash folder", "temporary items", "@eadir", "@recycle", "@recently-snapshot", "@sharebin", "@tmp",
        "#recycle", "#snapshot", "~snapshot",
    ]
)  # fmt: skip


def is_skipped(name: str) -> bool:
    """Whether a file or folder is skipped: hidden (macOS's `._` companions too), or made by an operating system.

    >>> is_skipped("._a.wav"), is_skipped("$RECYCLE.BIN"), is_skipped("happy")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def find_audio(root: Path, suffixes: Collection[str] = AUDIO_SUFFIXES) -> list[Path]:
    """All audio files under `root`, in the order of their bytes; links to folders are followed.

    Raises:
        UserError: A folder that may not be read: with fewer recordings than there are, results would be wrong.
    """
    found = []
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_refuse):
        subfolders[:] = [name for name in subfolders if not is_skipped(name) and not _is_loop(root, folder, name)]
        found += [
            os.path.join(folder, name)
            for name in names
            if not is_skipped(name) and os.path.splitext(name)[1].lower() in suffixes
        ]
    return list(map(Path, sorted(found, key=os.fsencode)))  # bytes: the same order in every locale


def how_to_convert(names: Iterable[str]) -> str:
    """The command that makes recordings of films, by the ending of the first; empty where none is one.

    >>> how_to_convert(["a.wav", "b.MP4"])
    'convert the .mp4 first, in each folder: for f in *.mp4; do ffmpeg -i "$f" -ac 1 -ar 16000 "${f%.*}.wav"; done'
    """
    endings = (os.path.splitext(name)[1].lower() for name in names)
    ending = next((ending for ending in endings if ending in FILM_SUFFIXES), "")
    command = f'for f in *{ending}; do ffmpeg -i "$f" -ac 1 -ar 16000 "${{f%.*}}.wav"; done'
    return f"convert the {ending} first, in each folder: {command}" if ending else ""


def why_no_file(path: Path) -> str:
    """Why a path cannot be opened as a file; empty where it can.

    Only regular files are opened: reading a pipe might never end.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if os.path.islink(path):
            return f"a link that leads nowhere ({error.strerror})"
        return "no such file or folder" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
    except ValueError:  # a null byte
        return "not a valid file name"
    if stat.S_ISDIR(mode):
        return "a folder that cannot be read"
    return "" if stat.S_ISREG(mode) else "not a regular file"


def _is_loop(root: Path, folder: str, name: str) -> bool:
    """Whether `folder/name` is a link to a folder that leads here, itself by links: followed, it would never end."""
    path = os.path.join(folder, name)
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    above = [folder]
    while len(above[-1]) > len(str(root)):
        above.append(os.path.dirname(above[-1]))
    return any(f"{os.path.realpath(place)}/".startswith(f"{target}/") for place in above)


def _refuse(error: OSError) -> None:
    raise UserError(
        f"Cannot read the folder {error.filename}: {error.strerror}. Give yourself the right to read it, or take it "
        "out of the folder of recordings."
    )
