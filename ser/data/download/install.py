"""Getting a part of a published corpus into a folder: downloaded, checked, unpacked, and moved there in one step.

data/.ser-download/ravdess-speech/   kept by an interrupted download, for the next one
    .lock  parts/                    beginnings of files
    archives/                        whole ones
    new/                             the folder that becomes data/ravdess
"""

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ser.data.corpora.corpus import NamedCorpus, child_folder
from ser.data.corpora.publication import KEPT, Part, RemoteFile
from ser.data.download.dataverse import list_files
from ser.data.download.fetch import NotSent, Resuming, fetch
from ser.data.download.unpack import unpack
from ser.errors import UserError
from ser.system.files import settle, why_refused

WORK = ".ser-download"  # hidden: never taken for recordings
SPARE_BYTES = 50_000_000  # that a disk should still have free afterwards
AT_ONCE = 4  # files of a dataset of thousands; a server's patience is the bound


@dataclass(frozen=True)
class Download:
    """A part of a corpus, and where it is to be.

    Args:
        corpus: Its class, which has a data sheet.
        name: Of the part: `speech`.
        root: The folder that holds, or gets, a folder of the corpus's name.
    """

    corpus: type[NamedCorpus]
    name: str
    root: Path

    @property
    def part(self) -> Part:
        """Its data sheet."""
        return self.corpus.published.parts[self.name]

    @property
    def corpus_folder(self) -> Path:
        """The folder of the corpus, in any case of letters; through links, so that what is new lies on its disk."""
        return (child_folder(self.root, self.corpus.name) or self.root / self.corpus.name).resolve()

    @property
    def home(self) -> Path:
        """The folder that is made."""
        return self.corpus_folder / self.part.folder

    @property
    def work(self) -> Path:
        """What an interrupted download leaves for the next one."""
        return self.corpus_folder.parent / WORK / f"{self.corpus.name}-{self.name}"

    def is_there(self) -> bool:
        """Whether all recordings are there, wherever below the corpus's folder.

        Raises:
            UserError: Some are, or others where these would be.
        """
        count = self._count(self.corpus_folder)
        if count >= self.part.recordings:
            return True
        if count or (self.home.exists() and not (self.home.is_dir() and not any(self.home.iterdir()))):
            where = self.corpus_folder if count else self.home
            raise UserError(
                f"{where} has {count:,} of the {self.part.recordings:,} recordings of {self.corpus.name} "
                f"({self.name}), and nothing is overwritten: move it away, or name another folder with --root."
            )
        return False

    def _count(self, folder: Path) -> int:
        return self.corpus(str(folder), **self.part.settings).count()


def install(download: Download, received: Callable[[int], None], note: Callable[[str], None]) -> None:
    """Downloads what is missing and makes the folder; until then there is none.

    Args:
        download: What, and where.
        received: Told how many bytes came.
        note: Told what goes wrong on the way, and what is done about it.

    Raises:
        UserError: In each case with what to do.
    """
    work = download.work
    try:
        (work / "parts").mkdir(parents=True, exist_ok=True)
        with FileLock(work / ".lock", timeout=0):
            if not download.is_there():  # another process may have been quicker
                _fill(download, received, note)
            shutil.rmtree(work, ignore_errors=True)
    except Timeout as error:
        raise UserError(f"Another ser download is at work in {work}: wait for it, or stop it.") from error
    except NotSent as error:
        raise UserError(f"{error} By hand: {download.corpus.published.page}, unpacked into {download.home}.") from error
    except OSError as error:
        raise UserError(f"Cannot write {error.filename or work}: {why_refused(error)}. {KEPT}") from error
    with suppress(OSError):  # other downloads may be in it, or have removed it
        work.parent.rmdir()


def _fill(download: Download, received: Callable[[int], None], note: Callable[[str], None]) -> None:
    part, work = download.part, download.work
    new, archives = work / "new", work / "archives"
    files = list(part.files) or list_files(part, work)
    packed = all(file.name.lower().endswith(".zip") for file in files)
    if packed:
        _fetch_all(files, archives, work, part.unpacked, received, note)
        shutil.rmtree(new, ignore_errors=True)
        note("Downloaded, and the checksum is right. Unpacking …")
        try:
            for file in files:
                unpack(archives / file.name, new, part.most_files, part.most_bytes)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)  # of no use to the next call, and the disk may be full
            raise
    else:
        place = download.corpus.usual_place
        files = [RemoteFile(file.url, place(file.name), file.size, file.checksum) for file in files]
        _remove_strangers(new, files)
        _fetch_all(files, new, work, 0, received, note)
    found = download.corpus(str(new), **part.settings).count()
    if found != part.recordings:
        shutil.rmtree(work / "new" if packed else work, ignore_errors=True)
        raise UserError(
            f"What was downloaded has {found:,} recordings with names of {download.corpus.name}, and "
            f"{part.recordings:,} are published. Nothing was put into {download.home}."
        )
    _put(new, download.home)


def _fetch_all(
    files: list[RemoteFile], folder: Path, work: Path, unpacked: int, received: Callable[[int], None],
    note: Callable[[str], None],
) -> None:  # fmt: skip
    """Fetches several at once; the first failure stops the others, which keep what they have."""
    stop, tries = threading.Event(), []
    for file in files:
        kept = work / "parts" / file.name.replace("/", "+")
        have = _size(folder / file.name) or _size(kept)
        received(min(have, file.size))
        unpacked += max(0, file.size - have)
        tries.append((file, folder, Resuming(kept, file.size, file.size, received, stop, note)))
    free = shutil.disk_usage(work).free
    if free < unpacked + SPARE_BYTES:
        raise UserError(
            f"The disk of {work.parent.parent} has {free / 1e6:,.0f} MB free, and {unpacked / 1e6:,.0f} MB are needed. "
            "Make room, or name a folder on another disk with --root."
        )
    for parent in {(folder / file.name).parent for file in files}:
        parent.mkdir(parents=True, exist_ok=True)  # pooch fails where two threads make one folder
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for done in as_completed([pool.submit(fetch, *each) for each in tries]):
            done.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _remove_strangers(folder: Path, files: list[RemoteFile]) -> None:
    """Removes what a killed download left beside the files, so that it does not become part of the corpus."""
    known = {file.name for file in files}
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in known:
            path.unlink()


def _put(new: Path, home: Path) -> None:
    """Moves the finished folder to its place. All bytes are on the disk before: a power cut leaves all or nothing."""
    for path in new.rglob("*"):
        if path.is_file():
            settle(path)
    home.parent.mkdir(parents=True, exist_ok=True)
    if home.is_dir():
        home.rmdir()  # empty, or an error
    os.rename(new, home)
