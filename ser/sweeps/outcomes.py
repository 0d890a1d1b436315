"""The states of jobs, in small files that a sweep can read from any process or machine.

`<sweep>/.jobs/<identity>.json` holds running, finished, stopped or failed, and the reason. That of a killed job stays
at running: whether its run is finished is recorded in the run's own directory only.
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
# Why a job stopped beside others: it goes on beside fewer, or in a process of its own
NO_ROOM = "the GPU's memory was full"
GPU_FAILED = "a step failed on the GPU"
STOP = "stop"  # in that folder: no further job begins, and those that run come to an orderly end


def note(sweep: Path, identity: str, state: str, reason: str = "") -> None:
    """Records a job's state, unless the disk is full."""
    outcome = {"state": state, "reason": " ".join(reason.split()), "process": os.getpid(), "host": socket.gethostname()}
    with suppress(UserError):
        write_text(sweep / FOLDER / f"{identity}.json", json.dumps(outcome) + "\n")


def read_outcome(sweep: Path, identity: str) -> tuple[str, str]:
    """State and reason, or two empty texts where the job did not begin."""
    try:
        found = read_json(sweep / FOLDER / f"{identity}.json")
        return str(found["state"]), str(found["reason"])
    except (UserError, KeyError):
        return "", ""


def forget(sweep: Path, identity: str) -> None:
    """Removes the state of an earlier job before a launch."""
    for ending in ("json", "taken"):
        (sweep / FOLDER / f"{identity}.{ending}").unlink(missing_ok=True)


def take(sweep: Path, identity: str) -> bool:
    """Takes a job of a launch for this process, unless another has it."""
    try:
        (sweep / FOLDER / f"{identity}.taken").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def ask_to_stop(sweep: Path) -> None:
    """Asks all jobs to stop."""
    with suppress(OSError):
        (sweep / FOLDER / STOP).touch()


def asked_to_stop(sweep: Path) -> bool:
    """Whether jobs are asked to stop."""
    return (sweep / FOLDER / STOP).exists()


def prepare(sweep: Path) -> None:
    """Makes the folder, and removes a request to stop."""
    (sweep / FOLDER).mkdir(parents=True, exist_ok=True)
    (sweep / FOLDER / STOP).unlink(missing_ok=True)


def output_of(sweep: Path, identity: str) -> Path:
    """The file of a job's output."""
    return sweep / FOLDER / f"{identity}.txt"
