"""torch and torchaudio are built for each other: a wrong pair is told at the start, in one sentence."""

import re
from importlib.metadata import PackageNotFoundError, version

from ser.errors import UserError

REMEDY = 'Install a fitting pair: pip install "torch>=2.11,<2.15" "torchaudio==2.11.*" (README: CPU-only builds).'


def check_torch_pair() -> None:
    """Looks at the installed versions, without importing either package.

    torchaudio 2.11 works with torch 2.11 to 2.14, and its CUDA build needs a torch that brings CUDA's libraries.

    Raises:
        UserError: One of the two is missing, too old or too new, or one is a CPU-only build and the other is not.
    """
    found = {}
    for package in ("torch", "torchaudio"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            raise UserError(f"{package} is not installed. {REMEDY}") from None
    torch, torchaudio = found["torch"], found["torchaudio"]
    if not _fits(torch, torchaudio):
        raise UserError(f"torch {torch} and torchaudio {torchaudio} do not work together. {REMEDY}")


def _fits(torch: str, torchaudio: str) -> bool:
    """Whether two version strings are a pair known to work.

    >>> _fits("2.14.1", "2.11.0"), _fits("2.15.0", "2.11.0"), _fits("2.14.1+cpu", "2.11.0")
    (True, False, False)
    """
    pattern = r"(\d+)\.(\d+)"
    torch_version = tuple(map(int, re.match(pattern, torch).groups()))
    torchaudio_version = tuple(map(int, re.match(pattern, torchaudio).groups()))
    same_build = ("+cpu" in torch) == ("+cpu" in torchaudio)
    return (2, 11) <= torch_version < (2, 15) and torchaudio_version == (2, 11) and same_build
