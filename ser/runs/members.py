"""The runs that an ensemble averages, copied into its own folder as far as needed, so that it can be moved.

members/<name>/   a run directory: config, figures, predictions and the selected weights
"""

import shutil
from pathlib import Path
from typing import Any

from ser.errors import UserError
from ser.runs.weights import content_of_run
from ser.system.files import check_unlinked, write_atomically

FOLDER = "members"
MOST = 100
COPIED = (  # the marker last, as in the run itself
    "run.json", "config.yaml", "environment.json", "metrics.json", "predictions.csv", "predictions_val.csv",
    "seen.csv", "checkpoints/best.ckpt", "finished.json",
)  # fmt: skip


def is_ensemble(path: Path) -> bool:
    """Whether a run directory is that of an ensemble."""
    return (path / FOLDER).is_dir()


def members_of(path: Path, config: dict[str, Any]) -> list[Path]:
    """The run directories of an ensemble's members, in order; none of an ordinary run.

    Args:
        path: The run directory.
        config: Its own.

    Raises:
        UserError: The config does not name the members, or names folders elsewhere.
    """
    if not is_ensemble(path):
        return []
    listed = config.get("members")
    names = [entry.get("folder") if isinstance(entry, dict) else None for entry in listed or ()]
    if not 0 < len(set(map(str, names))) == len(names) <= MOST or not all(map(_is_name, names)):
        raise UserError(f"{path / 'config.yaml'} does not name the members of the ensemble, or more than {MOST}.")
    return [path / FOLDER / name for name in names]


def check_weights(path: Path, config: dict[str, Any]) -> None:
    """Compares the weights of an ensemble's members with the hashes in its config.

    Raises:
        UserError: A member has other weights than the ensemble was scored with, or none.
    """
    for member, entry in zip(members_of(path, config), config["members"], strict=True):
        if content_of_run(member) != entry.get("weights"):
            raise UserError(f"{member} has other weights than the ensemble was scored with: make the ensemble again.")


def copy_member(run: Path, ensemble: Path, name: str) -> None:
    """Copies the files that an ensemble needs of a run: small files, and the selected weights.

    Args:
        run: Its directory.
        ensemble: That of the ensemble.
        name: Of the copy.

    Raises:
        UserError: The disk is full, or a link leads out of the ensemble.
    """
    copy = ensemble / FOLDER / name
    check_unlinked(ensemble, (FOLDER,))
    (copy / "checkpoints").mkdir(parents=True, exist_ok=True)
    for file in COPIED:
        if (run / file).is_file():
            write_atomically(copy / file, lambda partial, file=file: shutil.copyfile(run / file, partial) and None)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and Path(name).name == name
