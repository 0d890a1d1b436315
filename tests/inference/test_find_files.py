"""Which files are found: sorted, each once, and none outside of a folder that its sender linked to."""

import os
from pathlib import Path

import pytest

from ser.data.corpora.audio_files import why_no_file
from ser.errors import UserError
from ser.inference.find_files import find_files


@pytest.fixture
def folder(tmp_path) -> Path:
    """With all that must be skipped."""
    top = tmp_path / "recordings"
    for name in (
        "b.wav",
        "a.FLAC",
        "sub/c.mp3",
        "sub/deep/d.ogg",
        "notes.txt",
        ".hidden.wav",
        ".git/e.wav",
        "z/f.opus",
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    return top


def names(top: Path, found: list[Path]) -> list[str]:
    return [path.relative_to(top).as_posix() for path in found]


def test_a_folder_is_walked_in_order(folder):
    found, remarks = find_files([folder])
    assert names(folder, found) == ["a.FLAC", "b.wav", "sub/c.mp3", "sub/deep/d.ogg", "z/f.opus"]
    assert remarks == []


def test_places_keep_their_order_and_come_once(folder):
    found, _ = find_files([folder / "sub", folder / "b.wav", str(folder), folder / "sub" / "c.mp3"])
    assert names(folder, found) == ["sub/c.mp3", "sub/deep/d.ogg", "b.wav", "a.FLAC", "z/f.opus"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(folder):
    named = [folder / "notes.txt", folder / ".hidden.wav", folder / "absent.wav"]
    assert find_files(named)[0] == named


def test_links_that_lead_out_are_passed_over_and_counted(folder, tmp_path):
    (tmp_path / "secret.wav").touch()
    (tmp_path / "more").mkdir()
    (folder / "out.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "up.wav").symlink_to("../secret.wav")
    (folder / "others").symlink_to(tmp_path / "more")
    (folder / "itself.wav").symlink_to("itself.wav")
    (folder / "inside.wav").symlink_to(folder / "sub" / "c.mp3")
    found, (remark,) = find_files([folder])
    assert names(folder, found) == ["a.FLAC", "b.wav", "inside.wav", "sub/c.mp3", "sub/deep/d.ogg", "z/f.opus"]
    assert "4 links" in remark and str(folder) in remark


def test_a_folder_that_is_a_link_itself_was_named_by_the_user(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert len(find_files([tmp_path / "link"])[0]) == 5


def test_nothing_to_listen_to(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="Name the recordings"):
        find_files([])
    with pytest.raises(UserError, match=r"no recordings under .*empty\. Looked for: .*\.flac.*\.wav"):
        find_files([tmp_path / "empty"])
    found, (remark,) = find_files([tmp_path / "empty", folder / "b.wav"])
    assert found == [folder / "b.wav"] and "empty" in remark


def test_a_tilde_is_the_home_folder_or_part_of_a_name(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert find_files(["~/b.wav"])[0] == [folder / "b.wav"]
    assert find_files(["~b.wav"])[0] == [Path("~b.wav")], "pathlib would look for a user of this name"


def test_names_that_are_no_text(folder):
    name = os.fsencode(folder) + b"/\xff\xfe.wav"
    Path(os.fsdecode(name)).touch()
    assert len(find_files([folder])[0]) == 6


def test_why_there_is_no_file(folder, tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert why_no_file(folder / "b.wav") == ""
    assert why_no_file(tmp_path / "pipe.wav") == why_no_file(Path("/dev/null")) == "not a regular file"
    assert why_no_file(folder / "absent.wav") == "no such file or folder"
    assert why_no_file(folder) == "a folder that cannot be read"
    assert why_no_file(folder / "b.wav" / "c.wav") == "Not a directory"
    assert why_no_file(Path("a\0.wav")) == "not a valid file name"
    assert why_no_file(Path("a" * 300)) == "File name too long"
