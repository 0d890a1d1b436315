"""The facts of each run in `ser runs`: figures, epochs, time, and size on disk."""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from ser.errors import UserError
from ser.runs.listing import FoundRun
from ser.runs.reading import read_json

MARKERS = {"finished": "finished.json", "failed": "failed.json", "pruned": "pruned.json"}  # the time is in the marker
TAIL = 4096  # bytes at the end of train.log that have the last epoch's line


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in the table.

    Args:
        name: Its directory's.
        path: Its directory.
        state, reason: From `ser.runs.listing`.
        identity, protocol: Likewise.
        val_uar, test_uar: Of a finished run; None elsewhere, since partial training has no result.
        val_ccc, test_ccc: The same of one that predicts numbers.
        epochs: Completed ones.
        when: When it ended, or was last worked on; local time, ISO 8601.
        bytes: On the disk.
    """

    name: str
    path: str
    state: str
    reason: str
    identity: str
    protocol: str
    val_uar: float | None
    test_uar: float | None
    epochs: int | None
    when: str
    bytes: int
    val_ccc: float | None = None
    test_ccc: float | None = None

    def as_dict(self) -> dict[str, str | float | int | None]:
        """The row as plain data."""
        return asdict(self)


def row_of(run: FoundRun) -> RunRow:
    """The row of a run."""
    return RunRow(
        name=run.path.name,
        path=str(run.path),
        state=run.state,
        reason=run.reason,
        identity=run.identity,
        protocol=run.protocol,
        val_uar=run.metrics.get("val/uar"),
        test_uar=run.metrics.get("test/uar"),
        epochs=int(run.metrics["epochs"]) if "epochs" in run.metrics else _epochs_logged(run.path / "train.log"),
        when=_when(run),
        bytes=size_of(run.path),
        val_ccc=run.metrics.get("val/ccc"),
        test_ccc=run.metrics.get("test/ccc"),
    )


def ordered(rows: Iterable[RunRow], by: str) -> list[RunRow]:
    """Rows by `name`, or the largest (`size`), latest (`when`) or best (`val`, `test`) first."""
    keys = {
        "name": lambda row: row.name,
        "size": lambda row: -row.bytes,
        "val": lambda row: -_first(row.val_uar, row.val_ccc, -2.0),
        "test": lambda row: -_first(row.test_uar, row.test_ccc, -2.0),
    }
    if by == "when":
        return sorted(rows, key=lambda row: row.when, reverse=True)
    return sorted(rows, key=keys[by])


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; links count as links, not as their targets."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a running process removes its temporary files
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def readable_size(count: int) -> str:
    """Bytes for people.

    >>> readable_size(999), readable_size(1_234_567), readable_size(20_000_000_000)
    ('999 B', '1.2 MB', '20 GB')
    """
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    unit = units[0]
    return f"{size:.1f} {unit}" if size < 9.95 and unit != "B" else f"{size:.0f} {unit}"


def totals(rows: Sequence[RunRow]) -> str:
    """`3 runs: 2 finished, 1 failed; 20 MB`.

    >>> totals([])
    '0 runs; 0 B'
    """
    states = [row.state for row in rows]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    number = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    return f"{number}{': ' if counted else ''}{counted}; {readable_size(sum(row.bytes for row in rows))}"


def _epochs_logged(log: Path) -> int | None:
    if not log.is_file():  # reading a pipe might never end
        return None
    with suppress(OSError):
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            epochs = re.findall(rb"  epoch (\d+)  ", file.read())
        return int(epochs[-1]) + 1 if epochs else 0
    return None


def _when(run: FoundRun) -> str:
    marker = MARKERS.get(run.state)
    if marker is not None:
        with suppress(UserError, ValueError, KeyError, TypeError):
            time = read_json(run.path / marker)[run.state]
            return datetime.fromisoformat(time).isoformat(timespec="seconds")
    return datetime.fromtimestamp(_last_touched(run.path)).isoformat(timespec="seconds")


def _last_touched(path: Path) -> float:
    files = [path / name for name in ("train.log", "checkpoints/last.ckpt", "run.json", "metrics.json")]
    return max((file.stat().st_mtime for file in files if file.is_file()), default=path.stat().st_mtime)
