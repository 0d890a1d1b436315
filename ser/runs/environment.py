"""What a run ran on: noted beside it, never part of its identity."""

import platform
import subprocess
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("ser", "torch", "torchaudio", "pytorch-lightning", "hydra-core", "librosa", "soundfile", "soxr", "numpy")


def describe_environment(device: str, threads: int) -> dict:
    """Versions, device, threads, git commit and time.

    Args:
        device: Name of what computes.
        threads: CPU threads that torch uses.
    """
    return {
        "started": datetime.now().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "threads": threads,
        "git_commit": _git_commit(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None


def _git_commit() -> str | None:
    """Commit of the checkout that the code lies in, with `+changes` where files differ; None for an installed wheel."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    with suppress(OSError, subprocess.SubprocessError):
        head, status = (
            subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
            )
            for arguments in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "-uno"])
        )
        return head.stdout.strip() + ("+changes" if status.stdout.strip() else "")
    return None
