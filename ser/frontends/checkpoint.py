"""Pretrained checkpoints as they are published: found, read as plain data and weights; nothing in them is executed.

A checkpoint is a folder of Hugging Face's (`config.json` beside `model.safetensors`, whole or in shards) or a file of
weights. Looking at names and shapes is quick; values are read when they are asked for.
"""

import json
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ser.errors import UserError

HOME = "SER_PRETRAINED"  # a folder of checkpoints, for those that are named without a path or were moved
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
MOST_JSON = 2**26  # bytes; a configuration is thousands
CONVERT = (
    "a script that trusts it converts it: transformers.AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
)


def find_checkpoint(named: str | None, where: str) -> Path:
    """The folder or file of a checkpoint, absolute.

    Args:
        named: As typed: a path, or a name in the folder $SER_PRETRAINED.
        where: The setting.

    Raises:
        UserError: There is none.
    """
    if not named:
        raise UserError(
            f"{where} names no checkpoint: give the folder of a pretrained model (config.json and model.safetensors, "
            "docs/pretrained.md) or its file of weights."
        )
    path = Path(os.path.expanduser(named))
    places = [path, *([Path(os.environ[HOME]).expanduser() / path.name] if os.environ.get(HOME) else [])]
    for place in places:
        if place.is_dir() or place.is_file():
            return Path(os.path.abspath(place))
    also = f", nor in ${HOME}={os.environ[HOME]}" if len(places) > 1 else f" (${HOME} may name a folder of checkpoints)"
    raise UserError(f"{where}={named} is neither a folder nor a file{also}.")


def content_files(place: Path) -> list[Path]:
    """The files of a checkpoint that decide what it computes: its identity is their content.

    Args:
        place: From `find_checkpoint`. Of a folder: its settings and safetensors, not files of other formats.
    """
    if place.is_file():
        return [place]
    return sorted(path for path in place.iterdir() if path.suffix in (".json", ".safetensors") and path.is_file())


def read_settings(folder: Path, name: str, where: str) -> dict[str, Any] | None:
    """A JSON file of a checkpoint's folder; None where there is no such file.

    Raises:
        UserError: It is no JSON object.
    """
    path = folder / name
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MOST_JSON:
            raise ValueError
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError
        return found
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {path} is damaged, it is no JSON object: download it anew.") from error


class Weights:
    """Tensors of a checkpoint by name, read from the disk when they are asked for.

    Args:
        place: A folder with safetensors, or a file.
        where: The setting, for messages.

    Raises:
        UserError: No weights, truncated or damaged ones, or a file that would execute code.
    """

    def __init__(self, place: Path, where: str):
        self.place, self.where = place, where
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._loaded: dict[str, Tensor] = {}
        self._files: dict[str, Path] = {}
        if place.is_file() and place.suffix != ".safetensors":
            self._loaded = _load_state(place, where)
            self.shapes = {name: tuple(value.shape) for name, value in self._loaded.items()}
            return
        for path in [place] if place.is_file() else safetensors_files(place, where):
            with _opened(path, where) as file:
                names = list(file.keys())
                self.shapes |= {name: tuple(file.get_slice(name).get_shape()) for name in names}
                self._files |= dict.fromkeys(names, path)

    def read(self, *names: str) -> dict[str, Tensor]:
        """Values of some tensors, float32."""
        found = {name: self._loaded[name].float() for name in names if name in self._loaded}
        by_file: dict[Path, list[str]] = {}
        for name in names:
            if name not in found:
                by_file.setdefault(self._files[name], []).append(name)
        for path, inside in by_file.items():
            with _opened(path, self.where) as file:
                found |= {name: file.get_tensor(name).float() for name in inside}
        return found


def safetensors_files(folder: Path, where: str) -> list[Path]:
    """The files of a folder that hold its weights.

    Raises:
        UserError: There are none, one of the shards is missing, or they are in another format.
    """
    if (index := read_settings(folder, INDEX, where)) is not None:
        shards = index.get("weight_map")
        names = sorted(set(map(str, shards.values()))) if isinstance(shards, Mapping) else []
        if not names or any(Path(name).name != name for name in names):
            raise UserError(f"{where}: {folder / INDEX} is damaged, it names no files of this folder.")
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise UserError(f"{where}: {folder} lacks {missing[0]}, one of its {len(names)} files of weights.")
        return [folder / name for name in names]
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    pickled = [path.name for path in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))]
    if pickled:
        raise UserError(
            f"{where}: {folder} has its weights as {pickled[0]}, a format that may execute code; ser reads "
            f"{WHOLE} only, and {CONVERT}."
        )
    raise UserError(f"{where}: {folder} has no weights ({WHOLE}): download the whole folder.")


def _opened(path: Path, where: str) -> Any:
    try:
        with path.open("rb") as file:
            if file.read(20).startswith(b"version https://git"):
                raise UserError(f"{where}: {path} is a Git LFS pointer, not the weights: get them with `git lfs pull`.")
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise UserError(
            f"{where}: {path} ({path.stat().st_size:,} bytes) is truncated or damaged: download it anew."
        ) from error


def _load_state(path: Path, where: str) -> dict[str, Tensor]:
    """A state dict that `torch.save` wrote: tensors by name."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{where}: {path} is damaged, or holds more than weights; nothing in it was executed. Save the weights "
            "alone: torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # damaged bytes fail in every way: EOFError, KeyError, RuntimeError, …
        raise UserError(f"{where}: {path} is truncated or damaged, or no file of weights.") from error
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{where}: {path} is no state dict: save one with torch.save(model.state_dict(), FILE).")
    return state
