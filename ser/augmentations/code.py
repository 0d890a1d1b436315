"""Which code the augmentations run: rendered views are good for as long as that code is the same."""

from collections.abc import Sequence

from ser.system.source_code import package_fingerprint


def code_fingerprint(augmentations: Sequence[object]) -> str | None:
    """A hash of this package's source, or None where one of them is defined outside it."""
    return package_fingerprint("ser.augmentations", {type(augmentation).__module__ for augmentation in augmentations})
