"""The folder of data that can be computed again."""

import os
from pathlib import Path

from ser.errors import UserError


def cache_folder() -> Path:
    """`$SER_CACHE` if set, else the user's cache folder of this system (on Linux `~/.cache/ser`). Not created here.

    Raises:
        UserError: It would lie in the home folder of a user who has none, as in a container.
    """
    chosen = os.environ.get("SER_CACHE")
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        import platformdirs  # only where it is needed: `ser --help` does not pay for it

        return Path(platformdirs.user_cache_dir("ser"))
    except RuntimeError as error:
        raise UserError(
            "This user has no home folder, where decoded recordings would be kept: set SER_CACHE to another folder."
        ) from error
