"""torch and torchaudio are built for each other: a wrong pair is reported in one sentence."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest

from ser.errors import UserError
from ser.frontends import functional

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Broken(types.ModuleType):
    """What importing a CUDA torchaudio beside a CPU torch does."""

    def __getattr__(self, name: str):
        raise OSError("libc10_cuda.so: cannot open shared object file")


@pytest.mark.parametrize("torchaudio", [None, Broken("torchaudio.functional")])
def test_a_torchaudio_that_does_not_load(monkeypatch, torchaudio):
    monkeypatch.setitem(sys.modules, "torchaudio.functional", torchaudio)
    spec = importlib.util.spec_from_file_location("functional_again", functional.__file__)
    with pytest.raises(UserError, match="torchaudio does not load beside torch.*pip install.*README") as error:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert "\n" not in str(error.value)
    for requirement in ("torch>=2.11,<2.15", "torchaudio==2.11.*"):  # as pyproject.toml declares them
        assert requirement in str(error.value) and f'"{requirement}"' in PYPROJECT.read_text(encoding="utf-8")
