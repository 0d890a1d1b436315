"""What a part cannot do without, found in its own test: tests of all parts ask here, and no list names a part."""

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from ser.system.config_folder import config_folder


def needs(group: str, choice: str, folder: Path) -> list[str]:
    """Overrides that a choice needs, from the function `needs(folder)` of `tests/<group>s/test_<choice>.py`.

    Args:
        group: Such as `frontend`.
        choice: Its file's name.
        folder: For what the test writes, such as a tiny checkpoint.
    """
    settings = of_test(group, choice, "needs", lambda folder: [])(folder)
    return [f"{group}.{setting}" for setting in settings]


def of_test(group: str, choice: str, name: str, default: Any) -> Any:
    """What the test of a choice says under `name`."""
    module = f"tests.{group}s.test_{choice}"
    return getattr(importlib.import_module(module), name, default) if find_spec(module) else default


def one_frame() -> list[str]:
    """The frontends that are statistics over time: one vector an utterance, for model=mlp."""
    files = sorted((config_folder() / "frontend").glob("*.yaml"))
    targets = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")).get("_target_") for file in files}
    return [name for name, target in targets.items() if target == "ser.frontends.time_stats.TimeStats"]
