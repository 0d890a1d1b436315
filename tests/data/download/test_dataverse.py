"""The list of a Dataverse dataset, and servers that list what they should not."""

import json

import pytest

from ser.data.corpora.publication import Part, RemoteFile
from ser.data.download.dataverse import list_files
from ser.errors import UserError

FILES = {"OAF_back_angry.wav": b"one", "YAF/YAF_back_sad.wav": b"three", "readme.txt": b"text"}


@pytest.fixture
def listed(server, tmp_path):
    """The files of a dataset that is put on the server first."""

    def listed(files=FILES, **changes):
        return list_files(Part(2, 100, dataset=server.put_dataset(files, **changes)), tmp_path)

    return listed


def test_names_addresses_sizes_and_checksums(server, listed):
    assert listed() == [
        RemoteFile(
            f"{server.url}/api/access/datafile/1", "OAF_back_angry.wav", 3, "md5:f97c5d29941bfb1b2fdab0874906ab82"
        ),
        RemoteFile(
            f"{server.url}/api/access/datafile/2", "YAF/YAF_back_sad.wav", 5, "md5:35d6d33467aae9a2e3dccb4b6b027878"
        ),
    ]


def test_older_servers_and_other_checksums(listed):
    assert listed(checksum=None, md5="0" * 32)[0].checksum == "md5:" + "0" * 32
    assert listed(checksum={"type": "SHA-256", "value": "ab"})[0].checksum == "sha256:ab"
    assert listed(checksum=None)[0].checksum is None


def test_archives_where_there_are_no_recordings(listed):
    assert [file.name for file in listed({"TESS.zip": b"PK", "readme.txt": b"text"})] == ["TESS.zip"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"../../evil.wav": b"x"}, "it leads out of its folder"),
        ({"a.wav": b"x", "A.wav": b"x"}, "lists A.wav twice"),
        ({"readme.txt": b""}, "lists no recordings and no archive"),
        ({f"{i}.wav": b"" for i in range(7)}, "lists 7 files, and at most 6 are expected"),
        ({"a.wav": b""}, "lists 'a.wav' with 0 bytes"),
        ({"a.wav": bytes(300)}, "lists 0 MB, and about 0 MB are expected"),
    ],
)
def test_lists_that_are_refused(listed, files, message):
    with pytest.raises(UserError, match=message):
        listed(files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filesize": -5}, "lists 'OAF_back_angry.wav' with -5 bytes"),
        ({"id": "../../etc"}, "sends no list of files that can be read"),
        ({"filename": None}, "lists no recordings and no archive"),
        ({"filesize": "many"}, "sends no list of files that can be read"),
    ],
)
def test_entries_that_make_no_sense(listed, change, message):
    with pytest.raises(UserError, match=message):
        listed(**change)


@pytest.mark.parametrize("answer", [b"<html>", b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_answers_that_are_no_list(server, listed, tmp_path, answer):
    part = Part(2, 100, dataset=server.put_dataset(FILES))
    server.files["/api/datasets/:persistentId/"] = answer
    with pytest.raises(UserError, match="sends no list of files that can be read"):
        list_files(part, tmp_path)


def test_the_list_is_asked_for_anew_each_time(server, listed):
    server.faults = [("cut", 20)]
    assert len(listed()) == 2 and len(listed()) == 2
    (tmp,) = {path for path, _ in server.asked}
    assert [start for _, start in server.asked] == [0, 0, 0] and json.loads(server.files[tmp])
