"""Which code a frontend runs: what is kept of its values is good for as long as that code is the same."""

import hashlib
from functools import cache
from pathlib import Path

from torch import nn

HERE = "ser.frontends"


def code_fingerprint(frontend: nn.Module) -> str | None:
    """A hash of this package's source, or None where a part of the frontend is defined outside it.

    Nobody knows which files a stranger's class depends on, so what it computes is not kept from run to run.
    """
    homes = {type(module).__module__ for module in frontend.modules()}
    if all(f"{home}.".startswith((f"{HERE}.", "torch.")) for home in homes):
        return _package_hash()
    return None


@cache
def _package_hash() -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
