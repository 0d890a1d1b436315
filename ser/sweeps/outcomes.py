"""What jobs say of themselves, in small files that a sweep reads whichever process, or machine, they ran in.

`<sweep>/.jobs/<identity>.json` says running, finished, stopped or failed, and why. A job that was killed says nothing
more than running: whether its run is finished, only the run's own directory knows.
"""

import json
import os
import socket
from contextlib import suppress
from pathlib import Path

from ser.errors import UserError
from ser.runs.reading import read_json
from ser.system.files import write_text

FOLDER = ".jobs"
STOP = "stop"  # in that folder: no further job begins, and those that run come to an orderly end


def note(sweep: Path, identity: str, state: str, reason: str = "") -> None:
    """Says how a job is; on a full disk it is left unsaid."""
    said = {"state": state, "reason": " ".join(reason.split()), "process": os.getpid(), "host": socket.gethostname()}
    with suppress(UserError):
        write_text(sweep / FOLDER / f"{identity}.json", json.dumps(said) + "\n")


def said(sweep: Path, identity: str) -> tuple[str, str]:
    """State and reason, or two empty texts where the job did not begin."""
    try:
        found = read_json(sweep / FOLDER / f"{identity}.json")
        return str(found["state"]), str(found["reason"])
    except (UserError, KeyError):
        return "", ""


def forget(sweep: Path, identity: str) -> None:
    """Before a job is launched: what an earlier one said does not count."""
    (sweep / FOLDER / f"{identity}.json").unlink(missing_ok=True)


def ask_to_stop(sweep: Path) -> None:
    """Tells all jobs to come to an end."""
    with suppress(OSError):
        (sweep / FOLDER / STOP).touch()


def asked_to_stop(sweep: Path) -> bool:
    """Whether jobs shall come to an end."""
    return (sweep / FOLDER / STOP).exists()


def prepare(sweep: Path) -> None:
    """Makes the folder; nobody has asked to stop yet."""
    (sweep / FOLDER).mkdir(parents=True, exist_ok=True)
    (sweep / FOLDER / STOP).unlink(missing_ok=True)


def output_of(sweep: Path, identity: str) -> Path:
    """The file that holds what a job would have printed."""
    return sweep / FOLDER / f"{identity}.txt"
