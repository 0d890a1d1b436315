"""The search space: each key with its possible values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import product
from math import prod
from typing import Any

from optuna import Trial


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key that is searched.

    Args:
        key: As in an override: `optimizer.lr`, `+model.width`, `stft@frontend.stft`.
        kind: `choice` (of texts), `int` or `float`.
        choices: As they are written in an override.
        low, high: Ends, both included.
        step: Distance of two values; None: any value between (whole ones of an `int`).
        log: Whether equal ratios are equally likely, not equal distances.
        group: Whether it chooses a file of a config group.
    """

    key: str
    kind: str
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    group: bool = False

    @property
    def name(self) -> str:
        """The key without Hydra's mark for additions."""
        return self.key.lstrip("+")

    def suggest(self, trial: Trial) -> Any:
        """A value for this trial, drawn by Optuna."""
        if self.kind == "choice":
            return trial.suggest_categorical(self.name, self.choices)
        if self.kind == "int":
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return trial.suggest_int(self.name, low, high, step=step, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def text(self, value: Any) -> str:
        """A value as in an override: used in training, and easy to type again.

        Numbers have at most six significant digits.

        >>> Parameter("optimizer.lr", "float", low=0.1, high=0.5, step=0.1).text(0.30000000000000004)
        '0.3'
        """
        if self.kind == "choice":
            return value
        if self.kind == "int":
            return str(int(value))
        if self.step is not None:  # on the decimal grid, 0.3 and not 0.1 + 0.1 + 0.1
            low, step = Decimal(str(self.low)), Decimal(str(self.step))
            return str(float(low + step * round((Decimal(repr(float(value))) - low) / step)))
        return repr(min(max(float(f"{value:.6g}"), self.low), self.high))

    def ends(self) -> tuple[str, ...]:
        """The values to try before a search: all choices, or both ends."""
        return self.choices if self.kind == "choice" else (self.text(self.low), self.text(self.high))

    def count(self) -> int | None:
        """The number of values; None for a continuous range."""
        if self.kind == "choice":
            return len(self.choices)
        if self.kind == "float" and self.step is None:
            return None
        return round((self.high - self.low) / (self.step or 1)) + 1

    def words(self) -> str:
        """For people.

        >>> Parameter("optimizer.lr", "float", low=1e-4, high=1e-2, log=True).words()
        '0.0001 to 0.01, logarithmic'
        """
        if self.kind == "choice":
            return ", ".join(self.choices)
        step = "" if self.step is None or self.count() == 1 else f" by {self.step:g}"
        whole = "whole numbers " if self.kind == "int" else ""
        return f"{whole}{self.text(self.low)} to {self.text(self.high)}{step}{', logarithmic' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Space:
    """All keys that are searched, in the order in which they were given."""

    parameters: tuple[Parameter, ...]

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Values by name, drawn by Optuna."""
        return {parameter.name: parameter.suggest(trial) for parameter in self.parameters}

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of one trial; choices of groups first.

        Args:
            values: By name, as drawn.
        """
        ordered = sorted(self.parameters, key=lambda parameter: not parameter.group)
        return [f"{p.key}={p.text(values[p.name])}" for p in ordered]

    def count(self) -> int | None:
        """The number of combinations; None if infinite."""
        counts = [parameter.count() for parameter in self.parameters]
        return None if None in counts else prod(counts)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """As plain data, for study.json: distinguishes searches."""
        return {
            p.name: {key: list(v) if key == "choices" else v for key, v in asdict(p).items() if v or key == "low"}
            for p in self.parameters
        }

    def corners(self, limit: int = 200) -> list[list[str]]:
        """Overrides that together try all combinations of groups, and every choice and both ends of every other key.

        Args:
            limit: Where there are more combinations of groups, each choice is tried once only.
        """
        groups = [p for p in self.parameters if p.group]
        others = [p for p in self.parameters if not p.group]
        ends = [p.ends() for p in groups]
        combinations = list(product(*ends)) if prod(map(len, ends)) <= limit else _each_once(ends)
        rounds = [[e[min(i, len(e) - 1)] for e in (p.ends() for p in others)] for i in range(_longest(others))] or [[]]
        corners = []
        for i, combination in enumerate(combinations):
            chosen = [f"{p.key}={text}" for p, text in zip(groups, combination, strict=True)]
            for values in rounds if i == 0 else (rounds[0], rounds[-1])[: len(rounds)]:
                corners.append(chosen + [f"{p.key}={text}" for p, text in zip(others, values, strict=True)])
        return corners


def _longest(parameters: list[Parameter]) -> int:
    return max((len(parameter.ends()) for parameter in parameters), default=0)


def _each_once(ends: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows in which each choice occurs at least once."""
    return [tuple(choices[i % len(choices)] for choices in ends) for i in range(max(map(len, ends)))]
