"""Where things are kept that can be made again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$SER_CACHE` if set, else the user's cache folder of this system (on Linux `~/.cache/ser`). Not created here."""
    chosen = os.environ.get("SER_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # only where it is needed: `ser --help` does not pay for it

    return Path(platformdirs.user_cache_dir("ser"))
