"""Arguments of commands that compose no config; mistakes are reported as everywhere in `ser`."""

import argparse
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from ser.errors import UserError, did_you_mean
from ser.system.choices import DEVICES


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
        if message.endswith("required: run"):
            raise UserError(f"Name a run: {self.prog} runs/NAME (see --help).")
        sentence = message if message.endswith((".", "?")) else f"{message}."
        raise UserError(f"{self.prog}: {sentence} See {self.prog} --help.")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """`--trust one,two`: packages whose classes a run's config may name."""
    parser.add_argument("--trust", type=_packages, action="extend", default=[], metavar="PACKAGE")


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`: what a model runs on."""
    parser.add_argument("--device", choices=DEVICES, default="auto")


def output_file(name: str, option: str = "--output") -> Path:
    """A path that a file can be written to, checked before anything is read.

    Raises:
        UserError: A folder, something else than a file, or in a folder that does not exist.
    """
    path = Path(os.path.expanduser(name))
    if not name or path.is_dir():
        raise UserError(f"{option} {name}: name a file, not a folder.")
    if path.exists() and not path.is_file():
        raise UserError(f"{option} {name}: it exists and is not a file.")  # /dev/null would be replaced
    if not path.parent.is_dir():
        raise UserError(f"{option} {name}: there is no folder {path.parent}.")
    return path


def format_of(output: Path, suffixes: Mapping[str, str], otherwise: str = "or add --format") -> str:
    """The format that the suffix of `--output` selects.

    Args:
        output: The file.
        suffixes: Suffix → format.
        otherwise: What else to do, for the message.

    Raises:
        UserError: Another suffix.
    """
    if output.suffix.lower() not in suffixes:
        raise UserError(f"--output {output}: the suffix selects the format: {', '.join(suffixes)}; {otherwise}.")
    return suffixes[output.suffix.lower()]


def whole(what: str, low: int = 1, high: float = float("inf")) -> Callable[[str], int]:
    """The type of an argument that is a whole number.

    Args:
        what: It is, for the message.
        low, high: Its range.
    """

    def read(text: str) -> int:
        if not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not {what}")
        return int(text)

    return read


def number(what: str, high: float) -> Callable[[str], float]:
    """The type of an argument that is a number from 0 to `high`; `what` it is, for the message."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not {what}")
        return value

    return read


def names(text: str | None) -> list[str]:
    """The names in `one,two`, each once."""
    return list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def _packages(text: str) -> list[str]:
    for name in names(text):
        if not all(part.isidentifier() for part in name.split(".")):
            raise argparse.ArgumentTypeError(f"'{name}' is not the name of a package")
    return names(text)
