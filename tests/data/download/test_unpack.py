"""Archives that want out of their folder, want to fill the disk, or are not what they say."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from ser.data.download.unpack import unpack
from ser.errors import UserError

GOOD = {"Actor_01/a.wav": b"one", "Actor_01/b.wav": b"two", "Actor_02/a.wav": b"three"}


def write(path: Path, members, method=zipfile.ZIP_DEFLATED) -> Path:
    """A ZIP of names, or `ZipInfo`s, and bytes, in their order."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def member(name, mode, system=3):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = system, mode << 16
    return info


def raw_name(name: str) -> zipfile.ZipInfo:
    """A name as it is, which `ZipInfo` itself would change: with a NUL, or a backslash."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    return info


def refused(archive, tmp_path, files=10, size=1000):
    """The message; nothing is written, in the folder or beside it."""
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(UserError) as error:
        unpack(archive, tmp_path / "out", files, size)
    assert sorted(tmp_path.rglob("*")) == before and not Path("/tmp/ser-evil").exists()
    return str(error.value)


def test_a_good_archive(tmp_path):
    archive = write(tmp_path / "a.zip", [("Actor_01/", b""), *GOOD.items()])
    assert unpack(archive, tmp_path / "out", 10, 1000) == 3
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in (tmp_path / "out").rglob("*.wav")
    }
    assert found == GOOD


@pytest.mark.parametrize(
    "name",
    [
        "../evil.wav", "a/../../evil.wav", "..", "/tmp/ser-evil", "//host/share/evil.wav", "C:/evil.wav", "C:evil.wav",
        "..\\evil.wav", "\\evil.wav", "a//b.wav", "./a.wav", "a/./b.wav", "a.wav\x00.txt", "a\nb.wav", "nul.wav",
        "COM1", "a./b.wav", "a /b.wav", "x" * 300, "/".join("abcdefghijk"), "a?.wav", "",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere(tmp_path, name):
    message = refused(write(tmp_path / "a.zip", [*GOOD.items(), (raw_name(name), b"evil")]), tmp_path)
    assert message.startswith("a.zip is not unpacked: the name ")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices(tmp_path, kind):
    archive = write(tmp_path / "a.zip", [(member("Actor_01", kind | 0o777), b"/etc"), ("Actor_01/passwd", b"evil")])
    assert "Actor_01 is a link or a device" in refused(archive, tmp_path)


def test_a_folder_that_says_it_is_a_file(tmp_path):
    archive = write(tmp_path / "a.zip", [(member("Actor_01", stat.S_IFDIR | 0o755), b"data")])
    assert "link or a device" in refused(archive, tmp_path)


@pytest.mark.parametrize("other", ["Actor_01/a.wav", "ACTOR_01/A.WAV", "Actor_01/a.wav/deeper", "Actor_01"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_are_there_twice(tmp_path, other):
    assert "is there twice" in refused(write(tmp_path / "a.zip", [*GOOD.items(), (other, b"evil")]), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_letter_in_two_spellings_of_unicode(tmp_path):
    archive = write(tmp_path / "a.zip", [("\u00fc.wav", b"1"), ("u\u0308.wav", b"2")])
    assert "is there twice" in refused(archive, tmp_path)


def test_bombs(tmp_path):
    bomb = write(tmp_path / "a.zip", [("a.wav", bytes(50_000_000))])
    assert bomb.stat().st_size < 100_000
    assert "it would become 50 MB, and at most 1 MB are expected" in refused(bomb, tmp_path, size=1_000_000)
    many = write(tmp_path / "b.zip", [(f"{i}.wav", b"") for i in range(500)])
    assert "it holds 500 files, and at most 100 are expected" in refused(many, tmp_path, files=100)


def test_a_bomb_that_lies_about_its_size(tmp_path):
    archive = write(tmp_path / "a.zip", [("a.wav", bytes(5_000_000))])
    data = archive.read_bytes()
    at = data.rindex(b"PK\x01\x02")  # the directory says 10 bytes, which is what counts
    archive.write_bytes(data[: at + 24] + (10).to_bytes(4, "little") + data[at + 28 :])
    with pytest.raises(UserError, match="damaged"):
        unpack(archive, tmp_path / "out", 10, 1000)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) <= 10


def test_encrypted_members(tmp_path):
    archive = write(tmp_path / "a.zip", GOOD.items())
    data = bytearray(archive.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    archive.write_bytes(data)
    assert "Actor_02/a.wav is encrypted" in refused(archive, tmp_path)


def test_unusual_compression(tmp_path):
    archive = write(tmp_path / "a.zip", GOOD.items(), zipfile.ZIP_LZMA)
    assert "compressed in an unusual way (method 14)" in refused(archive, tmp_path)


@pytest.mark.parametrize("what", ["empty", "text", "truncated", "changed", "no directory"])
def test_damaged_archives(tmp_path, what):
    archive = write(tmp_path / "a.zip", [(name, os.urandom(300)) for name in GOOD])
    data = archive.read_bytes()
    changed = bytearray(data)
    changed[60] ^= 255
    archive.write_bytes(
        {
            "empty": b"", "text": b"<html></html>", "truncated": data[:-30], "changed": bytes(changed),
            "no directory": data[: data.index(b"PK\x01\x02")],
        }[what]
    )  # fmt: skip
    with pytest.raises(UserError, match=r"a.zip cannot be unpacked: it is damaged \("):
        unpack(archive, tmp_path / "out", 10, 10_000)


def test_an_archive_in_an_archive_stays_one(tmp_path):
    inner = io.BytesIO()
    write(inner, [("../evil.wav", b"evil")])
    unpack(write(tmp_path / "a.zip", [("b.zip", inner.getvalue())]), tmp_path / "out", 10, 1000)
    assert (tmp_path / "out" / "b.zip").read_bytes() == inner.getvalue()


def test_what_is_there_is_not_overwritten_or_followed(tmp_path):
    (tmp_path / "out" / "Actor_01").mkdir(parents=True)
    (tmp_path / "out" / "Actor_01" / "b.wav").symlink_to(tmp_path / "target")
    with pytest.raises(UserError, match="Cannot unpack Actor_01/b.wav: File exists"):
        unpack(write(tmp_path / "a.zip", GOOD.items()), tmp_path / "out", 10, 1000)
    assert not (tmp_path / "target").exists()
