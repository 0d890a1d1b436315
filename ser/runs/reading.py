"""The small files of a run, read as plain data without trusting them: its config and its JSON.

A run may come from elsewhere, be truncated or damaged. Files are bounded in bytes, in depth and in the size of their
aliases, numbers fit 64 bits, and no key occurs twice; any fault is reported in one sentence. Checkpoints are read by
`ser.runs.weights`.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ser.errors import UserError
from ser.system.files import read_bytes

MOST_BYTES = 2**24  # of one such file
MOST_NODES = 1_000_000  # values in JSON, including those in lists
MOST_SETTINGS = 20_000  # of a config; a usual one has some hundred
DEEPEST = 40
LARGEST = 2**256  # whole number in a config, such as a seed
LONGEST = 10_000  # characters of a value in YAML, which may be a number
MAPPINGS = (  # of a config: each is a node, or empty
    "audio", "augmentation", "choices", "dataset", "early_stopping", "frontend", "loss", "metrics", "model",
    "optimizer", "run", "scheduler", "split", "sweep", "trainer",
)  # fmt: skip


class _EachKeyOnce:
    def construct_mapping(self, node, deep=False):
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise ValueError("a key occurs twice in one mapping")
        return found


class _Loader(_EachKeyOnce, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Plain data only."""


class _SlowLoader(_EachKeyOnce, yaml.SafeLoader):
    """Takes paths that are not UTF-8, too, which libyaml refuses."""


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    data = read_bytes(file, MOST_BYTES)
    hooks = {"object_pairs_hook": _each_once, "parse_float": _finite, "parse_constant": _finite}
    try:
        found = json.loads(data.decode("utf-8"), **hooks)
        _check(found, MOST_NODES, 2**63)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({_why(error)}).") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} is damaged (it is not a JSON object).")
    return found


def read_config(file: Path) -> dict[str, Any]:
    """The config in a YAML file; nothing in it is resolved or executed.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    return check_config(read_yaml(file), file)


def read_yaml(file: Path) -> Any:
    """What is in a YAML file, as plain data.

    Raises:
        UserError: The file cannot be read, or is not YAML that `ser` writes.
    """
    data = read_bytes(file, MOST_BYTES)
    try:
        return _read_yaml(data.decode("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:  # an invalid date, a list as a key
        raise UserError(f"{file} is damaged: {_why(error)}.") from error


def check_config(config: Any, where: Path) -> dict[str, Any]:
    """Refuses an invalid config, before any of it is used.

    Args:
        config: As read.
        where: Its file.

    Raises:
        UserError: Not a mapping, a list instead of a node, too many settings, NaN, an invalid key.
    """
    if not isinstance(config, dict):
        raise UserError(f"{where} is not the config of a run.")
    try:
        _check(config, MOST_SETTINGS, LARGEST)
        for key in MAPPINGS:
            if not isinstance(config.get(key, {}), dict | None):
                raise UserError(f"{where} is not the config of a run: {key} is not a mapping.")
        _check_names({key: value for key, value in config.items() if key != "dataset"})
        _check_names(dict.fromkeys(config.get("dataset") or ()))  # the emotions that it merges may be numbers
    except ValueError as error:
        raise UserError(f"{where} is damaged: {error}.") from error
    if not all(isinstance(choice, str | None) for choice in (config.get("choices") or {}).values()):
        raise UserError(f"{where} is not the config of a run: a choice must be a name.")
    return config


def _read_yaml(text: str) -> Any:
    """Plain data. libyaml would overflow the stack on deep nesting, and nested merges grow without limit."""
    loader, depth = _SlowLoader if "\\uDC" in text else _Loader, 0
    for count, event in enumerate(yaml.parse(text, Loader=loader)):
        if count > MOST_SETTINGS:
            raise ValueError("it has too many settings")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} lists and mappings in each other")
        if isinstance(event, yaml.ScalarEvent) and (event.value == "<<" or len(event.value) > LONGEST):
            raise ValueError("a type of value that ser never writes")
    return yaml.load(text, Loader=loader)


def _check(value: Any, most: int, largest: int) -> None:
    """Counts values: a few lines of YAML can expand to billions, or contain themselves.

    Raises:
        ValueError: Too many, too deep, too large a whole number, or NaN.
    """
    waiting = [(value, 0)]
    while waiting:
        value, depth = waiting.pop()
        inner = list(value) if isinstance(value, dict | list | tuple) else []
        inner += value.values() if isinstance(value, dict) else []
        most -= 1 + len(inner) + (len(value) // 100 if isinstance(value, str | bytes) else 0)
        if most < 0 or depth > DEEPEST:
            raise ValueError("it has too many settings")
        waiting += [(item, depth + 1) for item in inner]
        if (isinstance(value, float) and math.isnan(value)) or (isinstance(value, int) and abs(value) >= largest):
            raise ValueError("it holds NaN, or a number that is too large")


def _check_names(value: Any) -> None:
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(value, Mapping) and not isinstance(key, str):
            raise ValueError(f"it has the setting {key!r}, which is not a name")
        if isinstance(item, dict | list | tuple):
            _check_names(item)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return float(text)


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"more than {DEEPEST} lists and objects in each other"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if "set_int_max_str_digits" in str(error):
        return "it holds a number that is too large"
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
