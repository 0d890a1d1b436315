"""Reading checkpoints: weights and plain data only (`weights_only`), nothing in them is executed."""

import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.data.hashes import content_hash
from ser.errors import UserError

REMEDY = "Train that run again with rerun=true."


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint as plain data on the CPU.

    Raises:
        UserError: It is missing, cut off, or holds more than tensors and plain data.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"No checkpoint at {path}.") from error
    except Exception as error:  # damaged bytes fail in every way: KeyError, IndexError, struct.error, …
        raise UserError(f"The checkpoint {path} {_why_unreadable(error)} {REMEDY}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise UserError(f"The checkpoint {path} holds no weights (no state_dict). {REMEDY}")
    return checkpoint


def _why_unreadable(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:  # without a name it is a seek beyond the end
        return f"cannot be read: {error.strerror}."
    if isinstance(error, pickle.UnpicklingError):
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        named = f" ({found.group(1)})" if found else ""
        return f"is damaged, or holds more than weights and plain data{named}; nothing in it was executed."
    return "is cut off or damaged."


def load_weights(module: nn.Module, path: Path) -> None:
    """Puts a checkpoint's weights into the module that it was saved from.

    Raises:
        UserError: The checkpoint cannot be read or belongs to another model.
    """
    state = read_checkpoint(path)["state_dict"]
    try:
        module.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise UserError(
            f"The checkpoint {path} belongs to another model: {str(error).splitlines()[-1].strip()}"
        ) from error


def content_of_run(run: Path) -> str:
    """Content hash of the weights that a run ended with: what `init_from` adds to an identity.

    Raises:
        UserError: Not a finished run.
    """
    if not (run.expanduser() / "finished.json").is_file():
        raise UserError(
            f"init_from={run} is not the directory of a finished run: {run.expanduser()} has no finished.json."
        )
    state = read_checkpoint(run.expanduser() / "checkpoints" / "best.ckpt")["state_dict"]
    hashes = [f"{key} {content_hash(state[key].contiguous().numpy().tobytes())}" for key in sorted(state)]
    return content_hash("\n".join(hashes).encode())


def start_from(module: nn.Module, run: Path, classes: Sequence[str]) -> str:
    """Copies into `module.model` what fits by name and shape of another run's model; the rest keeps its fresh weights.

    The last layer stays fresh where the classes differ, and the normaliser is fitted anew on the new training part.

    Args:
        module: A classifier.
        run: The other run's directory.
        classes: Of `module`, in label order.

    Returns:
        One line on what was copied and what was not.

    Raises:
        UserError: Nothing fits.
    """
    checkpoint = read_checkpoint(run.expanduser() / "checkpoints" / "best.ckpt")
    theirs = checkpoint["state_dict"]
    theirs = {key.removeprefix("model."): value for key, value in theirs.items() if key.startswith("model.")}
    ours = module.model.state_dict()
    fitting = {key: value for key, value in theirs.items() if key in ours and ours[key].shape == value.shape}
    if checkpoint.get("ser", {}).get("classes") != list(classes):
        last = [name for name, layer in module.model.named_modules() if isinstance(layer, nn.Linear)][-1:]
        fitting = {key: value for key, value in fitting.items() if key.rpartition(".")[0] not in last}
    if not any(value.is_floating_point() for value in fitting.values()):
        raise UserError(f"init_from={run}: none of its weights fits this model; use the same model settings as there.")
    module.model.load_state_dict(ours | fitting)
    fresh = [key for key in ours if key not in fitting]
    left = f"; fresh: {', '.join(fresh[:4])}{', …' if len(fresh) > 4 else ''}" if fresh else ""
    return f"weights of {run.name}: {len(fitting)} of {len(ours)} tensors{left}"
