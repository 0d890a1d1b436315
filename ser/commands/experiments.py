"""An experiment's settings of a part, taken back where another part was chosen in its place.

`experiment=baseline_ravdess_cnn1d_1m` sets `split: {val: 0, stratify: […]}` for its own `split=random`. With
`split=emobox` beside it, Hydra would hand those settings to EmoBox' folds, which know none of them. Here a group whose
choice is not the experiment's own comes as its own file says; what was typed stays.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf


def without_stale(cfg: DictConfig, chosen: Mapping[str, str], typed: list[str], places: list[Path]) -> DictConfig:
    """The config with the settings that an experiment made for a part that is not there taken back.

    Args:
        cfg: Composed, not resolved.
        chosen: The choice in each group.
        typed: Overrides as typed.
        places: Folders with config files, the first that has a file wins.
    """
    experiment = _read(places, "experiment", chosen.get("experiment"))
    stale = [group for group, own in _own_choices(experiment) if group in experiment and chosen.get(group) != own]
    if not stale:
        return cfg
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    words = {word.lstrip("+").partition("=")[0] for word in typed}
    for group in stale:
        by_itself = dict(_settings(_read(places, group, chosen.get(group)), group))
        for key, _ in _settings(experiment[group], group):
            if key not in words:
                _take_back(cfg, key, by_itself)
    return cfg


def _take_back(cfg: DictConfig, key: str, by_itself: Mapping[str, Any]) -> None:
    """Gives a key the value of the group's own file, or takes it out, and what is left empty above it."""
    if key in by_itself:
        OmegaConf.update(cfg, key, by_itself[key], merge=False)
        return
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, parent)
    if isinstance(node, DictConfig) and name in node:
        del node[name]
        if not node and "." in parent:
            _take_back(cfg, parent, by_itself)


def _settings(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of whatever is no dict; a list is one setting."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _settings(value, f"{prefix}.{key}")
    else:
        yield prefix, node


def _own_choices(experiment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(group, choice) of each `override /group: choice` in the file's defaults list."""
    for entry in experiment.get("defaults", ()):
        for key, choice in entry.items() if isinstance(entry, dict) else ():
            if key.startswith("override /") and "@" not in key:
                yield key.removeprefix("override /"), str(choice)


def _read(places: list[Path], group: str, choice: str | None) -> dict[str, Any]:
    """A config file as it stands; nothing where there is none."""
    for place in places:
        path = place / group / f"{choice}.yaml"
        if choice is not None and path.is_file():
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
    return {}
