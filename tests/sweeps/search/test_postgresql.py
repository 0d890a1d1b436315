"""A search over one PostgreSQL server, for real, where its programs are installed; else skipped, visibly."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest

from tests.conftest import SER

PASSWORD = "s3cr:t@in here"  # with what an address must escape
ESCAPED = "s3cr%3At%40in%20here"


def programs() -> Path | None:
    """The folder of initdb: on the path, or where Debian has it."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return next((file.parent for file in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


@pytest.fixture(scope="module")
def server():
    """The address of a server of our own, without an end; stopped afterwards. It refuses to run as root."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="pip install 'ser[cluster]'")
    as_user = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("PostgreSQL does not run as root, and setpriv is not there to change the user")
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups"]
    home = Path(tempfile.mkdtemp(prefix="ser-pg-"))  # short and open to that user, which pytest's folders are not
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        (home / "password").write_text(PASSWORD)
        if as_user:
            subprocess.run(["chown", "-R", "nobody", str(home)], check=True)
        options = ["--auth=scram-sha-256", f"--pwfile={home}/password", "--username=ser", "--no-sync"]
        _run([*as_user, folder / "initdb", "-D", home / "data", *options])
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
        control = [*as_user, folder / "pg_ctl", "-D", home / "data", "-w", "-t", "60"]
        _run([*control, "-o", settings, "-l", home / "log", "start"])
        try:
            yield f"postgresql://ser:{ESCAPED}@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(words: list) -> None:
    done = subprocess.run(list(map(str, words)), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.skip(f"PostgreSQL cannot be started here: {done.stderr[-300:]}")


@pytest.fixture
def search(quick, server) -> list[str]:
    return [
        "tune", *quick[1:], "model.dropout=interval(0,0.5)", f"tune.storage={server}", "trainer.max_epochs=1",
    ]  # fmt: skip


@pytest.mark.slow
def test_machines_share_a_search_and_the_password_stands_nowhere(ser, search, server, in_tmp, tmp_path):
    """Two folders are two machines: together they do what was asked for, and each finds the best."""
    address = server.replace("postgresql:", "postgresql+psycopg:")
    of_others = set(optuna.get_all_study_names(address))  # of other tests, on the same server
    code, out, err = ser(*search, "tune.trials=2", "tune.dir=one", "run.dir=runs_one")
    assert code == 0, err
    code, more, err = ser(*search, "tune.trials=4", "tune.dir=two", "run.dir=runs_two")
    assert code == 0 and "Continuing: 2 of 4 trials are done." in more, err
    assert len(list((in_tmp / "runs_one").iterdir())) == len(list((in_tmp / "runs_two").iterdir())) == 2
    (name,) = set(optuna.get_all_study_names(address)) - of_others
    study = optuna.load_study(study_name=name, storage=address)
    assert Counter(trial.state.name for trial in study.trials) == {"COMPLETE": 4}
    written = [file.read_bytes() for file in in_tmp.rglob("*") if file.is_file() and not file.is_symlink()]
    for secret in (PASSWORD, ESCAPED, "s3cr"):
        assert secret not in out + more + err
        assert not any(secret.encode() in content for content in written)
    assert "postgresql://ser:***@127.0.0.1" in (in_tmp / "one" / "study.json").read_text()


def test_a_wrong_password_is_said_without_it(ser, search, server, in_tmp, monkeypatch):
    monkeypatch.setenv("SER_TRACEBACK", "1")
    wrong = [word.replace("s3cr", "wr0ng") for word in search]
    code, out, err = ser(*wrong, "tune.trials=1")
    assert code == 2 and "password authentication failed" in err
    assert "wr0ng" not in out + err


@pytest.mark.slow
def test_two_machines_at_once_do_exactly_as_many(search, in_tmp):
    words = [word for word in search if not word.startswith("model.dropout")] + ["model.dropout=interval(0,0.4)"]
    both = [
        subprocess.Popen(
            [*SER, *words, "tune.trials=10", f"tune.dir=m{i}", f"run.dir=runs{i}"], cwd=in_tmp, stderr=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )
        for i in range(2)
    ]  # fmt: skip
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0 and "10 trials: " in out, err
    assert sum(len(list((in_tmp / f"runs{i}").glob("*/finished.json"))) for i in range(2)) <= 10
    runs = [run for i in range(2) for run in (in_tmp / f"runs{i}").iterdir()]
    assert len(runs) == 10


@pytest.mark.slow
def test_a_machine_that_dies_leaves_its_trial_to_another(ser, search, server, in_tmp):
    """kill -9 while it trains; its heartbeat in the database stops, and its lock is on a disk of its own."""
    words = [*search[:-1], "trainer.max_epochs=40", "tune.pruner=none", "tune.trials=2", "tune.dead_after_s=5"]
    address = server.replace("postgresql:", "postgresql+psycopg:")
    of_others = set(optuna.get_all_study_names(address))  # of other tests, on the same server
    process = subprocess.Popen(
        [*SER, *words, "tune.dir=dead", "run.dir=runs_dead"], cwd=in_tmp, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((in_tmp / "runs_dead").glob("*/checkpoints/*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shutil.rmtree(in_tmp / "dead" / ".workers")
    code, out, err = ser(*words, "tune.dir=alive", "run.dir=runs_alive")
    assert code == 0 and "2 trials: 2 complete" in out, err
    own = [name for name in optuna.get_all_study_names(address) if name not in of_others]
    studies = [optuna.load_study(study_name=name, storage=address) for name in own]
    (trials,) = [study.trials for study in studies if any(trial.state.name == "FAIL" for trial in study.trials)]
    assert Counter(trial.state.name for trial in trials) == {"FAIL": 1, "COMPLETE": 2}
    (dead,) = [trial for trial in trials if trial.state.name == "FAIL"]
    (again,) = [trial for trial in trials if trial.params == dead.params and trial is not dead]
    assert again.state.name == "COMPLETE" and dead.user_attrs["runs"] == again.user_attrs["runs"]
