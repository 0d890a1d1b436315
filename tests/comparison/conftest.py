"""Runs that several tests look at, written once."""

from pathlib import Path

import pytest
import pytorch_lightning  # noqa: F401  before TensorBoard loads TensorFlow, where that is installed: else triton crashes

from tests.comparison.made_runs import write_folds

SKILLS = {("mlp", "log_mel"): 0.5, ("mlp", "mfcc"): 0.45, ("cnn2d", "log_mel"): 0.85, ("cnn2d", "mfcc"): 0.6}


@pytest.fixture(scope="package")
def grid(tmp_path_factory) -> Path:
    """A folder of 2 models × 2 frontends × 2 seeds × 4 folds: 32 runs over twelve speakers."""
    runs = tmp_path_factory.mktemp("grid") / "runs"
    for noise, ((model, frontend), skill) in enumerate(SKILLS.items()):
        write_folds(runs, {"model": model, "frontend": frontend}, skill, noise, seeds=(0, 1))
    return runs


@pytest.fixture(scope="package", autouse=True)
def no_collecting():
    """`multipletests` collects garbage at each call: half a second beside a process's worth of torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", lambda *generation: 0)
        yield
