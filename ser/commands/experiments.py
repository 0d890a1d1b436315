"""Removes an experiment's settings of a part where another part was chosen in its place.

`experiment=baseline_ravdess_cnn1d_1m` sets `split: {val: 0, stratify: […]}` for its own `split=random`. With
`split=emobox` beside it, Hydra would pass those settings to EmoBox' folds, which have none of them. Here a group with
another choice than the experiment's gets its own file's settings; typed overrides stay. An experiment that names no
model means the default one.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ser.commands.top_file import PRESETS, SEVERAL, composed, top_file
from ser.errors import UserError

ALIKE = ("trainer",)  # groups of which every choice takes the same settings


def without_stale(
    config: dict[str, Any], chosen: Mapping[str, str], app: str, typed: Sequence[str], places: Sequence[Path]
) -> dict[str, Any]:
    """The config without the settings that an experiment made for another part than the chosen one.

    Args:
        config: Composed, not resolved.
        chosen: The choice in each group.
        app: Name of the top file.
        typed: Overrides as typed.
        places: Folders with config files, the first that has a file wins.
    """
    names = _experiments(chosen.get(PRESETS), typed)
    experiment = _merged([{}, *(_read_experiment(places, name) for name in names)])
    for group in set(SEVERAL) & experiment.keys() & config.keys():  # settings of what is not among the several now
        stale = {key for key, node in config[group].items() if key in experiment[group] and "_target_" not in node}
        config = {**config, group: {key: node for key, node in config[group].items() if key not in stale}}
    named, default = dict(_own_choices(experiment)), top_file(app).groups
    stale = [
        group
        for group in experiment.keys() & (default.keys() | named.keys()) - {*SEVERAL, "defaults"}
        if chosen.get(group) != named.get(group, default.get(group)) and (group in named or group not in ALIKE)
    ]
    if not stale:
        return config
    config = copy.deepcopy(config)
    words = {word.lstrip("+").partition("=")[0] for word in typed}
    alone = composed(app, [f"{group}={chosen[group]}" for group in stale if chosen.get(group) is not None], places)
    for group in stale:
        part = OmegaConf.to_container(alone[group]) if chosen.get(group) is not None and alone.get(group) else {}
        shared = set() if group in named or group == "model" else part.keys()  # models share few settings
        by_itself = dict(_settings(part, group))
        for key, _ in _settings(experiment[group], group):
            if key not in words and key.split(".")[1] not in shared:
                _take_back(config, key, by_itself)
    return config


def _take_back(config: dict[str, Any], key: str, by_itself: Mapping[str, Any]) -> None:
    """Restores a key's value from the group's own file, or removes it and any empty node above it."""
    *above, name = key.split(".")
    nodes = [config]
    for part in above:
        nodes.append(nodes[-1].setdefault(part, {}))
        if not isinstance(nodes[-1], dict):
            return
    if key in by_itself:
        nodes[-1][name] = by_itself[key]
        return
    nodes[-1].pop(name, None)
    for i in range(len(above) - 1, 0, -1):
        if not nodes[i + 1]:
            del nodes[i][above[i]]


def _settings(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything but dicts; a list is one setting."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _settings(value, f"{prefix}.{key}")
    else:
        yield prefix, node


def _own_choices(experiment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(group, choice) of each `override /group: choice` in the defaults list; of two for one group the last counts."""
    for entry in experiment.get("defaults") or ():
        for key, choice in entry.items() if isinstance(entry, dict) else ():
            if key.startswith("override /") and "@" not in key:
                yield key.removeprefix("override /"), str(choice)


def _read_experiment(places: Sequence[Path], choice: str | None) -> dict[str, Any]:
    """An experiment's file, on top of the files that its defaults list names (`base/published`)."""
    own = read_config(places, PRESETS, choice)
    listed = [entry for entry in own.get("defaults") or [] if isinstance(entry, str)]
    above = [_read_experiment(places, entry.partition("@")[0].removeprefix(f"/{PRESETS}/")) for entry in listed]
    return _merged([*above, own])


def _merged(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several files as one, the last counts; their defaults lists one after the other."""
    merged = OmegaConf.to_container(OmegaConf.merge(*files))
    return {**merged, "defaults": [entry for file in files for entry in file.get("defaults") or ()]}


def _experiments(choice: Any, typed: Sequence[str]) -> list[str]:
    """The names of the chosen experiments: of a list, `experiment=[a,b]`, Hydra's choices have none."""
    if choice is not None:
        return [str(choice)]
    lists = [re.fullmatch(rf"\+?{PRESETS}=\[(.*)\]", word) for word in typed]
    names = [name.strip() for found in lists if found for name in found[1].split(",")]
    return [name for name in names if name]


def read_config(places: Sequence[Path], group: str, choice: str | None) -> dict[str, Any]:
    """The content of a config file; empty if there is none.

    Args:
        places: Folders with config files, the first that has the file wins.
        group, choice: Its name.

    Raises:
        UserError: It is not a mapping.
    """
    for place in places:
        path = place / group / f"{choice}.yaml"
        if choice is not None and path.is_file():
            found = OmegaConf.to_container(OmegaConf.load(path))  # as Hydra reads it: 1e-3 is a number
            if not isinstance(found, dict):
                raise UserError(f"{path} holds a list: a config file is lines of 'key: value'.")
            return found
    return {}
