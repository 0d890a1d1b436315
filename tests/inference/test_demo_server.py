"""The demo page's server: its port, and what becomes of uploads."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ser.errors import UserError
from ser.inference.demo_server import HOST, STALE_S, Uploads, check_port
from tests.conftest import free_port

REMOVED_MEANWHILE = """
import contextlib, http.client, os, sys, threading, time, urllib.request
from pathlib import Path
import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route
from ser.inference.demo_server import HOST, ignore_removed

folder, port = Path(sys.argv[1]), int(sys.argv[2])
there = os.stat(__file__)
missing = {
    "opened": FileResponse(folder / "sound.wav", stat_result=there),
    "looked_at": FileResponse(folder / "sound.wav"),
    "another": FileResponse(folder.parent / "another.wav"),
}
ignore_removed(folder)
app = Starlette(routes=[Route(f"/{name}", lambda request: missing[request.url.path[1:]]) for name in missing])
server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, log_level="warning"))
thread = threading.Thread(target=server.run, daemon=True)
thread.start()
while not server.started:
    time.sleep(0.01)
for name in missing:
    with contextlib.suppress(OSError, http.client.HTTPException):
        urllib.request.urlopen(f"http://{HOST}:{port}/{name}").read()
server.should_exit = True
thread.join()
"""


def test_an_upload_that_is_removed_while_it_is_played_is_no_traceback(tmp_path):
    """Before it is opened, or looked at; what is missing elsewhere is a fault, and is said."""
    pytest.importorskip("uvicorn")  # comes with gradio
    (script := tmp_path / "serve.py").write_text(REMOVED_MEANWHILE)
    (folder := tmp_path / "uploads").mkdir()
    words = [sys.executable, str(script), str(folder), str(free_port())]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120)
    assert done.returncode == 0 and "another.wav" in done.stderr and "sound.wav" not in done.stderr, done.stderr


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
