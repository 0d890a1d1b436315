"""One small run for all tests of this room."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(trained) -> Path:
    """A finished run on the tiny RAVDESS; only to be read."""
    return trained


@pytest.fixture(scope="session")
def model(run):
    """Loaded from it."""
    from ser import load

    return load(run, device="cpu")
