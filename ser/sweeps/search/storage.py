"""The storage of a study: a journal file, or a database for several machines. Passwords are never shown."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from ser.errors import UserError

JOURNAL = "journal.log"
DRIVERS = frozenset(["sqlalchemy", "psycopg", "psycopg2", "pymysql", "MySQLdb", "sqlite3"])
DEFAULT_DRIVERS = {"postgresql://": "postgresql+psycopg://", "postgres://": "postgresql+psycopg://"}
DEFAULT_DRIVERS |= {"mysql://": "mysql+pymysql://", "mariadb://": "mariadb+pymysql://"}
ALREADY_MADE = ("already exists", "duplicate key")  # tables of a new database that another machine opens as well
MAKING_S = 1.0  # until it has them all


class Storage:
    """A study's storage, opened on demand; only the address is sent to other processes.

    Args:
        url: `tune.storage`, or None for a journal in the search's own folder.
        folder: That folder.
        dead_after_s: Seconds without a heartbeat after which a trial of another machine is given to another worker.
    """

    def __init__(self, url: str | None, folder: Path, dead_after_s: float = 120.0):
        self.url, self.dead_after_s = _with_driver(url or str(folder / JOURNAL)), dead_after_s

    @property
    def is_database(self) -> bool:
        """Whether the address is for SQLAlchemy; else it is the path of a journal."""
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
                return self._database()
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            _repair(self.journal)
            return JournalStorage(JournalFileBackend(str(self.journal), lock_obj=_lock(self.journal)))

    def _database(self) -> RDBStorage:
        for again in (True, False):
            try:
                return RDBStorage(self.url, engine_kwargs=_engine_settings(self.url))
            except Exception as error:
                if not again or not any(words in str(error) for words in ALREADY_MADE):
                    raise
                time.sleep(MAKING_S)

    def turn(self) -> ExitStack:
        """To be held by a worker until it has its trial.

        SQLite does not lock rows, as Optuna expects: two workers would get the same waiting trial
        (optuna/optuna#4002, #4621).
        """
        turn, file = ExitStack(), self.url.partition(":///")[2].partition("?")[0]
        if self.url.startswith("sqlite") and file:
            turn.enter_context(_lock(Path(file)))
        return turn

    @contextmanager
    def explained(self, opening: bool = True) -> Iterator[None]:
        """Reports storage errors in one sentence, without the password.

        Args:
            opening: Includes errors from reading an invalid journal.

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
                f"The journal {self.journal} is damaged, or not a search's journal ({type(error).__name__}). Nothing "
                "trained is lost: move it away, and the same command finds the finished runs and searches anew."
            )
        if isinstance(error, ImportError):
            return f"tune.storage={self}: {error}. PostgreSQL: pip install 'ser[cluster]'; MySQL: pip install PyMySQL."
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        text = without_secret(" ".join(line.strip() for line in lines[:2]), self.url) or type(error).__name__
        return f"tune.storage={self} cannot be used: {text.rstrip('.')}. Is the address right, and the server running?"


def beat_s(dead_after_s: float) -> int:
    """Seconds between two heartbeats of a worker: a worker that misses four counts as dead."""
    return max(1, min(15, int(dead_after_s / 4)))


def without_password(url: str) -> str:
    """The address without its password.

    >>> without_password("postgresql+psycopg://me:top:secret@host/db?password=x")
    'postgresql+psycopg://me:***@host/db?password=***'
    """
    url = re.sub(r"(://[^:/@\s]*):[^\s]*@", r"\1:***@", url)
    return re.sub(r"((?:password|passwd|passfile)=)[^&\s'\"]*", r"\1***", url, flags=re.IGNORECASE)


def without_secret(text: str, url: str) -> str:
    """Another library's message, which may hold the address or its password."""
    text = text.replace(url, without_password(url))
    found = re.search(r"://[^:/@\s]*:([^\s]*)@", url)
    return text.replace(found.group(1), "***") if found and found.group(1) else without_password(text)


def _is_of_storage(error: Exception, opening: bool) -> bool:
    """Errors of the database and its driver; on opening, also of files and of an invalid journal."""
    modules = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    if modules & DRIVERS or isinstance(error, optuna.exceptions.StorageInternalError):
        return True
    return opening and isinstance(error, (OSError, ImportError, ValueError, LookupError, TypeError, AssertionError))


def _with_driver(url: str) -> str:
    """The address with the driver of `ser[cluster]`, unless it names one."""
    for scheme, full in DEFAULT_DRIVERS.items():
        if url.startswith(scheme):
            return full + url.removeprefix(scheme)
    return url


def _engine_settings(url: str) -> dict[str, Any]:
    """Detects a lost connection before use; the connection times out after ten seconds."""
    if url.startswith(("postgresql", "mysql", "mariadb")):
        return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    return {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}


def _lock(file: Path) -> FileLock:
    """A lock that ends with its process; Optuna's outlive a killed process by half a minute."""
    return FileLock(file.with_name(f".{file.name}.lock"))


def _repair(journal: Path) -> None:
    """Removes a partial last line, left by a full disk or a kill: the next line would be appended to it."""
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
