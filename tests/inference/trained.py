"""Runs to predict with: trained for an epoch or two by the command line, as users do."""

from pathlib import Path

from ser.cli import main

QUICK = ("model=mlp", "model.hidden=[16]", "trainer=cpu", "trainer.max_epochs=2", "split=random", "run.progress=false")


def trained_run(runs: Path, root: Path, *arguments: str, dataset: str = "ravdess") -> Path:
    """The directory of a run on the corpus in `root`; arguments of `QUICK` that are given again are left out."""
    given = {word.split("=")[0] for word in arguments}
    quick = [word for word in QUICK if word.split("=")[0] not in given and not ("model" in given and "model." in word)]
    # as of a grid: without the page
    words = ["train", "-m", f"dataset={dataset}", f"dataset.root={root}", f"run.dir={runs}", *quick, *arguments]
    before = set(runs.iterdir()) if runs.is_dir() else set()
    assert main(words) == 0
    (run,) = [path for path in set(runs.iterdir()) - before if (path / "finished.json").is_file()]
    return run
