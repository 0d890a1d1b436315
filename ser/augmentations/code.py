"""Which code the augmentations run: rendered views are good for as long as that code is the same."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

HERE = "ser.augmentations"


def code_fingerprint(augmentations: Sequence[object]) -> str | None:
    """A hash of this package's source, or None where one of them is defined outside it.

    Nobody knows which files a stranger's class depends on, so what it makes is not kept from run to run.
    """
    if all(f"{type(augmentation).__module__}.".startswith(f"{HERE}.") for augmentation in augmentations):
        return _package_hash()
    return None


@cache
def _package_hash() -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
