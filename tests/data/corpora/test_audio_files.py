"""Which files of a folder are taken for recordings, and what is skipped or refused."""

import os
from pathlib import Path

import pytest

from ser.data.corpora.audio_files import find_audio
from ser.data.corpora.folder import Folder
from ser.data.corpora.sound_folder import find_sounds
from ser.errors import UserError
from ser.inference.find_files import find_files


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def names(root):
    return [path.relative_to(root).as_posix() for path in find_audio(root)]


@pytest.mark.parametrize(
    "system",
    ["lost+found", "$RECYCLE.BIN", "@eaDir", "__MACOSX", "System Volume Information", ".Trash-1000", "#recycle",
     "FOUND.000", "RECYCLER", ".ipynb_checkpoints"],
)  # fmt: skip
def test_what_systems_leave_is_passed_over_wherever_folders_are_walked(tmp_path, system):
    found = [touch(tmp_path / "happy" / "a.wav"), touch(tmp_path / "sad" / "b.flac")]
    for place in (system, f"happy/{system}", f"happy/{system}/S-1-5-18"):
        touch(tmp_path / place / "c.wav")
    touch(tmp_path / "happy" / "._a.wav")
    assert find_audio(tmp_path) == find_files([tmp_path])[0] == found
    assert len(find_sounds(tmp_path, "folder", tmp_path / "cache").paths) == 2
    assert {u.emotion for u in Folder(str(tmp_path), "**/{emotion}/*").scan().utterances} == {"happy", "sad"}


def test_a_root_inside_of_a_hidden_folder_is_meant(tmp_path):
    touch(tmp_path / ".Trash-1000" / "files" / "a.wav")
    assert names(tmp_path / ".Trash-1000") == ["files/a.wav"]


def test_links_that_lead_back_end_wherever_they_begin(tmp_path):
    touch(tmp_path / "a" / "a.wav")
    touch(tmp_path / "b" / "b.wav")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "itself").symlink_to("itself")
    (tmp_path / "a" / "other").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a")
    assert names(tmp_path) == ["a/a.wav", "a/other/b.wav", "b/b.wav", "b/other/a.wav"]


def test_a_folder_called_like_a_recording_is_a_folder(tmp_path):
    touch(tmp_path / "x.wav" / "y.wav")
    assert names(tmp_path) == ["x.wav/y.wav"]


def test_the_order_is_that_of_the_bytes(tmp_path):
    for name in (b"z.wav", b"w\xfctend.wav", "wütend.wav".encode(), "\U0001d11e.wav".encode()):
        touch(tmp_path / os.fsdecode(name))
    found = [os.fsencode(path.name) for path in find_audio(tmp_path)]
    assert found == sorted(found)


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    """Its path is longer than the system takes: unlike one without rights, not even root may read it."""
    here, deepest = os.open(tmp_path, os.O_RDONLY), "d" * 250
    try:
        for _ in range(17):
            os.mkdir(deepest, dir_fd=here)
            below = os.open(deepest, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    for walk in (find_audio, lambda root: find_sounds(root, "augmentation.folder", root / "cache")):
        with pytest.raises(UserError, match="Cannot read the folder .*ddd: File name too long"):
            walk(tmp_path)
