"""Reading checkpoints: weights and plain data only (`weights_only`), nothing in them is executed.

A checkpoint may come from elsewhere, be truncated or damaged: its archive's checksums are compared, and its content
must be no larger than its file, before it is used.
"""

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ser.data.store.hashes import content_hash
from ser.errors import UserError
from ser.runs.directory import REMOVED
from ser.runs.reading import read_json

REMEDY = "Train that run again with run.rerun=true."
MOST_BYTES = 2**35  # of a checkpoint
MOST_SHARED = 64  # times that a byte of the file may be used: layers may share their weights
MOST_VALUES = 300_000  # of all kinds, including those in lists
DEEPEST = 60
PLAIN_TYPES = frozenset(
    (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128, torch.bool,
     torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
)  # fmt: skip


class DamagedCheckpoint(UserError):
    """A checkpoint that cannot be used: truncated, or overwritten."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint as plain data on the CPU, its weights as bare tensors.

    Raises:
        DamagedCheckpoint: It is truncated, damaged, not a checkpoint, or made to exhaust memory.
        UserError: It is missing or may not be read.
    """
    is_archive = _check_archive(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # on files refused below
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"No checkpoint at {path}{_why_gone(path)}.") from error
    except PermissionError as error:
        raise UserError(f"The checkpoint {path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # damaged bytes fail in every way: KeyError, IndexError, struct.error, …
        raise DamagedCheckpoint(f"The checkpoint {path} {_why_unreadable(error)} {REMEDY}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise DamagedCheckpoint(f"The checkpoint {path} holds no weights (no state_dict). {REMEDY}")
    if not is_archive:  # torch's old format has no checksums
        raise DamagedCheckpoint(f"The checkpoint {path} is not an archive, so damage cannot be ruled out.")
    _check_content(checkpoint, path)
    return {**checkpoint, "state_dict": {key: value.detach() for key, value in checkpoint["state_dict"].items()}}


def check_finite(state: Mapping[str, torch.Tensor], where: Path) -> None:
    """Refuses weights that are NaN or infinite.

    Raises:
        UserError: The message names the first.
    """
    for name, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise UserError(f"The checkpoint {where} holds NaN or infinite weights ({name}) and cannot be used.")


def _check_archive(path: Path) -> bool:
    """Whether it is an archive, as torch writes them; compares its checksums, which torch does not.

    Raises:
        DamagedCheckpoint: Compressed, damaged, or too large.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DamagedCheckpoint(f"The checkpoint {path} is not a regular file.")  # reading a pipe might never end
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
            if max(claimed, size) > MOST_BYTES or claimed > size:
                raise DamagedCheckpoint(
                    f"The checkpoint {path} claims {claimed:,} bytes and is {size:,} bytes long: ser does not "
                    f"compress, and writes at most {MOST_BYTES:,}."
                )
            damaged = archive.testzip()
    except UserError:
        raise
    except Exception:  # a damaged archive, too, fails in every way
        damaged = "?"
    if damaged is not None:
        raise DamagedCheckpoint(f"The checkpoint {path} is truncated or damaged: its checksums do not agree. {REMEDY}")
    return True


def _check_content(checkpoint: dict, path: Path) -> None:
    """Refuses weights that are not tensors, and tensors that claim to be larger than their file.

    Raises:
        DamagedCheckpoint: The message names what is wrong.
    """
    state, size = checkpoint["state_dict"], path.stat().st_size
    if not all(isinstance(name, str) and _is_plain(value) for name, value in state.items()):
        raise DamagedCheckpoint(
            f"The checkpoint {path} has weights that are not tensors: it belongs to another model, or is none of ser's."
        )
    if not isinstance(checkpoint.get("ser", {}), dict) or not isinstance(checkpoint.get("epoch", 0), int):
        raise DamagedCheckpoint(f"The checkpoint {path} has no classes and epoch: it is none of ser's.")
    waiting, left, claimed = [(checkpoint, 0)], MOST_VALUES, 0
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, torch.Tensor):
            claimed += value.numel() * value.element_size()
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        left -= 1 + len(inner)
        if left < 0 or depth > DEEPEST:
            raise DamagedCheckpoint(f"The checkpoint {path} has too many lists and settings: it is none of ser's.")
        waiting += [(item, depth + 1) for item in inner]
    if claimed > MOST_SHARED * size:
        raise DamagedCheckpoint(
            f"The checkpoint {path} claims {claimed:,} bytes of weights and is {size:,} bytes long: it is damaged, or "
            "was made to exhaust memory."
        )


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor as ser saves them, with complete values."""
    return (
        type(value) in (torch.Tensor, nn.Parameter)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype in PLAIN_TYPES
        and not (value.is_nested or value.is_conj() or value.is_neg())
    )


def to_resume_from(last: Path, best: Path) -> tuple[Path | None, str]:
    """The checkpoint that an interrupted run resumes from, and a remark where it is not the latest epoch's.

    `last` refers to the epoch of `best`: if `best` is damaged, later epochs are lost. Training is a function of seed,
    epoch and step, so an earlier start costs time and changes no figure.

    Args:
        last: State at the end of the last saved epoch.
        best: State at the end of the best epoch.

    Returns:
        `last`, else `best`, else None: from the beginning.

    Raises:
        UserError: A checkpoint may not be read.
    """
    if not last.is_file():
        return None, ""
    damaged = [path for path in (last, best) if path.is_file() and not _is_whole(path)]
    if not damaged:
        return last, ""
    damage = f"{' and '.join(path.name for path in damaged)} in {last.parent} cannot be read (truncated or damaged)"
    if best.is_file() and best not in damaged:
        return best, f"{damage}: resuming from {best.name}."
    return None, f"{damage}: starting again from the first epoch."


def _is_whole(path: Path) -> bool:
    try:
        return bool(read_checkpoint(path))
    except DamagedCheckpoint:
        return False


def _why_gone(path: Path) -> str:
    """`: `ser runs prune` removed it on …`, if it did."""
    with suppress(UserError, KeyError):
        day = read_json(path.parent / REMOVED)[path.name]
        return (
            f": `ser runs prune` removed it on {day}. The run's figures and predictions are kept; run.rerun=true "
            "trains its weights again"
        )
    return ""


def _why_unreadable(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:  # without a name it is a seek beyond the end
        return f"cannot be read: {error.strerror}."
    if isinstance(error, pickle.UnpicklingError):
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        named = f" ({found.group(1)})" if found else ""
        return f"is damaged, or holds more than weights and plain data{named}; nothing in it was executed."
    return "is truncated or damaged."


def load_weights(module: nn.Module, path: Path) -> None:
    """Loads a checkpoint's weights into a module of the same configuration.

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


def epochs_done(checkpoint: Path | None) -> int:
    """Completed epochs at a checkpoint to resume from."""
    return 0 if checkpoint is None else int(read_checkpoint(checkpoint).get("epoch", -1)) + 1


def content_of_run(run: Path) -> str:
    """Content hash of a run's selected weights: part of the identity of a run with `init_from`.

    Raises:
        UserError: Not a finished run.
    """
    if not (run.expanduser() / "finished.json").is_file():
        raise UserError(
            f"init_from={run} is not the directory of a finished run: {run.expanduser()} has no finished.json."
        )
    state = read_checkpoint(run.expanduser() / "checkpoints" / "best.ckpt")["state_dict"]
    hashes = [
        f"{key} {content_hash(state[key].contiguous().reshape(-1).view(torch.uint8).numpy().data)}"  # bfloat16, too
        for key in sorted(state)
    ]
    return content_hash("\n".join(hashes).encode())


def start_from(module: nn.Module, run: Path, classes: Sequence[str]) -> str:
    """Copies the weights of another run's model that match by name and shape into `module.model`; others stay fresh.

    The last layer stays fresh where the classes differ, and always for auxiliary targets; the normaliser is fitted anew
    on the new training part.

    Args:
        module: A classifier.
        run: The other run's directory.
        classes: Of `module`, in label order.

    Returns:
        One line on what was copied and what was not.

    Raises:
        UserError: Nothing matches.
    """
    checkpoint = read_checkpoint(run.expanduser() / "checkpoints" / "best.ckpt")
    theirs = checkpoint["state_dict"]
    check_finite(theirs, run / "checkpoints" / "best.ckpt")
    theirs = {key.removeprefix("model."): value for key, value in theirs.items() if key.startswith("model.")}
    ours = module.model.state_dict()
    fitting = {key: value for key, value in theirs.items() if key in ours and ours[key].shape == value.shape}
    same = checkpoint.get("ser", {}).get("classes") == list(classes)
    last = [name for name, layer in module.model.named_modules() if isinstance(layer, nn.Linear)][-1:]
    for key in (key for key in ours if key.rpartition(".")[0] in last):
        fitting.pop(key, None)
        if same and key in theirs and theirs[key].shape[1:] == ours[key].shape[1:] and len(theirs[key]) >= len(classes):
            rows = theirs[key][: len(classes)].to(ours[key])  # behind them are auxiliary targets, which may be others
            fitting[key] = torch.cat([rows, ours[key][len(classes) :]])
    if not any(value.is_floating_point() for value in fitting.values()):
        raise UserError(f"init_from={run}: none of its weights matches this model; use that run's model settings.")
    module.model.load_state_dict(ours | fitting)
    fresh = [key for key in ours if key not in fitting]
    left = f"; fresh: {', '.join(fresh[:4])}{', …' if len(fresh) > 4 else ''}" if fresh else ""
    return f"weights of {run.name}: {len(fitting)} of {len(ours)} tensors{left}"
