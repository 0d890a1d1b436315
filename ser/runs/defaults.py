"""Settings that an older run's config lacks or has at another place."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ser.runs.identity import counts
from ser.system.config_folder import config_folder

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # plain data only, like safe_load, and ten times as fast
NEVER_FILLED = frozenset(["batch_size", "choices"])  # part of the identity in another way than by their key
BEFORE = {"dir": "runs_dir"}  # settings with another name at the top of older configs
GONE = {"run": ("compile",)}  # settings of older configs that changed no result and are not there any more


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """The config with today's default of each missing setting that is not part of the identity.

    Settings of the identity are never filled in: the run would get another one. Settings of the nodes `run` and `sweep`
    that are at the top, as in older configs, are moved into them.

    >>> filled = with_defaults({"seed": 3, "name": "mine", "runs_dir": "elsewhere"})
    >>> filled["seed"], filled["run"]["name"], filled["run"]["dir"], filled["run"]["rerun"], "name" in filled
    (3, 'mine', 'elsewhere', False, False)
    >>> "optimizer" in filled
    False
    """
    defaults = copy.deepcopy(_defaults(config_folder() / "train.yaml"))
    filled = {**config, **{key: value for key, value in defaults.items() if key not in config}}
    for node in (key for key, value in defaults.items() if isinstance(value, dict)):
        filled[node] = {**defaults[node], **(config.get(node) or {})}
        for name, older in ((name, BEFORE.get(name, name)) for name in defaults[node]):
            if "run" not in config and older in config:
                filled[node][name] = filled.pop(older)
        for name in GONE.get(node, ()):
            filled[node].pop(name, None)
    return filled


@cache
def _defaults(file: Path) -> dict[str, Any]:
    """The settings of train.yaml itself that are not part of the identity."""
    settings = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
    plain = {key: value for key, value in settings.items() if key not in ("defaults", "hydra")}
    return {key: value for key, value in plain.items() if key not in NEVER_FILLED and not counts(key)}
