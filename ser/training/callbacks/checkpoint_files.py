"""How checkpoints reach the disk: in the background, and whole or not at all."""

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
            UserError: The disk is full or the folder may not be written; what was there before is unharmed.
        """
        write_atomically(Path(path), lambda partial: _save(checkpoint, partial))


def _save(checkpoint: dict[str, Any], file: Path) -> None:
    whole = io.BytesIO()  # where torch itself writes to a full disk, it fails by an assertion of its own
    torch.save(checkpoint, whole)
    file.write_bytes(whole.getbuffer())


def background_writer() -> AsyncCheckpointIO:
    """Takes a copy of what is to be saved and writes it while training goes on, one file after the other.

    Lightning waits for it when training ends, however it ends; an error is raised by then at the latest.
    """
    return AsyncCheckpointIO(WholeCheckpoints())
