"""Arguments of commands that compose no config; mistakes are reported as everywhere in `ser`."""

import argparse
import os
import re
from pathlib import Path
from typing import NoReturn

from ser.errors import UserError, did_you_mean


class Parser(argparse.ArgumentParser):
    """`argparse` with this project's errors: one sentence with the nearest right name, exit code 2.

    Args:
        command: As typed, `ser runs`; the command itself answers `--help`.
    """

    def __init__(self, command: str):
        super().__init__(prog=command, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raises argparse's message.

        Raises:
            UserError: Always.
        """
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if unknown:
            word = unknown.group(1)
            known = [option for action in self._actions for option in action.option_strings]
            raise UserError(f"{self.prog} has no argument '{word}'. {did_you_mean(word.split('=')[0], known)}")
        sentence = message if message.endswith((".", "?")) else f"{message}."
        raise UserError(f"{self.prog}: {sentence} See {self.prog} --help.")


def output_file(name: str) -> Path:
    """A path for `--output` that a file can be written to, checked before anything is read.

    Raises:
        UserError: A folder, something else than a file, or in a folder that does not exist.
    """
    path = Path(os.path.expanduser(name))
    if not name or path.is_dir():
        raise UserError(f"--output {name}: name a file, not a folder.")
    if path.exists() and not path.is_file():
        raise UserError(f"--output {name}: it exists and is not a file.")  # /dev/null would be replaced
    if not path.parent.is_dir():
        raise UserError(f"--output {name}: there is no folder {path.parent}.")
    return path


def packages(text: str) -> list[str]:
    """The names in `--trust one,two`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise argparse.ArgumentTypeError(f"'{name}' is not the name of a package")
    return names
