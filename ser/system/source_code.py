"""Which code makes what is kept from run to run: it is good for as long as that code is the same."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def package_fingerprint(package: str, homes: Iterable[str]) -> str | None:
    """A hash of a package's source, or None where a part is defined outside it.

    Nobody knows which files a stranger's class depends on, so what it computes is not kept.

    Args:
        package: Of ours, `ser.frontends`.
        homes: Modules that the parts are defined in.
    """
    if all(f"{home}.".startswith(f"{package}.") for home in homes):
        return _hash_of(package)
    return None


@cache
def _hash_of(package: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parents[2].joinpath(*package.split(".")).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
