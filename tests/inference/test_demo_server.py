"""The demo page's server: its port, and what becomes of uploads."""

import os
import socket
import time

import pytest

from ser.errors import UserError
from ser.inference.demo_server import HOST, STALE_S, Uploads, check_port


def test_used_and_stale_uploads_are_removed_and_nothing_else(tmp_path):
    folder, outside = tmp_path / "uploads", tmp_path / "outside.wav"
    for name in ("used", "other", "stale"):
        (folder / name).mkdir(parents=True)
        (folder / name / "sound.wav").write_bytes(b"x")
    old = time.time() - STALE_S - 1
    os.utime(folder / "stale", (old, old))
    outside.write_bytes(b"x")
    uploads = Uploads(folder)
    uploads.used(outside)
    uploads.used(folder / "used" / "sound.wav")
    uploads.used(folder / "used" / "sound.wav")  # of two who sent the same
    assert [path.name for path in folder.iterdir()] == ["other"] and outside.exists()


def test_an_upload_is_removed_whatever_happens(tmp_path):
    def fail(path):
        assert path.read_bytes() == b"x"
        raise RuntimeError("a bug")

    for respond in (lambda path: path.read_text(), fail):
        (tmp_path / "name").mkdir()
        (sound := tmp_path / "name" / "sound.wav").write_bytes(b"x")
        try:
            assert Uploads(tmp_path).answered(respond, sound) == "x"
        except RuntimeError:
            assert respond is fail
        assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_a_sentence():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} is in use: choose another one, such as --port"):
            check_port(port)
    check_port(port)
