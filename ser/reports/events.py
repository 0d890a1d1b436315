"""What a run's event file says: its curves, and its time."""

import logging
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of each run that was continued

Curve = list[tuple[int, float]]  # epoch, value


def epoch_ends(run_dir: Path) -> list[float]:
    """When each epoch of a run ended, seconds since 1970."""
    events = EventAccumulator(str(run_dir)).Reload()
    return [event.wall_time for event in events.Scalars("train/loss")]


def curves_of(run_dir: Path) -> dict[str, Curve]:
    """`train/loss`, `val/uar`, … of a run by epoch, counted from 0; empty where the folder holds no events."""
    if not all(file.is_file() for file in run_dir.glob("*tfevents*")):  # a pipe would be waited for
        return {}
    events = EventAccumulator(str(run_dir), size_guidance={"scalars": 0}).Reload()
    names = [name for name in events.Tags()["scalars"] if name.startswith(("train/", "val/"))]
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}
