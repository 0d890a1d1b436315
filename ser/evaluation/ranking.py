"""By which figure runs are ranked, and whether higher is better."""

from collections.abc import Iterable, Mapping
from typing import Any

from ser.data.targets import predicts_numbers

# less is better, or comes first
FALLING = ("loss", "mae", "rmse", "ece", "ece_scaled", "seconds", "num_parameters", "epochs", "temperature")

OF_CLASSES = ("val/uar", "val/wa", "val/f1_macro", "val/loss")  # what validation has of every run, the main one first
OF_NUMBERS = ("val/ccc", "val/pearson", "val/mae", "val/rmse", "val/loss")  # and of one that predicts numbers


def ranking_metric(configs: Iterable[Mapping[str, Any]]) -> str:
    """The validation metric that ranks runs: their monitor, or `val/uar` where they have different ones.

    Of runs that predict numbers `val/ccc` in its place.

    Args:
        configs: Of at least one run.
    """
    configs = list(configs)
    monitors = {str(config.get("monitor") or "val/uar") for config in configs}
    return monitors.pop() if len(monitors) == 1 else main_metric(configs)


def main_metric(configs: Iterable[Mapping[str, Any]]) -> str:
    """`val/ccc` of runs that predict numbers, else `val/uar`."""
    return OF_NUMBERS[0] if all(map(predicts_numbers, configs)) else OF_CLASSES[0]


def falls(metric: str, lower_is_better: Iterable[str] = ()) -> bool:
    """Whether lower is better, or comes first.

    Args:
        metric: By its name in metrics.json.
        lower_is_better: Added metrics where lower is better; a run's config lists them under this name.

    >>> falls("val/loss"), falls("test/uar"), falls("test/ece/low"), falls("val/error", ["error"])
    (True, False, True, True)
    """
    return not {*FALLING, *lower_is_better}.isdisjoint(metric.split("/"))


def added(configs: Iterable[Mapping[str, Any]], key: str = "metrics") -> list[str]:
    """Names of the metrics that runs' configs add; with the key `lower_is_better`, those where lower is better."""
    found = [config[key] for config in configs if isinstance(config.get(key), Mapping | list)]
    return list(dict.fromkeys(str(name) for names in found for name in names))
