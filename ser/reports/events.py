"""A run's curves and times, from its loggers' files."""

import logging
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ser.reports.curves_csv import NAME, read_rows

Curve = list[tuple[int, float]]  # epoch, value


def epoch_ends(run_dir: Path) -> list[float]:
    """When each epoch of a run ended, seconds since 1970."""
    events = _read(run_dir)
    return [event.wall_time for event in events.Scalars("train/loss")]


def curves_of(run_dir: Path) -> dict[str, Curve]:
    """`train/loss`, `val/uar`, … of a run by epoch, counted from 0, from TensorBoard's events and from `curves.csv`.

    Empty where there is neither. Where one starts late, since a run was resumed with other loggers, the other fills in.
    """
    if not all(file.is_file() for file in run_dir.glob("*tfevents*")):  # reading a pipe might never end
        return {}
    points: dict[str, dict[int, float]] = {}
    for row in read_rows(run_dir / NAME):
        for name in row.keys() - {"epoch"}:
            points.setdefault(name, {})[int(row["epoch"])] = row[name]
    events = _read(run_dir, size_guidance={"scalars": 0})
    for name in events.Tags()["scalars"]:
        points.setdefault(name, {}).update((event.step, event.value) for event in events.Scalars(name))
    return {name: sorted(curve.items()) for name, curve in points.items() if name.startswith(("train/", "val/"))}


def _read(run_dir: Path, **settings: Any) -> EventAccumulator:
    log = logging.getLogger("tensorboard")
    before = log.level
    log.setLevel(logging.ERROR)  # it warns of each run that was continued
    try:
        return EventAccumulator(str(run_dir), **settings).Reload()
    finally:
        log.setLevel(before)
