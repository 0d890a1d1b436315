"""What `configs/<app>.yaml` says by itself: its settings, and the groups that it chooses from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from ser.system.config_folder import config_folder

PRESETS = "experiment"  # the group whose files settle keys of all others
SEVERAL = ("logger", "metrics")  # groups of which several are chosen at once


@dataclass(frozen=True, slots=True)
class TopFile:
    """A top file.

    Args:
        settings: Its own keys with their values; of a group those that all of its choices share.
        groups: The groups of its defaults list, each with its choice there, or None, or a list of several.
    """

    settings: dict[str, Any]
    groups: dict[str, str | list[str] | None]


@cache
def top_file(app: str) -> TopFile:
    """The top file of a command, with the one that it is built on.

    Args:
        app: `train`, `tune`, `evaluate`, `explore`.
    """
    content = OmegaConf.to_container(OmegaConf.load(config_folder() / f"{app}.yaml"))
    settings, groups = {}, {}
    for entry in content.pop("defaults"):
        if isinstance(entry, dict):
            groups |= {group: choice for group, choice in entry.items() if " " not in group}
        elif entry != "_self_":
            base = top_file(entry)
            settings, groups = settings | base.settings, groups | base.groups
    return TopFile(settings | {key: value for key, value in content.items() if key != "hydra"}, groups)


def choices_of(group: str, folders: Sequence[Path]) -> list[str]:
    """Names of a group's choices.

    Args:
        group: As it is typed.
        folders: Where config files lie.
    """
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def search_path(folders: Sequence[Path]) -> list[str]:
    """The user's own folders as an override; in quotes, for a folder may have any name.

    Args:
        folders: Where config files lie, ours among them.
    """
    own = (str(folder).replace("'", "\\'") for folder in folders if folder != config_folder())
    quoted = ",".join(f"'file://{folder}'" for folder in own)
    return [f"hydra.searchpath=[{quoted}]"] if quoted else []


def composed(app: str, words: Sequence[str], folders: Sequence[Path]) -> DictConfig:
    """The config with Hydra's own node, composed outside of Hydra's main.

    Args:
        app: Name of the top file.
        words: Overrides.
        folders: Where config files lie.
    """
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return hydra.compose(app, [*words, *search_path(folders)], return_hydra_config=True)
