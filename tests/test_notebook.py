"""docs/notebook.ipynb: stored with the outputs of a real run, and still true."""

from pathlib import Path

import nbformat
import pytest

from scripts.notebook import NOTEBOOK, executed
from tests.tiny_corpora import real_corpus


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def texts(notebook) -> list[str]:
    """What each output says."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.get("text") or str(output.data.get("text/plain")) for output in outputs]


def test_it_is_stored_as_it_was_run(notebook):
    assert len(notebook.cells) == 10 and NOTEBOOK.stat().st_size < 500_000
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    stored = NOTEBOOK.read_text(encoding="utf-8")
    assert not [place for place in ("/tmp", "/work", "/home", "/root", str(Path.home())) if f"{place}/" in stored]
    assert stored.count("image/png") >= 2 and "<table" in stored


@pytest.mark.slow
@pytest.mark.corpus
def test_it_runs(notebook, tmp_path):
    before = texts(notebook)
    recordings = real_corpus("ravdess")
    after = texts(executed(notebook, recordings, tmp_path))
    assert any("1440 second copies skipped" in text for text in after)
    assert any("Already trained: runs/" in text for text in after) and "True" in after
    assert not [text for text in after if str(tmp_path) in text or str(recordings) in text]
    assert ("better" in after[-1] or "not distinguishable" in after[-1]) and len(after) >= len(before) - 3
