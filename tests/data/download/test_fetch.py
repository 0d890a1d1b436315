"""A file from a server that cuts, stalls, lies, refuses and ignores what it is asked."""

import random
import threading

import pytest

from ser.data.download import fetch as module
from ser.data.download.fetch import CHUNK, NotSent, Resuming, fetch
from ser.errors import UserError

DATA = random.Random(0).randbytes(300_000)


@pytest.fixture
def file(server):
    return server.put("corpus.zip", DATA)


@pytest.fixture
def get(file, tmp_path):
    """Downloads it as a command does; gives the notes, and has the bytes that were reported in `get.came`."""

    def get():
        notes, get.came = [], []
        download = Resuming(tmp_path / "part", file.size, file.size, get.came.append, get.stop, notes.append)
        fetch(file, tmp_path / "whole", download)
        return notes

    get.stop = threading.Event()
    return get


def whole(tmp_path):
    return (tmp_path / "whole" / "corpus.zip").read_bytes()


def test_a_file_comes_once_and_is_then_there(server, get, tmp_path):
    assert get() == [] and whole(tmp_path) == DATA and sum(get.came) == len(DATA)
    get()
    assert len(server.asked) == 1 and [path.name for path in tmp_path.rglob("*")] == ["whole", "corpus.zip"]


def test_a_cut_download_goes_on_where_it_was(server, get, tmp_path):
    server.faults = [("cut", 100_000), ("cut", 50_000), ("cut", 1)]
    assert len(get()) == 3 and whole(tmp_path) == DATA
    starts = [start for _, start in server.asked]
    assert starts[0] == 0 and starts[1] > 100_000 - CHUNK and starts[3] == starts[2] > starts[1] + 50_000 - CHUNK
    assert sum(get.came) == len(DATA) <= server.sent < len(DATA) + 3 * CHUNK


def test_so_does_the_next_call(server, get, tmp_path):
    server.faults = [("cut", 100_000), *[("status", 503)] * 9]
    with pytest.raises(NotSent, match="503 .* goes on"):
        get()
    kept = (tmp_path / "part").stat().st_size
    assert kept > 100_000 - CHUNK and not list((tmp_path / "whole").glob("*"))
    server.faults, server.asked = [], []
    get()
    assert server.asked == [("/corpus.zip", kept)] and whole(tmp_path) == DATA


def test_a_server_without_ranges_begins_anew(server, get, tmp_path):
    server.faults = [("cut", 100_000), ("whole",)]
    get()
    assert whole(tmp_path) == DATA and sum(get.came) == len(DATA)


def test_a_server_that_always_cuts_at_one_place_is_given_up(server, get):
    server.faults = [("whole cut", 100_000)] * 9
    with pytest.raises(NotSent, match="the connection was cut"):
        get()
    assert len(server.asked) == 1 + module.TRIES


@pytest.mark.parametrize("range_sent", ["other", "unsaid"])
def test_another_range_than_asked_for_is_not_glued_on(server, get, tmp_path, range_sent):
    server.faults = [("cut", 100_000), (range_sent,)]
    assert "another part of the file" in get()[1]
    assert whole(tmp_path) == DATA


def test_a_silent_server_is_asked_again(server, get, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", (5, 1.0))
    server.faults = [("stall", 100_000)]
    assert "no answer in time" in get()[0] and whole(tmp_path) == DATA
    assert server.asked[1][1] > 100_000 - CHUNK


def test_a_slow_server_is_waited_for(server, get, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", (5, 1.0))
    server.faults = [("slow", 0.005)]  # between 300 pieces
    assert get() == [] and whole(tmp_path) == DATA


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_is_not_there_is_asked_for_once(server, get, status):
    server.faults = [("status", status)]
    with pytest.raises(NotSent, match=f"corpus.zip: it answers {status}"):
        get()
    assert len(server.asked) == 1


def test_a_busy_server_says_when_to_come_back(server, get, tmp_path):
    waits = []
    server.faults = [("status", 429, {"Retry-After": "7"}), ("status", 503, {"Retry-After": "9999"}), ("status", 502)]
    get.stop.wait = waits.append
    get()
    assert waits == [7, 60, 0.04] and whole(tmp_path) == DATA


def test_a_file_that_moved_is_followed_and_a_circle_is_not(server, get, tmp_path):
    server.files["/new"] = DATA
    server.faults = [("status", 302, {"Location": "/new"}), ("cut", 100_000)]
    server.faults += [("status", 302, {"Location": "/new"})]
    get()
    assert whole(tmp_path) == DATA and server.asked[3][0] == "/new" and server.asked[3][1] > 0
    (tmp_path / "whole" / "corpus.zip").unlink()
    server.faults = [("status", 302, {"Location": "/corpus.zip"})] * 500
    with pytest.raises(NotSent, match="it redirects without end"):
        get()


def test_nobody_listens(server, get):
    server.shutdown()
    server.server_close()
    with pytest.raises(NotSent, match="the connection was refused"):
        get()


def test_no_internet(file, get, monkeypatch):
    def no_server(*arguments, **settings):
        raise OSError("Failed to resolve 'zenodo.org' ([Errno -3] Temporary failure in name resolution)")

    monkeypatch.setattr(module.pooch.HTTPDownloader, "__call__", no_server)
    with pytest.raises(NotSent, match=r"no such server is known here \(no internet connection\?\)"):
        get()


def test_wrong_bytes_are_not_used(server, get, tmp_path):
    server.faults = [("wrong",)]
    with pytest.raises(UserError, match="sends other bytes than published"):
        get()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [] and sum(get.came) == 0
    get()
    assert whole(tmp_path) == DATA


def test_a_wrong_beginning_is_fetched_again(server, get, tmp_path):
    (tmp_path / "part").write_bytes(b"<html>Log in to the hotel's network</html>")
    get()
    assert whole(tmp_path) == DATA and [start for _, start in server.asked] == [42, 0]


def test_a_beginning_longer_than_the_file_is_dropped(server, get, tmp_path):
    (tmp_path / "part").write_bytes(bytes(len(DATA) + 5))
    assert "416" in get()[0] and whole(tmp_path) == DATA


def test_a_download_that_was_complete_needs_no_server(server, get, tmp_path):
    (tmp_path / "part").write_bytes(DATA)
    get()
    assert whole(tmp_path) == DATA and server.asked == []


def test_a_page_instead_of_the_file_is_seen_before_it_is_read(server, get, tmp_path):
    server.files["/corpus.zip"] = b"<html>We moved</html>"
    with pytest.raises(UserError, match="sends 21 bytes instead of 300,000"):
        get()
    assert (tmp_path / "part").stat().st_size == 0


def test_a_server_that_never_ends_is_stopped(server, get, tmp_path):
    server.faults = [("endless",)]
    with pytest.raises(UserError, match="more than 300,000 bytes"):
        get()
    assert (tmp_path / "part").stat().st_size == 0


def test_a_full_disk(server, file, tmp_path):
    (tmp_path / "part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full. What is downloaded is kept"):
        fetch(file, tmp_path / "whole", Resuming(tmp_path / "part", file.size, file.size))
    assert not list((tmp_path / "whole").glob("*"))
