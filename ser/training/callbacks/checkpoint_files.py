"""Writes checkpoints in the background and atomically."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import AsyncCheckpointIO, TorchCheckpointIO

from ser.system.files import write_atomically


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place, flushes it, and renames it.

    After one that failed none is written: an epoch's best weights come first, and last.ckpt tells of which they are.
    """

    def __init__(self):
        self._failed: Exception | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Replaces `path`.

        Raises:
            UserError: The disk is full or the folder may not be written, now or before; the earlier file is unchanged.
        """
        if self._failed is not None:
            raise self._failed
        try:
            write_atomically(Path(path), lambda partial: _save(checkpoint, partial))
        except Exception as error:
            self._failed = error
            raise


def _save(checkpoint: dict[str, Any], file: Path) -> None:
    whole = io.BytesIO()  # torch itself fails with an assertion on a full disk
    torch.save(checkpoint, whole)
    file.write_bytes(whole.getbuffer())


class BackgroundCheckpoints(AsyncCheckpointIO):
    """Copies a checkpoint and writes it while training goes on, one file after the other.

    Lightning waits for it at the end of training in any case; an error is raised by then at the latest. What lies on
    a GPU is copied by the training thread, on whose stream it was computed: in one piece, since each copy waits.
    """

    def __init__(self):
        super().__init__(WholeCheckpoints())

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Has the copy written to `path`."""
        super().save_checkpoint(on_host(checkpoint), path, storage_options)


def on_host(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The same with every tensor in the host's memory; those of one type on a GPU come over together."""
    there: dict[tuple[torch.device, torch.dtype], list[torch.Tensor]] = {}

    def note(tensor: torch.Tensor) -> None:
        there.setdefault((tensor.device, tensor.dtype), []).append(tensor.detach())

    _for_each_on_a_gpu(checkpoint, note)
    come = {kind: iter(_in_one_piece(tensors)) for kind, tensors in there.items()}
    return _for_each_on_a_gpu(checkpoint, lambda tensor: next(come[tensor.device, tensor.dtype]))


def _for_each_on_a_gpu(node: Any, function: Callable[[torch.Tensor], Any]) -> Any:
    """The same dicts, lists and values, with what a function makes of each tensor that is not in the host's memory."""
    if isinstance(node, torch.Tensor):
        return node if node.device.type == "cpu" else function(node)
    if isinstance(node, dict):
        return {key: _for_each_on_a_gpu(value, function) for key, value in node.items()}
    if type(node) in (list, tuple):
        return type(node)(_for_each_on_a_gpu(value, function) for value in node)
    return node


def _in_one_piece(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Their copies, each with the strides that it has: an optimizer refuses a state whose strides are others."""
    laid = [tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True)) for tensor in tensors]
    dense = [each.is_contiguous() for each in laid]  # nothing between the values
    rows = [(each if fits else tensor).flatten() for each, fits, tensor in zip(laid, dense, tensors, strict=True)]
    whole = torch.cat(rows).cpu().split([len(row) for row in rows])
    return [
        flat.as_strided(tensor.shape, tensor.stride(), flat.storage_offset()) if fits else flat.view(tensor.shape)
        for flat, fits, tensor in zip(whole, dense, tensors, strict=True)
    ]
