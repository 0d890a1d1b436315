"""Settings that a run's config lacks because it was written before they existed."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ser.runs.identity import counts
from ser.system.config_folder import config_folder

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # plain data only, like safe_load, and ten times as fast
NEVER_FILLED = frozenset(["batch_size", "choices"])  # they say what the run is, in another way than by their key


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """The config with today's default of each setting that does not count for the identity and that it lacks.

    What counts is never filled in: the run was made without it, and would get another identity.

    >>> filled = with_defaults({"seed": 3, "name": "mine"})
    >>> filled["seed"], filled["name"], filled["rerun"], "optimizer" in filled
    (3, 'mine', False, False)
    """
    defaults = _defaults(config_folder() / "train.yaml")
    return {**config, **{key: copy.deepcopy(value) for key, value in defaults.items() if key not in config}}


@cache
def _defaults(file: Path) -> dict[str, Any]:
    """The settings of train.yaml itself that do not count."""
    settings = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
    plain = {key: value for key, value in settings.items() if key not in ("defaults", "hydra")}
    return {key: value for key, value in plain.items() if key not in NEVER_FILLED and not counts(key)}
