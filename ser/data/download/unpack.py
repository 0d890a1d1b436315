"""Unpacking a ZIP archive that is not trusted."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from ser.data.corpora.publication import KEPT
from ser.data.download.names import first_clash, why_unsafe
from ser.errors import UserError
from ser.system.files import why_refused

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UNIX = 3  # the system that has links; other systems' upper half of `external_attr` says something else
# What zipfile raises about an archive that is damaged, or was made to do damage
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError)


def unpack(archive: Path, folder: Path, most_files: int, most_bytes: int) -> int:
    """Unpacks into a folder, which need not exist; gives the number of files.

    All names, kinds and sizes are checked before the first file is written: no path out of the folder, no link or
    device, nothing encrypted, no name twice. A file gets the size that the archive's directory says, or it is an error.

    Args:
        archive: A ZIP file.
        folder: For its files; the caller removes it after an error.
        most_files: A bound on files and folders.
        most_bytes: A bound on the sum of their sizes.

    Raises:
        UserError: The archive is not what it should be, or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            files = _checked(archive.name, members, most_files, most_bytes)
            for member in files:
                _write(opened, member, folder / member.filename)
    except DAMAGED as error:
        raise UserError(f"{archive.name} cannot be unpacked: it is damaged ({error}).") from error
    return len(files)


def _checked(archive: str, members: list[zipfile.ZipInfo], most_files: int, most_bytes: int) -> list[zipfile.ZipInfo]:
    """The files of an archive that may be unpacked."""

    def refuse(why: str) -> None:
        raise UserError(f"{archive} is not unpacked: {why}.")

    if len(members) > most_files:
        refuse(f"it holds {len(members):,} files, and at most {most_files:,} are expected")
    if (size := sum(member.file_size for member in members)) > most_bytes:
        refuse(f"it would become {size / 1e6:,.0f} MB, and at most {most_bytes / 1e6:,.0f} MB are expected")
    for member in members:
        if why := why_unsafe(member.orig_filename.removesuffix("/")):
            refuse(f"the name {member.orig_filename[:200]!r}: {why}")
        kind = stat.S_IFMT(member.external_attr >> 16) if member.create_system == UNIX else 0
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > member.is_dir():
            refuse(f"{member.filename} is a link or a device")
        if member.flag_bits & 0x1:
            refuse(f"{member.filename} is encrypted")
        if member.compress_type not in METHODS:
            refuse(f"{member.filename} is compressed in an unusual way (method {member.compress_type})")
    files = [member for member in members if not member.is_dir()]
    if twice := first_clash([member.filename for member in files]):
        refuse(f"the name {twice} is there twice")
    return files


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            written = file.tell()
    except OSError as error:
        raise UserError(f"Cannot unpack {member.filename}: {why_refused(error)}. {KEPT}") from error
    if written != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename} has {written:,} bytes instead of {member.file_size:,}")
