"""One small run for all tests of this room."""

from pathlib import Path

import pytest

from tests.inference.trained import trained_run


@pytest.fixture(scope="session")
def run(tmp_path_factory, tiny_ravdess) -> Path:
    """A finished run on the tiny RAVDESS; only to be read."""
    folder = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return trained_run(folder / "runs", tiny_ravdess)


@pytest.fixture(scope="session")
def model(run):
    """Loaded from it."""
    from ser import load

    return load(run, device="cpu")
