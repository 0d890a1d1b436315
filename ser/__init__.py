"""Train, compare and use speech emotion recognition models: `from ser import load` gives a trained one."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`ser.load`, imported when asked for: what it needs takes seconds, and most of `ser` needs none of it."""
    if name == "load":
        from ser.inference.load import load

        return load
    raise AttributeError(f"module 'ser' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), "load"]
