"""The run directory: where it is, who is writing it, and whether it is finished.

config.yaml         resolved, with the choice made in each group
metrics.json        flat: `val/uar`, `test/wa`, …
evaluation.json     all figures of test with their confidence, by class and by group
chosen.json         under `checkpoint=refit`, how many epochs validation chose
predictions.csv     one row a test utterance; predictions_val.csv: of validation; seen.csv: what it was trained on
checkpoints/        best.ckpt, last.ckpt
figures/            pictures; report.html: all of them on one page
evaluations/        results of `ser evaluate` on other recordings; members/: the runs that an ensemble averages
run.json            identity and split protocol; environment.json: versions, device, threads, git commit
train.log           the one log file
events.out.…        TensorBoard; curves.csv: the curves as a table; loggers.json: which run of W&B or MLflow it is
.lock               held while a process works here
finished.json       written last: a run without it did not finish
failed.json         why it did not: an error; pruned.json: a search pruned it
"""

import json
import os
import shutil
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from ser.errors import Held, UserError
from ser.runs.defaults import with_defaults
from ser.runs.reading import read_config, read_json
from ser.system.files import check_unlinked, holder_of, write_text
from ser.system.names import printable, safe_name

NEEDED = ("audio", "dataset", "frontend", "model", "normaliser", "seed", "split", "trainer")  # to build its parts
REMOVED = "removed.json"  # in checkpoints/: which of them `ser runs prune` removed, and when
WRITTEN = ("train.log", "figures", "evaluations")  # written by others than `write_atomically`
PATIENCE_S = 1.0  # `ser runs` tests a lock by taking it for a moment


class RunDirectory:
    """One run's folder.

    Args:
        path: The folder, which need not exist.
        identity: The run's (`ser.runs.identity`).
    """

    def __init__(self, path: Path, identity: str):
        self.path, self.identity = path, identity
        self._lock = FileLock(path / ".lock")

    @classmethod
    def find(cls, runs_dir: Path, readable: str, identity: str) -> "RunDirectory":
        """The directory in `runs_dir` whose name ends in the identity, else a new one."""
        for path in sorted(runs_dir.glob(f"*-{identity}")):
            if path.is_dir():
                return cls(path, identity)
        return cls(runs_dir / f"{safe_name(readable)}-{identity}", identity)

    @classmethod
    def at(cls, path: Path, identity: str) -> "RunDirectory":
        """The directory that the user named, if it is empty or holds this very run.

        Raises:
            UserError: It holds another run, or files of something else.
        """
        directory = cls(path, identity)
        found = directory.recorded_identity()
        if found not in (None, identity):
            raise UserError(
                f"{path} holds another run (identity {found}, this one is {identity}): settings, recordings or the "
                "batch over all devices differ. Name another hydra.run.dir, or leave it out: runs find their own "
                "directories; with run.resume=, restore the settings that the run began with."
            )
        if found is None and path.is_dir() and any(map(_is_foreign, path.iterdir())):
            raise UserError(f"{path} is not empty and holds no run. Name another hydra.run.dir.")
        return directory

    @property
    def best(self) -> Path:
        """Weights of the best epoch, or of the last."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last(self) -> Path:
        """State at the end of an epoch, to resume from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def finished(self) -> bool:
        """Whether the marker exists; it is written last."""
        return (self.path / "finished.json").is_file()

    def recorded_identity(self) -> str | None:
        """The identity written when the run began, or None."""
        return self._recorded("identity")

    @property
    def protocol(self) -> str:
        """The split's stamp, as written when the run began."""
        return self._recorded("protocol") or "protocol not recorded"

    def _recorded(self, what: str) -> str | None:
        with suppress(UserError, KeyError):
            return printable(str(read_json(self.path / "run.json")[what]))
        return None

    def lock(self) -> None:
        """Takes the run for this process until it ends, however it ends.

        Raises:
            Held: Another process has it.
            UserError: The folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            check_unlinked(self.path, WRITTEN)
            self._lock.acquire(timeout=PATIENCE_S)
        except Timeout:
            raise Held(
                f"This run is being trained by {holder_of(self.path)}; its directory is {self.path}. "
                "Wait for it, or train another configuration."
            ) from None
        except OSError as error:
            raise UserError(f"Cannot write the run directory {self.path}: {error.strerror}.") from error
        try:
            write_text(self.path / ".holder", f"process {os.getpid()} on {socket.gethostname()}")
        except UserError:
            self.release()
            raise

    def release(self) -> None:
        """Releases the run; the folder of one that never began is removed."""
        if not self._lock.is_locked:
            return
        (self.path / ".holder").unlink(missing_ok=True)
        if self.recorded_identity() is None:
            for file in (self.path / "train.log", self.path / ".lock"):
                file.unlink(missing_ok=True)
            with suppress(OSError):  # not empty: it holds foreign files
                self.path.rmdir()
        self._lock.release()

    def held(self) -> bool:
        """Whether a living process works here; a killed one holds no lock."""
        if not (self.path / ".holder").is_file():  # released, or never locked
            return False
        probe = FileLock(self.path / ".lock")
        try:
            probe.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # a read-only folder: unknown
            return False
        probe.release()
        return False

    def begin(self, config: dict, environment: dict, protocol: str) -> None:
        """Records the run before training; the identity first, so that the folder can be found by it."""
        write_text(self.path / "run.json", json.dumps({"identity": self.identity, "protocol": protocol}) + "\n")
        self._forget_ends()
        for folder in ("checkpoints", "figures"):
            (self.path / folder).mkdir(exist_ok=True)
        write_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        write_text(self.path / "environment.json", json.dumps(environment, indent=2) + "\n")

    def check_checkpoints(self) -> None:
        """Refuses to train where checkpoints would be written elsewhere, and others' removed there.

        Raises:
            UserError: Their folder is a link.
        """
        if (self.path / "checkpoints").is_symlink():
            raise UserError(f"{self.path / 'checkpoints'} is a link, and nothing is written through it. Remove it.")

    def clear(self) -> None:
        """Removes the marker first, then the results and checkpoints of an earlier training, to train anew."""
        (self.path / "finished.json").unlink(missing_ok=True)
        results = ("metrics.json", "evaluation.json", "predictions*.csv", "seen.csv", "figures/*", "report.html")
        for pattern in (*results, "chosen.json", "checkpoints/*.ckpt", f"checkpoints/{REMOVED}", "events.out.*"):
            for file in self.path.glob(pattern):
                file.unlink(missing_ok=True)
        shutil.rmtree(self.path / "evaluations", ignore_errors=True)

    def fail(self, reason: str) -> None:
        """Records that the run failed, until it begins again.

        Args:
            reason: One sentence for `ser runs` and for a sweep's list of failures.
        """
        self._end("failed", reason)

    def prune(self, reason: str) -> None:
        """Records that a search pruned the run, until it begins again.

        Args:
            reason: One sentence.
        """
        self._end("pruned", reason)

    def _end(self, how: str, reason: str) -> None:
        self._forget_ends()
        stamp = {"reason": reason, how: datetime.now().isoformat(timespec="seconds")}
        write_text(self.path / f"{how}.json", json.dumps(stamp) + "\n")

    def _forget_ends(self) -> None:
        for how in ("failed", "pruned"):
            (self.path / f"{how}.json").unlink(missing_ok=True)

    def finish(self) -> None:
        """Writes the marker."""
        self._forget_ends()
        stamp = {"identity": self.identity, "finished": datetime.now().isoformat(timespec="seconds")}
        write_text(self.path / "finished.json", json.dumps(stamp) + "\n")

    def metrics(self) -> dict[str, float]:
        """The figures of a finished run.

        Raises:
            UserError: metrics.json is missing or damaged.
        """
        file = self.path / "metrics.json"
        try:
            metrics = read_json(file)
            if not all(type(value) in (int, float) for value in metrics.values()):
                raise UserError(f"{file} is damaged (it does not map names to figures).")
        except UserError as error:
            reason = str(error).removeprefix(f"{self.path}/")
            remedy = "Train it again with run.rerun=true."
            raise UserError(f"{self.path} is marked as finished but its {reason} {remedy}") from error
        return metrics


def _is_foreign(file: Path) -> bool:
    """Whether a file in a folder without an identity is foreign, and not left by a run that ended at the start."""
    return not file.name.startswith(".") and file.name != "train.log"


def load_config(path: Path) -> dict:
    """The config of a run directory, read as plain data: nothing in it is resolved or executed.

    Settings newer than the run get today's default, as far as no figure depends on them (`ser.runs.defaults`).

    Raises:
        UserError: Not a run directory, or its config.yaml is damaged.
    """
    if not (path / "config.yaml").exists():
        if (path / "crossval.json").is_file():
            raise UserError(
                f"{path} pools the folds of a cross-validation, and each fold has a model of its own: name the run of "
                "one fold; its crossval.json lists them."
            )
        raise UserError(f"{path} is not a run directory: it has no config.yaml that can be read.")
    config = read_config(path / "config.yaml")
    if config.get("choices") is None:
        raise UserError(f"{path / 'config.yaml'} is not the config of a run.")
    return with_defaults(config)


def finished_directory(path: Path) -> tuple[RunDirectory, dict[str, Any]]:
    """The directory of a finished run and its config, as plain data.

    Raises:
        UserError: No such directory, no run, or one that did not finish.
    """
    path = path.expanduser().resolve()  # a sweep holds links
    if not path.is_dir():
        raise UserError(f"There is no folder {path}: name the directory of a finished run, as under runs/.")
    config = load_config(path)
    missing = [key for key in NEEDED if config.get(key) is None]
    if missing or not isinstance(config["seed"], int):
        reason = f"it lacks {', '.join(missing)}" if missing else "its seed is not a whole number"
        raise UserError(f"{path / 'config.yaml'} is not the config of a run: {reason}.")
    directory = RunDirectory(path, RunDirectory(path, "").recorded_identity() or "")
    if not directory.finished:
        raise UserError(f"The run {path} did not finish: first continue it with `ser train run.resume={path}`.")
    return directory, config
