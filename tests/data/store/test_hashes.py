"""Content hashes, remembered with size and time."""

import hashlib
import os

import pytest

from ser.data.store import hashes
from ser.data.store.hashes import content_hash, hash_files
from ser.errors import UserError


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    paths = [folder / name for name in ("a.wav", "b.wav", "c.wav")]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


@pytest.fixture
def read(monkeypatch):
    """Names of the files that were read."""
    names = []
    true = hashes._hash_file
    monkeypatch.setattr(hashes, "_hash_file", lambda path: (names.append(path.name), true(path))[1])
    return names


def test_half_a_sha256_of_32_digits():
    assert content_hash(b"abc") == hashlib.sha256(b"abc").hexdigest()[:32]
    assert len(content_hash(b"")) == 32


def test_each_file_is_read_once(tmp_path, files, read):
    first = hash_files(files, tmp_path / "cache")
    assert first == [content_hash(path.name.encode()) for path in files]
    assert sorted(read) == ["a.wav", "b.wav", "c.wav"]
    assert hash_files(iter(files[::-1]), tmp_path / "cache") == first[::-1]
    assert len(read) == 3


def test_other_size_or_time_is_read_again(tmp_path, files, read):
    hash_files(files, tmp_path)
    read.clear()
    files[0].write_bytes(b"longer than before")
    stat = files[1].stat()
    files[1].write_bytes(b"B.wav")  # equal size
    os.utime(files[1], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    found = hash_files(files, tmp_path)
    assert sorted(read) == ["a.wav", "b.wav"]
    assert found == [content_hash(b"longer than before"), content_hash(b"B.wav"), content_hash(b"c.wav")]
    read.clear()
    assert hash_files(files, tmp_path) == found and not read


def test_another_file_of_equal_size_and_time_in_its_place_is_read(tmp_path, files, read):
    hash_files(files, tmp_path)
    read.clear()
    stat, other = files[0].stat(), tmp_path / "other"
    other.write_bytes(b"A.wav")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(other, files[0])
    assert hash_files(files, tmp_path)[0] == content_hash(b"A.wav") and read == ["a.wav"]


def test_a_large_file_is_read_piece_by_piece(tmp_path, files, monkeypatch):
    monkeypatch.setattr(hashes, "LARGE", 4)
    assert hash_files(files, tmp_path) == [content_hash(path.name.encode()) for path in files]


def test_only_new_files_are_read(tmp_path, files, read):
    hash_files(files[:2], tmp_path)
    read.clear()
    hash_files(files, tmp_path)
    assert read == ["c.wav"]


@pytest.mark.parametrize("damage", [b"", b"this is no database" * 100])
def test_a_broken_memory_costs_a_read_and_nothing_else(tmp_path, files, read, damage):
    expected = hash_files(files, tmp_path)
    (tmp_path / "hashes.sqlite").write_bytes(damage)
    read.clear()
    assert hash_files(files, tmp_path) == expected and len(read) == 3


def test_where_nothing_can_be_remembered_all_are_read(tmp_path, files, read):
    (tmp_path / "cache").write_text("a file where the folder should be")
    for _ in range(2):
        assert hash_files(files, tmp_path / "cache")[0] == content_hash(b"a.wav")
    assert len(read) == 6


def test_a_vanished_file_is_named(tmp_path, files):
    hash_files(files, tmp_path)
    files[1].unlink()
    with pytest.raises(UserError) as error:
        hash_files(files, tmp_path)
    assert str(files[1]) in str(error.value) and "no such file" in str(error.value)
