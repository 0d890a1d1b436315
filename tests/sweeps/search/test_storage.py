"""Storages: reached or refused in a sentence; passwords nowhere; a journal that a kill or a full disk cut off."""

import optuna
import pytest

from ser.errors import UserError
from ser.sweeps.search import study
from ser.sweeps.search.storage import Storage, without_password, without_secret


@pytest.fixture(autouse=True)
def quiet():
    study.quiet()


def filled(storage, trials):
    study = optuna.create_study(study_name="s", storage=storage.open(), load_if_exists=True)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return study


def seen(storage):
    return [trial.state.name for trial in optuna.load_study(study_name="s", storage=storage.open()).trials]


def test_a_journal_lies_in_the_folder_and_is_found_again(tmp_path):
    storage = Storage(None, tmp_path / "new" / "search")
    filled(storage, 3)
    assert storage.journal == tmp_path / "new" / "search" / "journal.log" and storage.journal.is_file()
    assert seen(Storage(None, tmp_path / "new" / "search")) == ["COMPLETE"] * 3


def test_a_journal_may_lie_elsewhere_and_in_a_database(tmp_path):
    elsewhere = Storage(str(tmp_path / "shared disk" / "ünser.log"), tmp_path)
    filled(elsewhere, 1)
    assert (tmp_path / "shared disk" / "ünser.log").is_file() and seen(elsewhere) == ["COMPLETE"]
    database = Storage(f"sqlite:///{tmp_path}/a.db", tmp_path)
    filled(database, 2)
    assert database.journal is None and seen(database) == ["COMPLETE"] * 2


def test_half_a_line_at_the_end_is_taken_away_and_the_rest_kept(tmp_path):
    storage = Storage(None, tmp_path)
    filled(storage, 2)
    whole = storage.journal.read_bytes()
    storage.journal.write_bytes(whole + b'{"op_code":5,"worker_id":"cut o')
    filled(storage, 1)
    assert seen(storage) == ["COMPLETE"] * 3
    assert storage.journal.read_bytes().startswith(whole)


@pytest.mark.parametrize("content", [b"not a journal\n", b'{"a": 1}\n', b"\x00\xff\x00\n", b"[1, 2]\n"])
def test_a_damaged_journal_is_said_to_be_one_and_left_as_it_is(tmp_path, content):
    storage = Storage(None, tmp_path)
    filled(storage, 2)
    lines = storage.journal.read_bytes().splitlines(keepends=True)
    damaged = b"".join([lines[0], content, *lines[1:]])
    storage.journal.write_bytes(damaged)
    with pytest.raises(UserError, match="is damaged, or not a search's journal") as refused:
        storage.open()
    assert "finds the finished runs" in str(refused.value)
    assert storage.journal.read_bytes() == damaged


def test_a_file_that_is_no_journal_is_not_cut(tmp_path):
    (tmp_path / "notes.txt").write_text("my notes, without a newline at the end")
    with pytest.raises(UserError, match="not a search's journal"):
        Storage(str(tmp_path / "notes.txt"), tmp_path).open()
    assert (tmp_path / "notes.txt").read_text() == "my notes, without a newline at the end"


def test_a_killed_process_does_not_hold_the_journal(tmp_path):
    """The lock that Optuna makes by itself is a link that stays behind for half a minute."""
    import signal
    import subprocess
    import sys
    import time

    code = (
        "import os, signal; from filelock import FileLock;"
        f"FileLock({str(tmp_path / '.journal.log.lock')!r}).acquire(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    started = time.monotonic()
    filled(Storage(None, tmp_path), 1)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:hush-hush@127.0.0.1:1/none", "server running"),
        ("oracle2://me:hush-hush@host/none", "cannot be used"),
        ("sqlite:////nowhere/at/all/a.db", "cannot be used"),
        ("mysql+nodriver://me:hush-hush@host/none", "cannot be used"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_without_the_password(tmp_path, url, message):
    with pytest.raises(UserError) as refused:
        Storage(url, tmp_path).open()
    assert message in str(refused.value) and "hush" not in str(refused.value)
    assert refused.value.__cause__ is None  # a traceback would show it


def test_passwords_are_struck_out():
    assert without_password("mysql://me:a@b:c@host/db") == "mysql://me:***@host/db"
    assert without_password("ser tune tune.storage=postgresql://me:x@h/d model=a,b") == (
        "ser tune tune.storage=postgresql://me:***@h/d model=a,b"
    )
    assert without_password("postgresql://h/d?user=me&password=x%20y&sslmode=off") == (
        "postgresql://h/d?user=me&password=***&sslmode=off"
    )
    assert without_password("sqlite:///a.db") == "sqlite:///a.db"
    assert without_secret("user me, password s3cret wrong", "mysql://me:s3cret@h/d") == "user me, password *** wrong"
    assert str(Storage("mysql://me:s3cret@h/d", None)) == "mysql+pymysql://me:***@h/d"
