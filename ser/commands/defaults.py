"""Defaults that depend on what a run predicts: those in train.yaml are of classes."""

from collections.abc import Sequence
from typing import Any

from ser.commands.top_file import top_file
from ser.data.targets import predicts_numbers

OF_NUMBERS = {"monitor": "val/ccc", "loss.label_smoothing": 0.0, "loss.numbers": "ccc"}


def of_target(config: dict[str, Any], app: str, typed: Sequence[str]) -> dict[str, Any]:
    """The config with the defaults of its target: of numbers those above, where nobody chose another value.

    A setting of the other target that was typed stays, and is refused when the run is checked.

    Args:
        config: Resolved.
        app: Name of the top file.
        typed: Overrides as typed.
    """
    loss = config.get("loss")
    if not isinstance(loss, dict):  # of another command than train and its kin
        return config
    if not predicts_numbers(config):
        own = {key: value for key, value in loss.items() if key != "numbers" or value is not None}
        return {**config, "loss": own}  # runs of classes are as before there were numbers
    by_default, chosen = top_file(app).settings, {word.lstrip("+").partition("=")[0] for word in typed}
    changed = {**config, "loss": dict(loss)}
    for key, value in OF_NUMBERS.items():
        name = key.rpartition(".")[2]
        default, node = (by_default["loss"], changed["loss"]) if "." in key else (by_default, changed)
        typed_so = bool({key, key.partition(".")[0]} & chosen)  # by itself, or with the node around it
        if node.get(name) is None or not typed_so and node[name] == default[name]:
            node[name] = value
    return changed
