"""The pair of torch and torchaudio."""

from importlib.metadata import PackageNotFoundError

import pytest

from ser import compatibility
from ser.errors import UserError


def pretend(monkeypatch, **versions):
    def version(package):
        if versions[package] is None:
            raise PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(compatibility, "version", version)


def test_the_installed_pair_fits():
    compatibility.check_torch_pair()


@pytest.mark.parametrize(
    ("torch", "torchaudio"),
    [("2.11.0", "2.11.0"), ("2.14.1", "2.11.0"), ("2.14.1+cpu", "2.11.0+cpu"), ("2.12.0+cu130", "2.11.0+cu128")],
)
def test_pairs_that_work(monkeypatch, torch, torchaudio):
    pretend(monkeypatch, torch=torch, torchaudio=torchaudio)
    compatibility.check_torch_pair()


@pytest.mark.parametrize(
    ("torch", "torchaudio"),
    [
        ("2.10.0", "2.11.0"),
        ("2.15.0", "2.11.0"),
        ("3.0.0", "2.11.0"),
        ("2.14.1", "2.10.0"),
        ("2.14.1+cpu", "2.11.0"),
        ("2.14.1", "2.11.0+cpu"),
    ],
)
def test_pairs_that_do_not_are_told_in_one_sentence(monkeypatch, torch, torchaudio):
    pretend(monkeypatch, torch=torch, torchaudio=torchaudio)
    with pytest.raises(UserError) as error:
        compatibility.check_torch_pair()
    for part in (f"torch {torch}", f"torchaudio {torchaudio}", "pip install", "torch>=2.11,<2.15", "README"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["torch", "torchaudio"])
def test_a_missing_one(monkeypatch, missing):
    pretend(monkeypatch, **({"torch": "2.14.1", "torchaudio": "2.11.0"} | {missing: None}))
    with pytest.raises(UserError, match=f"^{missing} is not installed"):
        compatibility.check_torch_pair()


def test_pyproject_declares_the_same_range():
    from pathlib import Path

    project = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    for requirement in ("torch>=2.11,<2.15", "torchaudio==2.11.*"):
        assert f'"{requirement}"' in project and requirement in compatibility.REMEDY
