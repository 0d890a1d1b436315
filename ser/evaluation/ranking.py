"""By which figure runs are ranked."""

from collections.abc import Iterable, Mapping
from typing import Any


def ranking_metric(configs: Iterable[Mapping[str, Any]]) -> str:
    """The metric of validation that ranks some runs: their monitor; where they have different ones, `val/uar`.

    Args:
        configs: Of at least one run.
    """
    monitors = {str(config.get("monitor") or "val/uar") for config in configs}
    return monitors.pop() if len(monitors) == 1 else "val/uar"
