"""What a run ran on, and whether that is what is here now."""

import json

import pytest

from ser.runs import environment
from ser.runs.environment import describe_environment, made_by_another, made_by_others


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """This version and this commit."""
    monkeypatch.setattr(environment, "_git_commit", lambda: "aaaa")
    monkeypatch.setattr(environment, "_version", lambda package: "2.0")


def made(folder, name, **versions):
    run = folder / name
    run.mkdir()
    described = describe_environment("cpu", 1)
    described["git_commit"] = versions.pop("commit", described["git_commit"])
    described["versions"].update(versions)
    (run / "environment.json").write_text(json.dumps(described))
    return run


def test_the_same_is_no_difference(tmp_path):
    assert made_by_another(made(tmp_path, "a")) == ""
    assert made_by_another(made(tmp_path, "b", numpy="1.0", librosa="0.1")) == "", "figures do not hang on these"
    assert made_by_others([tmp_path / "a", tmp_path / "b", tmp_path / "nowhere"]) == []


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"torch": "1.0"}, "torch 1.0 (now 2.0)"),
        ({"ser": "1.0"}, "ser 1.0 (now 2.0)"),
        ({"commit": "bbbb"}, "commit bbbb (now aaaa)"),
        ({"commit": "aaaa+changes"}, "commit aaaa+changes (now aaaa)"),
        ({"commit": "bbbb", "torch": "1.0"}, "commit bbbb (now aaaa), torch 1.0 (now 2.0)"),
    ],
)
def test_a_difference_is_named(tmp_path, before, words):
    note = made_by_another(made(tmp_path, "a", **before))
    assert f"made with {words};" in note and "rerun=true" in note


def test_what_is_not_known_is_no_difference(tmp_path, monkeypatch):
    assert made_by_another(made(tmp_path, "a", commit=None, torch=None)) == ""
    monkeypatch.setattr(environment, "_git_commit", lambda: None)  # an installed wheel
    assert made_by_another(made(tmp_path, "b", commit="bbbb")) == ""


def test_of_many_runs_those_that_differ_alike_are_told_together(tmp_path):
    alike = [made(tmp_path, f"alike{k}", torch="1.0") for k in range(3)]
    other = made(tmp_path, "other", ser="1.0")
    notes = made_by_others([*alike, other, made(tmp_path, "same")])
    assert len(notes) == 2
    assert notes[0].startswith("3 finished runs were made with torch 1.0") and notes[1].startswith("1 finished run was")
