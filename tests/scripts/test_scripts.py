"""The two scripts that a newcomer calls, in a copy of the checkout that shares this environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what git tracks, with this environment as its .venv."""
    environment = Path(sys.prefix)
    if not (environment / ".installed").is_file():
        pytest.skip("this environment was not made by scripts/test")
    names = subprocess.run(["git", "-C", str(REPO), "ls-files"], capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (REPO / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(environment)
    return tmp_path


@pytest.mark.slow
def test_quickstart_trains_the_demo_and_says_what_next(checkout):
    def run() -> str:
        command = ["bash", "scripts/quickstart", "trainer.max_epochs=2"]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=900, env={**os.environ})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    first = run()
    assert "UAR" in first and str(checkout / "runs") in first
    tail = first.split("Next:")[1]
    assert tail.count(".venv/bin/") == 3
    assert all(word in tail for word in ("dataset=ravdess", "-m ", "tensorboard"))
    assert "Installing" not in first
    assert "Already trained" in run()


@pytest.mark.parametrize("script", ["quickstart", "test", "reproduce", "environment"])
def test_scripts_are_valid_bash(script):
    assert subprocess.run(["bash", "-n", str(REPO / "scripts" / script)]).returncode == 0


def test_a_misspelt_check_of_the_gpu_is_no_check_that_passed():
    done = subprocess.run(
        [sys.executable, "-m", "scripts.gpu_checks", "resumming"], cwd=REPO, capture_output=True, text=True
    )
    assert done.returncode == 2 and "No check holds resumming" in done.stderr
