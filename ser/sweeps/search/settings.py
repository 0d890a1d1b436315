"""The settings of a search, `tune.…`, checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.errors import UserError, did_you_mean
from ser.training.build import CHOICES

SAMPLERS = ("tpe", "gp", "qmc", "random")
PRUNERS = ("median", "hyperband", "none")
METRICS = CHOICES["monitor"]


@dataclass(frozen=True, slots=True)
class Settings:
    """`tune.…`; what each means stands in configs/tune.yaml."""

    trials: int
    metric: str
    sampler: str
    pruner: str
    seed: int
    startup_trials: int
    warmup_epochs: int
    seeds: tuple[int, ...]
    folds: str | int | tuple[int, ...] | None
    workers: int
    storage: str | None
    dir: Path | None
    dead_after_s: float

    @property
    def direction(self) -> str:
        """Losses are minimised, scores maximised."""
        return "minimize" if self.metric.endswith("loss") else "maximize"

    @classmethod
    def read(cls, node: dict[str, Any], monitor: str) -> "Settings":
        """Checks `tune`.

        Args:
            node: The config's node, resolved.
            monitor: The config's, which the search goes by where `tune.metric` names nothing else.

        Raises:
            UserError: The message names the setting.
        """
        known = {*cls.__dataclass_fields__, "space"}
        for key in node:
            if key not in known:
                raise UserError(f"tune has no setting '{key}'. {did_you_mean(str(key), sorted(known))}")
        whole = {key: _whole(node, key, least) for key, least in LEAST.items()}
        return cls(
            **whole,
            metric=_metric(monitor if node["metric"] is None else str(node["metric"])),
            sampler=_one_of(node, "sampler", SAMPLERS),
            pruner=_one_of(node, "pruner", PRUNERS),
            seeds=_wholes(node, "seeds"),
            folds=_folds(node),
            storage=_text(node, "storage"),
            dir=None if node["dir"] is None else Path(str(node["dir"])).expanduser().absolute(),
            dead_after_s=_seconds(node),
        )


LEAST = {"trials": 1, "seed": 0, "startup_trials": 0, "warmup_epochs": 0, "workers": 1}


def _whole(node: dict[str, Any], key: str, least: int) -> int:
    value = node[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"tune.{key}={value} must be a whole number from {least}.")
    return value


def _wholes(node: dict[str, Any], key: str) -> tuple[int, ...]:
    value = node[key]
    if value is None:
        return ()
    if not isinstance(value, list) or not value or any(isinstance(v, bool) or not isinstance(v, int) for v in value):
        raise UserError(f"tune.{key}={value} must be a list of whole numbers, e.g. tune.{key}=[0,1,2].")
    if min(value) < 0 or len(set(value)) < len(value):
        raise UserError(f"tune.{key}={value} must be different whole numbers from 0.")
    return tuple(value)


def _folds(node: dict[str, Any]) -> str | int | tuple[int, ...] | None:
    value = node["folds"]
    if value is None or value == "all":
        return value
    if isinstance(value, list):
        return _wholes(node, "folds")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"tune.folds={value} must be all, a number of folds, or a list of them, e.g. tune.folds=[0,1].")
    return value


def _metric(value: str) -> str:
    if value.startswith("test/"):
        raise UserError(
            f"A search that goes by {value} would choose settings by the test part, and its score would then say "
            "nothing about new recordings. Search by validation: tune.metric=val/uar; test is scored once, at the end."
        )
    if value not in METRICS:
        raise UserError(f"tune.metric={value} cannot be searched by. {did_you_mean(value, list(METRICS))}")
    return value


def _one_of(node: dict[str, Any], key: str, known: tuple[str, ...]) -> str:
    value = "none" if node[key] is None else str(node[key])
    if value not in known:
        raise UserError(f"tune.{key}={value} is unknown. {did_you_mean(value, list(known))}")
    return value


def _text(node: dict[str, Any], key: str) -> str | None:
    return None if node[key] in (None, "") else str(node[key])


def _seconds(node: dict[str, Any]) -> float:
    value = node["dead_after_s"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 1:
        raise UserError(f"tune.dead_after_s={value} must be a number of seconds, at least 1.")
    return float(value)
