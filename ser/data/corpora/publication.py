"""The data sheet of a corpus that `ser download` can get: where it is published, its licence, sizes and checksums."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CREATIVE_COMMONS = {
    "CC BY-NC-SA 4.0": "name the authors, no commercial use, share changed versions under the same licence",
    "CC BY-NC-ND 4.0": "name the authors, no commercial use, share no changed versions",
}
KEPT = "What is downloaded is kept; the same command goes on."  # how messages about an unfinished download end


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server.

    Args:
        url: Its address.
        name: What it is called here: a path with forward slashes, which `ser.data.download.names` has checked where a
            server says it.
        size: Bytes, exactly.
        checksum: `md5:…`, `sha256:…`; None where nobody publishes one.
    """

    url: str
    name: str
    size: int
    checksum: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """What one download brings: archives that are known here, or a Dataverse dataset that is asked for its files.

    Args:
        recordings: How many there are in it.
        size: Bytes to download, about.
        files: Archives (ZIP).
        dataset: Address of the dataset in Dataverse's API, instead of `files`.
        unpacked: Bytes that the archives hold, about; at most twice as many are unpacked, and at most three times as
            many files as there are recordings.
        settings: Arguments of the corpus, beside `root`, that make it list these recordings.
        beside: The arguments that make it list them and those of the first part.
        folder: Where they are put, below the folder of the corpus.
    """

    recordings: int
    size: int
    files: tuple[RemoteFile, ...] = ()
    dataset: str = ""
    unpacked: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    @property
    def most_files(self) -> int:
        """A bound on the files of an archive or a dataset."""
        return 3 * self.recordings

    @property
    def most_bytes(self) -> int:
        """A bound on what is unpacked, or downloaded file by file."""
        return 2 * max(self.size, self.unpacked)


@dataclass(frozen=True, slots=True)
class Publication:
    """A published corpus.

    Args:
        title: In full.
        authors: With the year.
        page: For readers: `https://doi.org/…`.
        parts: Name → part; the first is what `ser download` gets, the others on request by their names: `--song`.
    """

    title: str
    authors: str
    page: str
    parts: Mapping[str, Part]


def licence_page(licence: str) -> str:
    """Where the text of a licence of `CREATIVE_COMMONS` is.

    >>> licence_page("CC BY-NC-SA 4.0")
    'https://creativecommons.org/licenses/by-nc-sa/4.0/'
    """
    kind, version = licence.removeprefix("CC ").lower().split()
    return f"https://creativecommons.org/licenses/{kind}/{version}/"
