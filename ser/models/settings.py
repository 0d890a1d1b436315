"""Error messages of the models for invalid settings in YAML or on the command line.

Settings are named as they are typed: `model.blocks.1.pool`, where 1 is the second block.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ser.errors import UserError, did_you_mean
from ser.instantiate import check_settings

Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], given: Any, setting: str) -> Settings:
    """A dataclass filled from a plain dict, with its defaults for missing keys.

    Args:
        kind: Dataclass whose fields are the schema.
        given: Plain dict from YAML.
        setting: Name under which the user wrote it, for the message.

    Raises:
        UserError: A key is unknown or missing, a value is invalid, or `given` is not a dict.
    """
    if not isinstance(given, Mapping):
        raise UserError(f"{setting} must be a mapping such as {{{fields(kind)[0].name}: 64}}, not {given!r}.")
    check_settings(kind, given, setting)
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
