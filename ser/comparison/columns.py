"""Which settings distinguish configurations: the choice made in a group by its name, and further differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from ser.comparison.load_runs import Run, frozen, shown

# The name of a preset, or of a device: settings that make another run of it have columns of their own
NO_GROUP = ("experiment", "trainer")
FIRST = ("dataset", "audio", "split", "frontend", "augmentation", "model", "optimizer", "scheduler")


def differing(runs: Sequence[Run]) -> tuple[str, ...]:
    """The columns that distinguish the configurations of some runs.

    A group with different choices is one column, by its name; the settings that came with a choice are left out,
    unless they vary between configurations of the same choice. Of settings that always have the same value as
    another (`frontend.sample_rate` follows `audio.sample_rate`), the first stands for all.

    Args:
        runs: At least one of each configuration.
    """
    configurations = list({run.configuration: run for run in runs}.values())
    varied = [key for key in _keys(configurations) if _varies(configurations, key)]
    groups: list[str] = []
    for group in _groups(configurations):
        inside = any(key.startswith(f"{_node(group)}.") for key in varied)
        if inside and _varies(configurations, group) and _varies_within(configurations, group, groups):
            groups.append(group)
    columns, seen = [], []
    for key in [*groups, *(key for key in varied if _varies_within(configurations, key, groups))]:
        values = [frozen(value_of(run, key)) for run in configurations]
        if values not in seen:
            columns.append(key)
            seen.append(values)
    return tuple(columns)


def value_of(run: Run, column: str) -> Any:
    """The choice made in a group, or the setting; None where the run has no such setting."""
    if column in run.choices:
        return run.choices[column]
    return run.settings[column] if column in run.settings else run.flat.get(column)


def label(cells: Mapping[str, Any], otherwise: str = "all runs", digits: int | None = 6) -> str:
    """A short name: choices as they are, settings with the last word of their key.

    >>> label({"model": "mlp", "optimizer.lr": 0.001, "batch_size": 32})
    'mlp, lr=0.001, batch_size=32'
    """
    last = [key.rpartition(".")[2] for key in cells]
    words = []
    for key, value in cells.items():
        short = key.rpartition(".")[2]
        is_choice = "@" in key or (key in FIRST and isinstance(value, str))
        text = shown(value, digits)
        words.append(text if is_choice else f"{short if last.count(short) == 1 else key}={text}")
    return ", ".join(words) or otherwise


def belongs_to(key: str, group: str) -> bool:
    """Whether a setting or a nested group came with the choice made in a group."""
    return _node(key).startswith(f"{_node(group)}.")


def _node(name: str) -> str:
    """The node of a group's settings: `stft@frontend.stft` fills `frontend.stft`."""
    return name.rpartition("@")[2].replace("/", ".")


def _groups(runs: Sequence[Run]) -> list[str]:
    """The groups, a group before those inside it."""
    names = dict.fromkeys(group for run in runs for group in run.choices if group not in NO_GROUP)
    place = {name: i for i, name in enumerate(FIRST)}
    return sorted(names, key=lambda group: (_node(group).count("."), place.get(group, len(FIRST)), group))


def _keys(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(key for run in runs for key in run.settings))


def _varies(runs: Sequence[Run], column: str) -> bool:
    return len({frozen(value_of(run, column)) for run in runs}) > 1


def _varies_within(runs: Sequence[Run], column: str, groups: Sequence[str]) -> bool:
    """Whether a column differs between runs with equal choices in its groups."""
    owners = [group for group in groups if belongs_to(column, group)]
    together: dict[str, set[str]] = {}
    for run in runs:
        choices = frozen([value_of(run, group) for group in owners])
        together.setdefault(choices, set()).add(frozen(value_of(run, column)))
    return any(len(values) > 1 for values in together.values())
