"""Writes checkpoints in the background and atomically."""

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import AsyncCheckpointIO, TorchCheckpointIO

from ser.system.files import write_atomically


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place, flushes it, and renames it."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Replaces `path`.

        Raises:
            UserError: The disk is full or the folder may not be written; the earlier file is unchanged.
        """
        write_atomically(Path(path), lambda partial: _save(checkpoint, partial))


def _save(checkpoint: dict[str, Any], file: Path) -> None:
    whole = io.BytesIO()  # torch itself fails with an assertion on a full disk
    torch.save(checkpoint, whole)
    file.write_bytes(whole.getbuffer())


def background_writer() -> AsyncCheckpointIO:
    """Copies a checkpoint and writes it while training goes on, one file after the other.

    Lightning waits for it at the end of training in any case; an error is raised by then at the latest.
    """
    return AsyncCheckpointIO(WholeCheckpoints())
