"""The folder of the configs: inside an installed `ser`, or beside it in a checkout."""

from pathlib import Path


def config_folder() -> Path:
    """The folder with `train.yaml` and the groups."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"
