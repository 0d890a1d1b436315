"""Keyword arguments and dicts as overrides in Hydra's grammar: `optimizer={"lr": 1e-3}` is `optimizer.lr=0.001`."""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ser.commands.overrides import in_quotes
from ser.errors import UserError

BARE = r"[A-Za-z_][A-Za-z0-9_]*"  # needs no quotes, and is as a choice is typed
TYPES = r"null|true|false|inf|nan"  # which unquoted are no text


def overrides_of(overrides: Sequence[str | Mapping[str, Any]], settings: Mapping[str, Any]) -> list[str]:
    """All arguments of a call as the words of a command line.

    Args:
        overrides: Words as on the command line, and dicts.
        settings: Keyword arguments.

    Raises:
        UserError: An argument of another type.

    >>> overrides_of(["model=cnn2d"], {"seed": 0, "optimizer": {"lr": 1e-3}, "dataset.merge": {"calm": "neutral"}})
    ['model=cnn2d', 'seed=0', 'optimizer.lr=0.001', 'dataset.merge={calm: neutral}']
    """
    words = []
    for given in [*overrides, settings]:
        if isinstance(given, str):
            words.append(given)
        elif isinstance(given, Mapping):
            words += [f"{key}={in_grammar(value, key)}" for key, value in _by_key(given)]
        else:
            raise UserError(
                f"{given!r} is no override: write text as on the command line, 'optimizer.lr=1e-3', or keyword "
                "arguments, optimizer={'lr': 1e-3}."
            )
    return words


def _by_key(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values; a dict under a top-level name is several settings of that part."""
    for key, value in given.items():
        if isinstance(value, Mapping) and value and "." not in str(key):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield str(key), value


def in_grammar(value: Any, key: str) -> str:
    """A Python value as Hydra's grammar takes it: text stays text, whatever is in it.

    Args:
        value: None, a boolean, a number (NumPy's too), text, a path, or a list or dict of these.
        key: For the message.

    Raises:
        UserError: A value of another type.

    >>> [in_grammar(value, "") for value in (None, True, 1e-05, "cnn2d", "1e-3", ["angry", "null"])]
    ['null', 'true', '1e-05', 'cnn2d', "'1e-3'", "[angry,'null']"]
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of NumPy's or torch's
        value = value.item()
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, int | float):
        return str(value).lower() if isinstance(value, float) and not math.isfinite(value) else repr(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        bare = re.fullmatch(BARE, value) and not re.fullmatch(TYPES, value, flags=re.I)
        return value if bare else in_quotes(os.path.expanduser(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(in_grammar(item, key) for item in value)}]"
    if isinstance(value, Mapping):
        inside = (f"{_name(name, key)}: {in_grammar(item, key)}" for name, item in value.items())
        return f"{{{', '.join(inside)}}}"
    raise UserError(f"{key}: a {type(value).__name__} is no setting. Give a number, text, a path, or a list or dict.")


def _name(name: Any, key: str) -> str:
    """The name of an item of a dict, which the grammar does not take in quotes."""
    if not re.fullmatch(r"[\w.+-]+( [\w.+-]+)*", str(name), flags=re.ASCII):
        raise UserError(f"{key}: Hydra takes names of letters a to z, digits, . _ + and - only, not {name!r}.")
    return str(name)
