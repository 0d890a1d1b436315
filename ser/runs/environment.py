"""The environment of a run: recorded beside it, never part of its identity."""

import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ser.errors import UserError
from ser.runs.reading import read_json

PACKAGES = ("ser", "torch", "torchaudio", "pytorch-lightning", "hydra-core", "librosa", "soundfile", "soxr", "numpy")


def describe_environment(device: str, threads: int) -> dict:
    """Versions, device, threads, git commit and time.

    Args:
        device: Name of the device.
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


def made_by_another(run: Path) -> str:
    """One sentence where a run was made by another version of `ser`, of its code, or of torch; else empty.

    Args:
        run: Its directory. Facts missing in its environment.json are no difference.
    """
    changed = _changed(run)
    return changed and f"It was made with {changed}; run.rerun=true trains it with the current versions."


def made_by_others(runs: Sequence[Path]) -> list[str]:
    """The same for the finished runs of a sweep: one sentence for all that differ in the same way.

    Args:
        runs: Their directories.
    """
    counted = Counter(changed for run in runs if (changed := _changed(run)))
    subject = {1: "1 finished run was"}
    return [
        f"{subject.get(count, f'{count} finished runs were')} made with {changed}; run.rerun=true trains anew with "
        "the current versions."
        for changed, count in counted.items()
    ]


def _changed(run: Path) -> str:
    """`torch 2.11.0 (now 2.14.1)`, or empty."""
    try:
        before = read_json(run / "environment.json")
        versions = before.get("versions") or {}
        versions = {
            "ser": (versions.get("ser"), _version("ser")),
            "commit": (before.get("git_commit"), _git_commit()),
            "torch": (versions.get("torch"), _version("torch")),
        }
    except (UserError, AttributeError):
        return ""
    return ", ".join(f"{name} {old} (now {new})" for name, (old, new) in versions.items() if old and new and old != new)


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None


@cache  # a sweep asks for each of its runs
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
