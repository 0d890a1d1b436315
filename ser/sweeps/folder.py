"""A sweep's folder: links to its runs, and an index with the identity and state of each.

sweep.json   command, and of each combination: overrides, identity, run directory, state, reason
<run>        a link to each run's directory; TensorBoard and comparison read the folder as one
.jobs/       states and output of jobs
.lock        held while the sweep goes on
"""

import hashlib
import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ser.errors import UserError
from ser.sweeps.runs import SweepRun
from ser.system.files import holder_of, why_refused, write_text
from ser.system.names import safe_name

INDEX = "sweep.json"


def sweep_name(runs: Sequence[SweepRun]) -> str:
    """A sweep's name: readable settings, and a hash of its runs, in any order.

    Args:
        runs: The requested ones, at least one.
    """
    config = runs[0].config
    choices = config["choices"]
    first = config["run"]["name"] or choices.get("experiment") or choices["dataset"]
    words = [word for run in runs for word in run.label.split(" ") if "=" in word]
    swept = sorted({word.partition("=")[0].lstrip("+~") for word in words})
    readable = "-".join([str(first), *(key.rpartition(".")[2] for key in swept)])
    identities = " ".join(sorted(run.identity for run in runs))
    return f"{safe_name(readable)}-{hashlib.blake2b(identities.encode(), digest_size=5).hexdigest()}"


class SweepFolder:
    """One sweep's folder.

    Args:
        path: Where.
        command: The command that made it.
    """

    def __init__(self, path: Path, command: Sequence[str]):
        self.path, self.command = path, list(command)
        self._lock = FileLock(path / ".lock")
        self._written = ""

    def lock(self) -> None:
        """Takes the sweep for this process until it ends.

        Raises:
            UserError: Another process is running it, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"This sweep is being trained by {holder_of(self.path)}; its folder is {self.path}. Wait for it: the "
                "same command trains only what is missing."
            ) from None
        except OSError as error:
            raise UserError(f"Cannot write the sweep's folder {self.path}: {why_refused(error)}.") from error
        write_text(self.path / ".holder", f"process {os.getpid()} on {socket.gethostname()}")

    def release(self) -> None:
        """Releases the lock."""
        with suppress(OSError):
            (self.path / ".holder").unlink(missing_ok=True)
        self._lock.release()

    def record(self, runs: Sequence[SweepRun]) -> None:
        """Updates index and links.

        Raises:
            UserError: The disk is full.
        """
        for run in runs:
            if run.job is not None and run.state in ("running", "stopped", "failed", "finished"):
                link(self.path, run.job.directory.path)
        text = json.dumps({"command": self.command, "runs": [_entry(run) for run in runs]}, indent=1) + "\n"
        if text != self._written:
            write_text(self.path / INDEX, text)
            self._written = text


def link(folder: Path, run: Path) -> None:
    """Links to a run from a folder, so that TensorBoard and comparison read it as one of its own."""
    if run.is_dir() and run.parent != folder and not (folder / run.name).is_symlink():
        with suppress(FileExistsError):
            (folder / run.name).symlink_to(os.path.relpath(run, folder))


def _entry(run: SweepRun) -> dict[str, Any]:
    return {
        "overrides": run.overrides,
        "label": run.label,
        "identity": run.identity or None,
        "run": None if run.job is None else run.job.directory.path.name,
        "state": run.state,
        "reason": run.reason,
    }
