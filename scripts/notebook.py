"""Runs docs/notebook.ipynb on a copy of RAVDESS as Kaggle has it, and keeps its outputs.

python -m scripts.notebook FOLDER      (the folder with Actor_01 … Actor_24)
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
INNER = "audio_speech_actors_01-24"  # Kaggle's copies hold every file twice


def kaggle_copy(ravdess: Path, folder: Path) -> None:
    """Every recording as a link, in its actor's folder and once more in the inner folder.

    Args:
        ravdess: The recordings.
        folder: To be made.
    """
    for recording in ravdess.glob("Actor_*/*"):
        for place in (folder, folder / INNER):
            link = place / recording.parent.name / recording.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(recording)


def executed(notebook: NotebookNode, ravdess: Path, folder: Path) -> NotebookNode:
    """The notebook with the outputs of a run of all its cells.

    Args:
        notebook: With or without outputs.
        ravdess: The recordings.
        folder: Empty; the kernel's working folder.
    """
    kaggle_copy(ravdess, folder / "ravdess")
    (folder / "runs").mkdir()
    before = dict(os.environ)
    os.environ |= {
        "RAVDESS": "ravdess",
        "PYTHONPATH": str(NOTEBOOK.parents[1]),
        "SER_CACHE": str(folder / "cache"),  # as when it is run for the first time
        "OMP_NUM_THREADS": "1",  # the models are small, and other work may share the processor
    }
    try:
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}},
            coalesce_streams=True, record_timing=False,
        )  # fmt: skip
        return client.execute()
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> None:
    """Writes the notebook anew."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(nbformat.read(NOTEBOOK, as_version=4), Path(sys.argv[1]).absolute(), Path(folder))
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
