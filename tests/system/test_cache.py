"""Where things are kept for a user without a home folder, and where the folder cannot be written."""

import os
import pwd
import subprocess
import sys

import pytest


@pytest.fixture
def homeless(monkeypatch):
    """A user of a container: no HOME, and a number that stands in no list of users."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "SER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize("chosen", [None, "~/cache"])
def test_a_user_without_a_home_folder_is_told_of_ser_cache(homeless, ser, quick, in_tmp, monkeypatch, chosen):
    if chosen:
        monkeypatch.setenv("SER_CACHE", chosen)
    for command in (quick, ["explore", "dataset=demo"], ["store", "list"]):
        code, out, err = ser(*command)
        assert (code, out) == (2, "") and "set SER_CACHE" in err and err.count("\n") == 1
    assert not list(in_tmp.glob("runs/*"))


def test_a_user_without_a_home_folder_chooses_another(homeless, ser, quick, in_tmp, monkeypatch):
    monkeypatch.setenv("SER_CACHE", "cache")
    code, _, err = ser(*quick)
    assert (code, err) == (0, "") and {path.name for path in in_tmp.iterdir()} == {"cache", "runs"}
    for place in ("~/runs", "~nobody-of-this-name/runs"):
        code, _, err = ser("runs", place)
        assert code == 2 and err.startswith("Error: ") and err.count("\n") == 1


@pytest.mark.parametrize("cache", ["/dev/null", "/dev/null/cache", "/proc/cache"])
def test_a_cache_that_cannot_be_written_is_one_sentence(ser, quick, in_tmp, monkeypatch, cache):
    monkeypatch.setenv("SER_CACHE", cache)
    for command in (quick, ["explore", "dataset=demo"]):
        code, _, err = ser(*command)
        assert code == 2 and "SER_CACHE" in err and err.count("\n") == 1 and "Traceback" not in err
    assert not list(in_tmp.glob("runs/*"))


def test_libraries_are_silent_where_home_cannot_be_written():
    code = "from ser.cli import guarded; guarded(lambda words: __import__('matplotlib') and 0, [])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, "HOME": "/dev/null"}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
