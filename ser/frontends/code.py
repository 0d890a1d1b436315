"""Which code a frontend runs: what is kept of its values is good for as long as that code is the same."""

from torch import nn

from ser.system.source_code import package_fingerprint


def code_fingerprint(frontend: nn.Module) -> str | None:
    """A hash of this package's source, or None where a part of the frontend is neither from it nor torch's."""
    homes = {type(module).__module__ for module in frontend.modules()}
    return package_fingerprint("ser.frontends", {home for home in homes if not f"{home}.".startswith("torch.")})
