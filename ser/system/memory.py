"""How the C library treats memory that is freed and soon allocated again."""

import numpy as np

LARGE = 30_000_000  # bytes, below the 32 MB up to which glibc learns


def keep_freed_memory() -> None:
    """Has glibc keep blocks of up to 30 MB instead of giving them back to the system.

    By itself it returns blocks above 128 kB, and the page faults of asking for them again cost as much as decoding or
    transforming a recording, and tens of milliseconds in a training step. It learns from the largest block that was
    freed (the dynamic threshold of `man mallopt`); other C libraries ignore this.
    """
    np.empty(LARGE, dtype=np.uint8)
