"""Fingerprints of the code that computes cached data, which is valid as long as that code is unchanged.

The code is the module that computes it, the parts that the config names, and all that these import inside `ser`. It is
read from the files: no version numbers to maintain, and unrelated files change nothing.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]  # the folder in which the package lies


def code_fingerprint(*names: str) -> str:
    """A hash of the source of modules of `ser` and of all that they import inside it, directly or through others.

    Args:
        names: Dotted, of modules or their members: `ser.data.store.waveforms`, `ser.frontends.mfcc.Mfcc`.
    """
    files, waiting = {}, list(names)
    while waiting:
        if (file := _file_of(waiting.pop())) not in files:
            files[file], imported = _read(file)
            waiting += imported
    return hashlib.sha256(b"".join(digest for _, digest in sorted(files.items()))).hexdigest()[:32]


def parts_fingerprint(parts: Any, *names: str) -> str | None:
    """`code_fingerprint` of `names` and of the classes that config nodes name; None where one is not of `ser`.

    The dependencies of other classes are unknown, so their results are not cached. Torch's are known by its version.

    Args:
        parts: A node with `_target_`, nested ones in it, or a list of such.
        names: As in `code_fingerprint`.
    """
    targets = {target for target in _targets(parts) if not target.startswith("torch.")}
    return code_fingerprint(*targets, *names) if all(target.startswith("ser.") for target in targets) else None


def _targets(node: Any) -> Iterator[str]:
    """Every `_target_` in a config node."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "_target_")
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _file_of(name: str) -> Path:
    """The file of the longest part of a dotted name that is a module or a package.

    Not those of the packages around it: `ser/__init__.py` knows the whole of `ser`.
    """
    place = ROOT.joinpath(*name.split("."))
    while place != ROOT:
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
        place = place.parent
    raise FileNotFoundError(f"{name}: no such module under {ROOT}")


@cache  # as at the first call: a file that changes later is not the code that runs
def _read(file: Path) -> tuple[bytes, list[str]]:
    """A hash of a module, and what it imports of `ser`, wherever in it: `from package import name` with the name."""
    source = file.read_bytes()
    imported = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported += [f"{node.module}.{alias.name}" for alias in node.names]
    return hashlib.sha256(source).digest(), [name for name in imported if name.startswith("ser.")]
