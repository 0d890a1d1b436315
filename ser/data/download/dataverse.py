"""The files of a dataset that a Dataverse server publishes: names, sizes and checksums, from its API."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from ser.data.corpora.audio_files import AUDIO_SUFFIXES
from ser.data.corpora.publication import Part, RemoteFile
from ser.data.download.fetch import Resuming, host
from ser.data.download.names import first_clash, why_unsafe
from ser.errors import UserError

MOST_BYTES = 50_000_000  # of the list itself


def list_files(part: Part, work: Path) -> list[RemoteFile]:
    """The recordings of a dataset, or its archives (ZIP) where there are no recordings beside them.

    What else is published with them (a read-me, licences) is left out. Sizes and checksums are those that the server
    reports.

    Args:
        part: Its `dataset` is the address of the list.
        work: Folder for the list.

    Raises:
        UserError: The server does not send such a list, or names that lead elsewhere, or too much.
    """
    kept, listing = work / "listing.part", work / "listing.json"
    kept.unlink(missing_ok=True)
    Resuming(kept, None, MOST_BYTES)(part.dataset, str(listing))
    server = urlsplit(part.dataset)
    try:
        entries = json.loads(listing.read_bytes())["data"]["latestVersion"]["files"]
        files = [_file(entry, f"{server.scheme}://{server.netloc}") for entry in entries]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{host(part.dataset)} sends no list of files that can be read; try again later.") from error
    recordings = [file for file in files if Path(file.name).suffix.lower() in AUDIO_SUFFIXES]
    wanted = recordings or [file for file in files if file.name.lower().endswith(".zip")]
    _check(wanted, part)
    return wanted


def _file(entry: dict, server: str) -> RemoteFile:
    about = entry["dataFile"]
    folder = (entry.get("directoryLabel") or "").strip("/")
    name = f"{folder}/{about['filename']}" if folder else str(about["filename"])
    checksum = about.get("checksum") or {"type": "MD5", "value": about.get("md5")}
    kind, value = str(checksum["type"]).lower().replace("-", ""), checksum["value"]
    return RemoteFile(
        f"{server}/api/access/datafile/{int(about['id'])}", name, int(about["filesize"]), value and f"{kind}:{value}"
    )


def _check(files: list[RemoteFile], part: Part) -> None:
    server = host(part.dataset)
    if not files:
        raise UserError(f"{server} lists no recordings and no archive in this dataset; try again later.")
    if len(files) > part.most_files:
        raise UserError(f"{server} lists {len(files):,} files, and at most {part.most_files:,} are expected.")
    if (size := sum(file.size for file in files)) > part.most_bytes:
        raise UserError(f"{server} lists {size / 1e6:,.0f} MB, and about {part.size / 1e6:,.0f} MB are expected.")
    for file in files:
        if file.size <= 0:
            raise UserError(f"{server} lists {file.name[:200]!r} with {file.size} bytes. Nothing is downloaded.")
        if why := why_unsafe(file.name):
            raise UserError(f"{server} lists a file named {file.name[:200]!r}: {why}. Nothing is downloaded.")
    if twice := first_clash([file.name for file in files]):
        raise UserError(f"{server} lists {twice} twice. Nothing is downloaded.")
