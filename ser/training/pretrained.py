"""Pretrained checkpoints that a config names: their content is part of a run's identity, their place is not.

A frontend's node says where its checkpoint is (`checkpoint`) and what is in it (`content`, a hash): the first may
differ from machine to machine, the second may not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ser.data.store.hashes import content_hash, hash_files
from ser.errors import UserError
from ser.frontends.checkpoint import content_files, find_checkpoint
from ser.frontends.hub import find_or_fetch
from ser.runs.identity import CHECKPOINT_KEYS
from ser.system.cache import cache_folder


def with_checkpoints(config: dict[str, Any]) -> dict[str, Any]:
    """The config with the content of each pretrained checkpoint noted, and its place as an absolute path.

    A file is hashed once (`ser.data.store.hashes`), however large.

    Raises:
        UserError: A checkpoint is not found, or another than the one that the config notes.
    """

    def noted(node: dict[str, Any], where: str) -> dict[str, Any]:
        named = node["checkpoint"]
        if "online" in node:
            place = find_or_fetch(named, f"{where}.checkpoint", bool(node["online"]))
        else:
            place = find_checkpoint(named, f"{where}.checkpoint")
        found = content_of(place)
        if node["content"] not in (None, found):
            raise UserError(
                f"{where}.checkpoint={place} is another checkpoint than the one that was used before: its content is "
                f"{found}, and {where}.content={node['content']} was noted."
            )
        local = not node.get("online") or Path(str(named)).exists()
        return {**node, "checkpoint": str(place) if local else named, "content": found}

    return {**config, "frontend": _each(config["frontend"], "frontend", noted)}


def offline(config: dict[str, Any]) -> dict[str, Any]:
    """The config without leave to use the network: what a run's file says of it does not count."""
    return {
        **config,
        "frontend": _each(config.get("frontend"), "frontend", lambda node, _: node | {"online": False}, "online"),
    }


def what_computes(frontend: dict[str, Any]) -> dict[str, Any]:
    """A frontend's node with what decides the values of its features: of a checkpoint its content, not its place.

    Args:
        frontend: From `with_checkpoints`.
    """
    idle = (*CHECKPOINT_KEYS, "lr")
    return _each(frontend, "frontend", lambda node, _: {key: it for key, it in node.items() if key not in idle})


def content_of(place: Path) -> str:
    """Content hash of a checkpoint: of a file, or of a folder's settings and weights with their names.

    Raises:
        UserError: A file cannot be read.
    """
    files = content_files(place)
    hashes = hash_files(files, cache_folder())
    if place.is_file():
        return hashes[0]
    lines = [f"{file.name} {digest}" for file, digest in zip(files, hashes, strict=True)]
    return content_hash("\n".join(lines).encode())


def _each(node: Any, where: str, change: Callable[[dict[str, Any], str], dict[str, Any]], key: str = "content") -> Any:
    """A node with those nodes in it changed that name a checkpoint and have `key`."""
    if isinstance(node, dict):
        node = {name: _each(value, f"{where}.{name}", change, key) for name, value in node.items()}
        return change(node, where) if "checkpoint" in node and key in node else node
    return (
        [_each(value, f"{where}.{i}", change, key) for i, value in enumerate(node)] if isinstance(node, list) else node
    )
