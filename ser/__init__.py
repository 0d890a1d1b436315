"""Train, compare and use speech emotion recognition models, from a script or a notebook.

import ser

run = ser.train("dataset=ravdess", "model=cnn2d", seed=0)
run.metrics["test/uar"], run.predictions, run.figures
run.predict("recordings/")
ser.compare("runs")
"""

from importlib import import_module
from typing import Any

FROM = {  # name → its module, imported when it is asked for: what it needs takes seconds
    "train": "ser.commands.python.training",
    "crossval": "ser.commands.python.training",
    "compare": "ser.commands.python.comparing",
    "open_run": "ser.commands.python.run",
    "load": "ser.inference.load",
    "errors": "ser",
}
__all__ = list(FROM)


def __getattr__(name: str) -> Any:
    if name not in FROM:
        raise AttributeError(f"module 'ser' has no attribute '{name}'")
    return import_module("ser.errors") if name == "errors" else getattr(import_module(FROM[name]), name)


def __dir__() -> list[str]:
    return sorted([*FROM, *(name for name in globals() if name.startswith("__"))])
