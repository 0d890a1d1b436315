"""A run's identity: a hash of its configuration and of the content of its paths. Equal identities are the same run.

Part of it is every setting that changes a number. Not part of it are the places of files, the device, the verbosity
and the management of runs (`run.name`, `run.rerun`, `sweep.skip`).
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

# `dataset.root`, `dataset.csv`, `dataset.ravdess_root`, `augmentation.noise_folder`: recognised by the key's last word
PATH_KEY = re.compile(r"(^|_)(root|path|(?<!bad_)file|folder|dir|csv|metadata)$")  # `on_bad_file` is not a path
OF_MODELS = ("frontend", "model", "normaliser", "optimizer", "scheduler", "loss")  # in which a number is no path
DEVICE_KEYS = frozenset(f"trainer.{name}" for name in ("accelerator", "devices", "num_nodes", "strategy"))
ABSENT = ("loss.numbers", "split.train_only")  # settings that are younger than some runs: null is as without them
# of a node that has `content`, which says what its checkpoint holds
CHECKPOINT_KEYS = frozenset(["checkpoint", "gradient_checkpointing", "online"])
OTHER_KEYS = frozenset(
    ["batch_size", "choices", "init_from", "lower_is_better", "logger", "members", "published", "run", "sweep", "tune"]
)
COUNTED_OTHERWISE = ("batch_size", "init_from")  # of OTHER_KEYS: part of the identity in another shape


def counts(key: str, beside: Collection[str] | Mapping[str, Any] = ()) -> bool:
    """Whether the dotted config key belongs to the identity.

    Args:
        key: Of a setting.
        beside: The flat config: where a checkpoint's content is in it, its place does not count; a number of a model is
            no path, whatever it is called (`model.drop_path`).

    >>> counts("optimizer.lr"), counts("dataset.root"), counts("trainer.devices"), counts("dataset.on_bad_file")
    (True, False, False, True)
    >>> counts("dataset.metadata"), counts("dataset.of.tess.root")
    (False, False)
    >>> counts("checkpoint"), counts("frontend.checkpoint"), counts("frontend.checkpoint", {"frontend.content"})
    (True, True, False)
    >>> counts("model.drop_path", {"model.drop_path": 0.1}), counts("dataset.of.lab.columns.emotion")
    (True, False)
    """
    group, *inside = key.split(".")
    if key in DEVICE_KEYS or group in OTHER_KEYS or (group == "dataset" and "columns" in inside):
        return False  # the names of a list's columns make no difference, their content does
    node, _, name = key.rpartition(".")
    if name in CHECKPOINT_KEYS and f"{node}.content" in beside:
        return False
    is_number = group in OF_MODELS and isinstance(beside, Mapping) and isinstance(beside.get(key), int | float)
    return is_number or not PATH_KEY.search(name)


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf; lists are leaves unless they hold nodes.

    >>> dict(flatten({"a": {"b": 1}, "c": [2, 3]}))
    {'a.b': 1, 'c': [2, 3]}
    """
    if isinstance(config, dict) and (config or not prefix):
        for key, value in config.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(config, list) and any(isinstance(item, dict) for item in config):
        for i, item in enumerate(config):
            yield from flatten(item, f"{prefix}.{i}")
    else:
        yield prefix, config


def identity(config: dict[str, Any], fingerprints: dict[str, str], num_devices: int) -> str:
    """Ten hexadecimal digits that name the experiment.

    Args:
        config: The resolved config.
        fingerprints: Content hashes of the paths' targets: `dataset`, `init_from`.
        num_devices: Batches are counted over all devices: 2 × 32 is the same experiment as 1 × 64.

    Numbers that are equal are one setting, `1`, `1.0` and `1e0`; a number and a text (`'1'`) or a boolean are two.
    """
    flat = dict(flatten(config))
    counted = {key: plain(value) for key, value in flat.items() if counts(key, flat)}
    counted = {key: value for key, value in counted.items() if value is not None or key not in ABSENT}
    counted["batch_size"] = config["batch_size"] * num_devices
    text = json.dumps({"config": counted, "content": fingerprints}, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def plain(value: Any) -> Any:
    """Equal numbers become equal values: `1`, `1.0` and `1e0` are one setting, a number and a text are two."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
