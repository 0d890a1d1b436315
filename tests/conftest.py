"""What all tests share: tiny corpora, a cache of their own, the command line in this process, and the `slow` rule."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny_corpora import write_tiny_ravdess, write_tiny_tess

REPO = Path(__file__).parents[1]
SER = [sys.executable, "-m", "ser"]  # `ser` as a process of its own

settings.register_profile("ser", deadline=None)  # no timing decides a test
settings.load_profile("ser")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # the suite is a job in the background: processes inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)


def free_port() -> int:
    """Of this machine, that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pytest_collection_modifyitems(items):
    """Slow tests are skipped where nobody asked for them, and say so."""
    if os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: runs when CI=true"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Tests leave the user's cache alone; one thread each, since several run side by side."""
    os.environ["SER_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_ravdess(tmp_path_factory) -> Path:
    """Six actors, 8 emotions, 96 recordings of 0.4 s."""
    return write_tiny_ravdess(tmp_path_factory.mktemp("data") / "ravdess")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tiny_ravdess) -> Path:
    """A finished run on the tiny RAVDESS; only to be read."""
    from tests.inference.trained import trained_run

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return trained_run(folder / "runs", tiny_ravdess)


@pytest.fixture(scope="session")
def tiny_tess(tmp_path_factory) -> Path:
    """Both actresses, three words, 7 emotions."""
    return write_tiny_tess(tmp_path_factory.mktemp("data") / "tess")


@pytest.fixture
def in_tmp(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def change_source(tmp_path, monkeypatch) -> Callable[[str], None]:
    """What is kept is keyed by a copy of the sources; this changes a file of it, or makes a new one."""
    from ser.system import source_code

    copy = tmp_path / "copy of the sources"
    shutil.copytree(source_code.ROOT / "ser", copy / "ser", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(source_code, "ROOT", copy)

    def change(name: str) -> None:
        with (copy / "ser" / name).open("a") as file:
            file.write("# changed\n")
        source_code._read.cache_clear()  # as a new process begins

    return change


@pytest.fixture
def ser(in_tmp, capsys):
    """Runs a command line in this process, in an empty folder: (exit code, stdout, stderr)."""
    from ser.cli import main

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def quick(tiny_ravdess) -> list[str]:
    """Arguments of a run that takes a second; `run.report=auto` behind them adds its page, and two seconds."""
    return [
        "train", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "model=mlp", "model.hidden=[16]", "trainer=cpu",
        "trainer.max_epochs=2", "split=random", "run.report=false",
    ]  # fmt: skip


def only_run(folder: Path) -> Path:
    """The one run directory under `folder/runs`."""
    (run,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    return run
