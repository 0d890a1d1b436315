"""The figures of one system over one part, each with its interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ser.evaluation.confidence import Estimate


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of a system.

    Args:
        overall: `uar`, `wa`, `f1_macro`, `auroc` (each class against the rest, mean over classes), `top2` and `ece`;
            of a model with a validation part also `ece_scaled`, after temperature scaling. Of numbers `ccc`, `pearson`,
            `mae` and `rmse`, means over the targets.
        by_class: Class → `recall`, `precision`, `f1`, `auroc`; of numbers target → its figures.
        confusion: Counts, true class by row; empty of numbers.
    """

    overall: dict[str, Estimate]
    by_class: dict[str, dict[str, Estimate]]
    confusion: tuple[tuple[int, ...], ...]

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Scores":
        """Scores from evaluation.json, where None stands for undefined figures.

        Raises:
            KeyError, TypeError, AttributeError: It holds something else.
        """
        return cls(
            _estimates(plain["overall"]),
            {name: _estimates(figures) for name, figures in plain["by_class"].items()},
            tuple(map(tuple, plain["confusion"])),
        )


def _estimates(plain: dict[str, dict[str, Any]]) -> dict[str, Estimate]:
    nan = {"value": np.nan}
    found = {name: Estimate(**(it | nan if it["value"] is None else it)) for name, it in plain.items()}
    for estimate in found.values():
        limits = (estimate.low, estimate.high)
        numbers = (estimate.value,) if limits == (None, None) else (estimate.value, *limits)
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError("a figure that is not a number")
    return found
