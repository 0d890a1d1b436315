"""Composing a config without Hydra's main: once for each trial of a search, in whichever process it is trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import VersionBase
from omegaconf import OmegaConf

from ser.commands.hydra_app import config_at_hand, plain_config
from ser.commands.mistakes import in_users_words
from ser.commands.overrides import as_hydra_takes_them
from ser.commands.top_file import composed
from ser.system.config_folder import config_folder


@dataclass(frozen=True, slots=True)
class Composer:
    """Overrides → the resolved config of `configs/<name>.yaml`, as `ser <name>` would have it.

    Args:
        name: Of the config.
        words: Overrides that always hold.
        folders: The user's own, beside ours (`--config-dir`).
        without: Nodes of the config to leave out.
        whole: Whether values that must be given have to be there.
    """

    name: str
    words: tuple[str, ...]
    folders: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    whole: bool = True

    def __call__(self, more: Sequence[str] = ()) -> dict[str, Any]:
        """The config with more overrides.

        Raises:
            UserError: A mistyped key or choice, with the nearest right one.
        """
        folders = [config_folder(), *map(Path, self.folders)]
        words = as_hydra_takes_them([*self.words, *more], self.name, folders)
        with in_users_words(self.name, words, folders):
            cfg = config_at_hand(composed(self.name, words, folders))
        config = plain_config(cfg, self.name, self.whole)
        return {key: value for key, value in config.items() if key not in self.without}


@contextmanager
def hydra_as_found() -> Iterator[None]:
    """Restores Hydra's global state after the block: a script or notebook may use Hydra itself."""
    ours = ("now", "hydra", "python_version")  # resolvers that Hydra registers when it is initialised
    added = [name for name in ours if not OmegaConf.has_resolver(name)]
    found = GlobalHydra.instance(), GlobalHydra.instance().hydra
    config, base = HydraConfig.instance().cfg, VersionBase.instance().version_base
    try:
        yield
    finally:
        GlobalHydra.set_instance(found[0])
        found[0].hydra = found[1]
        HydraConfig.instance().cfg, VersionBase.instance().version_base = config, base
        for name in added:
            OmegaConf.clear_resolver(name)
