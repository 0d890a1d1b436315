"""What the models say when a setting in YAML or on the command line cannot be right.

Settings are named as they are typed: `model.blocks.1.pool`, where 1 is the second block.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from ser.errors import UserError, did_you_mean

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], given: Any, setting: str) -> Settings:
    """A dataclass filled from a plain dict, with its defaults where the dict is silent.

    Args:
        kind: Dataclass whose fields are the schema.
        given: Plain dict from YAML.
        setting: Name under which the user wrote it, for the message.

    Raises:
        UserError: A key is unknown or missing, or `given` is no dict.
    """
    if not isinstance(given, Mapping):
        raise UserError(f"{setting} must be a mapping such as {{{fields(kind)[0].name}: 64}}, and is {given!r}.")
    known = [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            raise UserError(f"{setting} has no key '{key}'. {did_you_mean(str(key), known)}")
    for field in fields(kind):
        if field.default is MISSING and field.name not in given:
            raise UserError(f"{setting} needs '{field.name}'.")
    return kind(**dict(given))


def choose(value: Any, choices: Iterable[str], setting: str) -> str:
    """`value` if it is one of `choices`.

    >>> choose("mean", ["mean", "flatten"], "model.pooling")
    'mean'
    """
    choices = list(choices)
    if value not in choices:
        raise UserError(f"{setting} has no choice '{value}'. {did_you_mean(str(value), choices)}")
    return value


def positive(value: Any, setting: str) -> int:
    """`value` if it is a whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"{setting} must be a whole number of at least 1, and is {value!r}.")
    return value


def as_list(value: Any, setting: str, example: str) -> list:
    """`value` as a list; a lone number or word is the commonest slip on the command line."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise UserError(f"{setting} must be a list such as {example}, and is {value!r}.")
    return list(value)


def rate(value: Any, setting: str) -> float:
    """`value` if it is a dropout rate: 0 (none) to below 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise UserError(f"{setting} must be a rate from 0 (no dropout) to below 1, and is {value!r}.")
    return float(value)
