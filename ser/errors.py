"""The exceptions that end a command: errors that the user can fix, and interruptions."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches

MENDABLE = {  # errors of the system that the user can fix
    errno.ENOSPC: "The disk is full",
    errno.EACCES: "Permission denied",
    errno.EPERM: "Permission denied",
    errno.EROFS: "The file system is read-only",
    errno.ENOTDIR: "A file is where a folder is needed",
    errno.EEXIST: "A file is where a folder is needed",
}


class UserError(Exception):
    """An error that the user can fix: printed as one message without a traceback, exit code 2.

    The message says what is wrong, where it was looked for, and what to do next.

    Args:
        message: May hold file names that are not valid text.
    """

    def __init__(self, message: str):
        super().__init__(readable(message))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the sentence alone, unless SER_TRACEBACK is set."""
        if os.environ.get("SER_TRACEBACK"):
            return "".join(traceback.format_exception(self)).splitlines()
        return [f"{type(self).__name__}: {self}"]


class Interrupted(BaseException):
    """The run was asked to stop; not an `Exception`, so that no handler takes it for a failure.

    Args:
        signum: The signal.
    """

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.exit_code = 128 + signum  # as shells count: 130 for Ctrl-C, 143 for SIGTERM
        self.how_to_continue = ""  # a sentence, where it is known
        self.told = False  # whether the user has read it


class Held(UserError):
    """Another process trains the run."""


class Pruned(Exception):
    """A search pruned the run: its figures were behind those of others. Not a failure; test is not scored."""


def in_words(error: Exception) -> str | None:
    """The sentence for an error that the user can fix; None for any other."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno in MENDABLE:
        where = f": {error.filename}" if error.filename else ""
        return f"{MENDABLE[error.errno]}{where}."
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # pathlib's
        return "A path begins with ~, and there is no such home folder. Write it in full."
    return None


def readable(text: str | os.PathLike) -> str:
    r"""A name, or a sentence with names in it, as UTF-8; invalid bytes are escaped.

    The same name gives the same text in every locale: results and identities may rest on it.

    >>> readable(os.fsdecode(b"w\xfctend.wav")), readable("wütend.wav")
    ('w\\xfctend.wav', 'wütend.wav')
    """
    text = os.fspath(text)
    for encoding in (sys.getfilesystemencoding(), "utf-8"):
        with suppress(UnicodeEncodeError):
            return text.encode(encoding, "surrogateescape").decode("utf-8", "backslashreplace")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")  # halves of a UTF-16 pair


def some(names: Sequence[str]) -> str:
    """The first three of many names.

    >>> some(["a.wav", "b.wav", "c.wav", "d.wav"])
    'a.wav, b.wav, c.wav, …'
    """
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def check_choice(setting: str, value: object, known: Sequence[str]) -> None:
    """Refuses a word that is none of the known ones.

    Args:
        setting: As it is typed: `device`.
        value: What stands there.
        known: The right words.

    Raises:
        UserError: `device=gpuu does not exist. Did you mean 'gpu'?`
    """
    if value not in known:
        raise UserError(f"{setting}={value} does not exist. {did_you_mean(str(value), list(known))}")


def did_you_mean(word: str, known: list[str]) -> str:
    """' Did you mean 'cnn2d'?' for a near miss, else the sorted choices.

    Args:
        word: What was typed.
        known: The right words.

    >>> did_you_mean("cnn2", ["cnn1d", "cnn2d"])
    "Did you mean 'cnn2d'?"
    """
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Choose from: {', '.join(sorted(known))}."
