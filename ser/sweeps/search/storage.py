"""Where a study is kept: a journal file, or a database that several machines share. Passwords are never shown."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from ser.errors import UserError
from ser.sweeps.search.trials import requeue

JOURNAL = "journal.log"
DRIVERS = frozenset(["sqlalchemy", "psycopg", "psycopg2", "pymysql", "MySQLdb", "sqlite3"])
DEFAULT_DRIVERS = {"postgresql://": "postgresql+psycopg://", "postgres://": "postgresql+psycopg://"}
DEFAULT_DRIVERS |= {"mysql://": "mysql+pymysql://", "mariadb://": "mariadb+pymysql://"}


class Storage:
    """A study's storage, opened when it is asked for; to other processes goes the address only.

    Args:
        url: `tune.storage`, or None for a journal in the search's own folder.
        folder: That folder.
        dead_after_s: Without a heartbeat for so long, a trial in a database is given to another worker, by Optuna.
    """

    def __init__(self, url: str | None, folder: Path, dead_after_s: float = 120.0):
        self.url, self.dead_after_s = _with_driver(url or str(folder / JOURNAL)), dead_after_s

    @property
    def is_database(self) -> bool:
        """Whether SQLAlchemy is to read the address; else it is the path of a journal."""
        return "://" in self.url and not self.url.startswith("journal://")

    @property
    def journal(self) -> Path | None:
        """The journal file, or None for a database."""
        if self.is_database:
            return None
        return Path(self.url.removeprefix("journal://")).expanduser().absolute()

    def __str__(self) -> str:
        return str(self.journal) if self.journal else without_password(self.url)

    def open(self) -> BaseStorage:
        """Connects.

        Raises:
            UserError: It cannot be reached or read.
        """
        with self.explained():
            if self.journal is None:
                return RDBStorage(
                    self.url, engine_kwargs=_engine_settings(self.url), heartbeat_interval=beat_s(self.dead_after_s),
                    grace_period=round(self.dead_after_s), heartbeat_stale_trial_callback=requeue,
                )  # fmt: skip
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            _mend(self.journal)
            return JournalStorage(JournalFileBackend(str(self.journal), lock_obj=_lock(self.journal)))

    def turn(self) -> ExitStack:
        """To be held by a worker until it has its trial.

        SQLite locks no rows, as Optuna asks a database to: two workers would get the same of the trials that wait
        (optuna/optuna#4002, #4621).
        """
        turn, file = ExitStack(), self.url.partition(":///")[2].partition("?")[0]
        if self.url.startswith("sqlite") and file:
            turn.enter_context(_lock(Path(file)))
        return turn

    @contextmanager
    def explained(self, opening: bool = True) -> Iterator[None]:
        """Says what goes wrong with the storage in a sentence, without its password.

        Args:
            opening: Also what a journal that is none raises when it is read.

        Raises:
            UserError: It cannot be reached, or holds something else.
        """
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if not _is_of_storage(error, opening):
                raise
            raise UserError(self._why(error)) from None  # the chain of causes would show the address

    def _why(self, error: Exception) -> str:
        if self.journal is not None:
            if isinstance(error, OSError):
                return f"The journal {self.journal} cannot be used: {error.strerror or error}."
            return (
                f"The journal {self.journal} is damaged, or no journal of a search ({type(error).__name__}). Nothing "
                "trained is lost: move it away, and the same command finds the finished runs and searches anew."
            )
        if isinstance(error, ImportError):
            return f"tune.storage={self}: {error}. PostgreSQL: pip install 'ser[cluster]'; MySQL: pip install PyMySQL."
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        said = without_secret(" ".join(line.strip() for line in lines[:2]), self.url) or type(error).__name__
        return f"tune.storage={self} cannot be used: {said.rstrip('.')}. Is the address right, and the server running?"


def beat_s(dead_after_s: float) -> int:
    """Seconds between two heartbeats of a worker: four of them are missed before it is taken for dead."""
    return max(1, min(15, int(dead_after_s / 4)))


def without_password(url: str) -> str:
    """The address as it may be shown.

    >>> without_password("postgresql+psycopg://me:top:secret@host/db?password=x")
    'postgresql+psycopg://me:***@host/db?password=***'
    """
    url = re.sub(r"(://[^:/@\s]*):[^\s]*@", r"\1:***@", url)
    return re.sub(r"((?:password|passwd|passfile)=)[^&\s'\"]*", r"\1***", url, flags=re.IGNORECASE)


def without_secret(text: str, url: str) -> str:
    """A message of somebody else's in which the address or its password may stand."""
    text = text.replace(url, without_password(url))
    found = re.search(r"://[^:/@\s]*:([^\s]*)@", url)
    return text.replace(found.group(1), "***") if found and found.group(1) else without_password(text)


def _is_of_storage(error: Exception, opening: bool) -> bool:
    """Errors of the database and its driver; where it is opened, also of files and of a journal that is none."""
    modules = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    if modules & DRIVERS or isinstance(error, optuna.exceptions.StorageInternalError):
        return True
    return opening and isinstance(error, (OSError, ImportError, ValueError, LookupError, TypeError, AssertionError))


def _with_driver(url: str) -> str:
    """The address with the driver that `ser[cluster]` brings, where it names none."""
    for scheme, full in DEFAULT_DRIVERS.items():
        if url.startswith(scheme):
            return full + url.removeprefix(scheme)
    return url


def _engine_settings(url: str) -> dict[str, Any]:
    """A lost connection is noticed before it is used; a server that does not answer is given up after ten seconds."""
    if url.startswith(("postgresql", "mysql", "mariadb")):
        return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    return {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}


def _lock(file: Path) -> FileLock:
    """Held as long as its process lives; those of Optuna outlive a killed process by half a minute."""
    return FileLock(file.with_name(f".{file.name}.lock"))


def _mend(journal: Path) -> None:
    """Takes away half a line that a full disk or a kill left at the end: the next one would be glued to it."""
    if not journal.is_file():
        return
    with _lock(journal), journal.open("r+b") as file:
        if file.read(1) not in (b"", b"{"):
            raise ValueError("no line of a journal")
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - 2**20)
        file.seek(start)
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)
