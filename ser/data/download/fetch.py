"""Fetching a file from a web server: resumed where an earlier try stopped, bounded, and checked against its checksum.

pooch downloads and compares the checksum; what is here keeps the received bytes from try to try.
"""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pooch

from ser.data.corpora.publication import KEPT, RemoteFile
from ser.errors import UserError
from ser.system.files import why_refused

TRIES = 5  # in a row that bring nothing new
FIRST_WAIT_S = 1.0  # doubled from try to try
LONGEST_WAIT_S = 60.0  # that a server may ask for
TIMEOUT_S = (15, 30)  # to connect, and without a byte
CHUNK = 1 << 14  # bytes; a cut loses less than one
AGENT = {"User-Agent": "ser (speech emotion recognition; pooch)"}  # Zenodo limits clients that do not name themselves
BUSY = (408, 425, 429)  # and 500 and above: the server asks to try again


class Stopped(Exception):
    """Another file failed, or the user stopped the command."""


class NotSent(UserError):
    """The server does not have the file, or is not to be reached: there may be another way to get it."""


class Resuming:
    """A downloader for pooch whose received bytes outlive it, in a file of its own.

    Args:
        kept: That file; its bytes are taken for the beginning of what is downloaded.
        size: Bytes that there must be; None: as many as the server says.
        most: A bound where `size` is None.
        received: Told how many bytes came; a negative number where a server sends them again from the beginning.
        stop: Ends a download between two pieces.
        note: Told why there is another try.
    """

    def __init__(
        self, kept: Path, size: int | None, most: int, received: Callable[[int], None] = lambda count: None,
        stop: threading.Event | None = None, note: Callable[[str], None] = lambda sentence: None,
    ):  # fmt: skip
        self.kept, self.size, self.most = kept, size, most
        self.received, self.stop, self.note = received, stop or threading.Event(), note
        self.total = size
        self.retry_after_s = 0.0

    def __call__(self, url: str, output_file: str, _: object = None) -> None:
        """Downloads, in as many tries as it takes.

        Raises:
            UserError: The server does not have the file, sends something else, or is not to be reached.
            Stopped: See `stop`.
        """
        failures, furthest = 0, self._have()
        while (why := self._try(url)) is not None:
            failures = 0 if self._have() > furthest else failures + 1
            furthest = max(furthest, self._have())
            if failures >= TRIES:
                raise NotSent(f"{host(url)} does not send the file: {why}. {KEPT}")
            wait = max(FIRST_WAIT_S * 2 ** max(0, failures - 1), min(self.retry_after_s, LONGEST_WAIT_S))
            self.note(f"{host(url)}: {why}; next try in {wait:.0f} s")
            if self.stop.wait(wait):
                raise Stopped
        os.replace(self.kept, output_file)

    def _have(self) -> int:
        return self.kept.stat().st_size if self.kept.exists() else 0

    def _try(self, url: str) -> str | None:
        """One request for what is missing. Gives why it has to be repeated; None when the file is whole."""
        self.retry_after_s, self.total = 0.0, self.size
        if self.size is not None and self._have() == self.size:
            return None
        try:
            file = self.kept.open("ab", buffering=0)  # else closing it would write to a full disk again
        except OSError as error:
            raise UserError(f"Cannot write {self.kept}: {why_refused(error)}.") from error
        with file:
            output = _Output(file, self)
            headers = AGENT | {"Accept-Encoding": "identity"}
            if output.have:
                headers["Range"] = f"bytes={output.have}-"
            request = pooch.HTTPDownloader(
                chunk_size=CHUNK, headers=headers, timeout=TIMEOUT_S, hooks={"response": output.begin}
            )
            try:
                request(url, output, None)
            except OSError as error:  # requests' errors are; those of the disk are sentences by now
                return self._why_again(url, error, output)
            if self.total is not None and output.have < self.total:
                return "the connection was cut"
        return None

    def _why_again(self, url: str, error: OSError, output: "_Output") -> str:
        response = getattr(error, "response", None)
        if response is None or response.status_code < 400:
            return _in_words(error)
        status = response.status_code
        said = f"it answers {status} {response.reason}".rstrip()
        if status == 416 and output.have:  # what is kept is longer than the file
            output.restart()
            return said
        if status in BUSY or status >= 500:
            wait = response.headers.get("Retry-After", "")
            self.retry_after_s = float(wait) if wait.isdigit() else 0.0
            return said
        raise NotSent(f"{host(url)} does not send {url}: {said}.") from error


class _Output:
    """What a request writes to: the kept file, at the place that the server begins with."""

    def __init__(self, file, download: Resuming):
        self.file, self.download = file, download
        self.have = file.tell()

    def begin(self, response, **_) -> None:
        """Looks at the answer before its bytes: which part of the file it is, and how long the file is."""
        if response.status_code not in (200, 206):
            return  # a redirection, or an error that is raised later
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        length = response.headers.get("Content-Length", "")
        plain = response.headers.get("Content-Encoding", "identity") == "identity"
        if response.status_code == 206:
            if not span or int(span[1]) != self.have:
                response.close()
                self.restart()
                raise ConnectionError("it sends another part of the file than was asked for")
            total = int(span[2]) if span[2] != "*" else None
        else:  # from the beginning, whatever was asked for
            self.restart()
            total = int(length) if length.isdigit() and plain else None
        expected = self.download.size
        if total is not None and total != (expected or total):
            response.close()
            raise UserError(
                f"{host(response.url)} sends {total:,} bytes instead of {expected:,}: the file was changed there, or "
                "it is an error page. Nothing of it is used."
            )
        self.download.total = expected or total

    def restart(self) -> None:
        """Drops what is kept."""
        if self.have:
            self.download.received(-self.have)
            self.file.truncate(0)
            self.have = 0

    def write(self, data: bytes) -> None:
        """Keeps a piece."""
        if self.download.stop.is_set():
            raise Stopped
        most = self.download.size or self.download.most
        if self.have + len(data) > most:
            self.restart()
            raise UserError(f"The server sends more than {most:,} bytes. Nothing of it is used.")
        left = memoryview(data)
        try:
            while left:
                left = left[self.file.write(left) :]
        except OSError as error:
            raise UserError(f"Cannot write {self.download.kept}: {why_refused(error)}. {KEPT}") from error
        self.have += len(data)
        self.download.received(len(data))

    def flush(self) -> None:
        """Done by `write`."""


def fetch(file: RemoteFile, folder: Path, download: Resuming) -> None:
    """Puts a file into a folder, whole and with the right checksum; one that is there already is compared only.

    Raises:
        UserError: The checksum is not the file's, or see `Resuming`.
    """
    pooch.get_logger().setLevel("WARNING")  # what happens is shown by our own bar
    for resumed in (download.kept.exists(), False):
        try:
            pooch.retrieve(file.url, file.checksum, file.name, folder, downloader=download)
            return
        except ValueError as error:  # pooch's word for it; the bytes are removed
            download.received(-file.size)
            if not resumed:
                raise UserError(
                    f"{host(file.url)} sends other bytes than published as {file.name} ({file.checksum}): they were "
                    "changed on the way, or the file was replaced. Nothing of it is used; try again later."
                ) from error
        except OSError as error:
            raise UserError(f"Cannot write into {folder}: {why_refused(error)}. {KEPT}") from error


def host(url: str) -> str:
    """The server's name: `zenodo.org`."""
    return urlsplit(url).netloc or url


def _in_words(error: OSError) -> str:
    """What went wrong on the way, shortly: requests wraps it several times, and says it at length."""
    text = f"{type(error).__name__} {error}".lower()
    for mark, words in (
        ("timed out", "no answer in time"), ("timeout", "no answer in time"),
        ("certificate", "its certificate is not valid"), ("ssl", "no secure connection"),
        ("resolve", "no such server is known here (no internet connection?)"),
        ("name or service", "no such server is known here (no internet connection?)"),
        ("refused", "the connection was refused"), ("proxy", "the proxy does not answer"),
        ("toomanyredirects", "it redirects without end"), ("another part", str(error)),
    ):  # fmt: skip
        if mark in text:
            return words
    return "the connection was cut"
