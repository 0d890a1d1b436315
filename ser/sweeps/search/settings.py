"""The settings of a search, `tune.…`, checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.errors import UserError, did_you_mean
from ser.evaluation.ranking import falls
from ser.runs.settings import check_run_settings, monitors

SAMPLERS = ("tpe", "gp", "qmc", "random")
PRUNERS = ("median", "hyperband", "none")


@dataclass(frozen=True, slots=True)
class Settings:
    """`tune.…`; configs/tune.yaml explains each."""

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
    lower_is_better: tuple[str, ...] = ()  # added metrics where lower is better

    @property
    def direction(self) -> str:
        """Losses are minimised, scores maximised."""
        return "minimize" if falls(self.metric, self.lower_is_better) else "maximize"

    @classmethod
    def read(cls, config: dict[str, Any]) -> "Settings":
        """Checks `tune`.

        Args:
            config: Resolved; its `monitor` is the default of `tune.metric`.

        Raises:
            UserError: The message names the setting.
        """
        node = config["tune"]
        check_run_settings({"tune": node})
        return cls(
            **{key: node[key] for key in ("trials", "seed", "startup_trials", "warmup_epochs", "workers")},
            metric=_metric(str(config["monitor"] if node["metric"] is None else node["metric"]), monitors(config)),
            sampler=_one_of(node, "sampler", SAMPLERS),
            pruner=_one_of(node, "pruner", PRUNERS),
            seeds=_several(node, "seeds"),
            folds=_several(node, "folds") if isinstance(node["folds"], list) else node["folds"],
            storage=_text(node, "storage"),
            dir=None if node["dir"] is None else Path(str(node["dir"])).expanduser().absolute(),
            dead_after_s=float(node["dead_after_s"]),
        )


def _several(node: dict[str, Any], key: str) -> tuple[int, ...]:
    value = node[key]
    if value is None:
        return ()
    if not value or len(set(value)) < len(value):
        raise UserError(f"tune.{key}={value} must be different whole numbers, e.g. tune.{key}=[0,1,2].")
    return tuple(value)


def _metric(value: str, known: tuple[str, ...]) -> str:
    if value.startswith("test/"):
        raise UserError(
            f"A search by {value} would choose settings by the test part, whose score would then say nothing "
            "about new recordings. Search by validation: tune.metric=val/uar; test is scored once, at the end."
        )
    if value not in known:
        raise UserError(f"tune.metric={value} cannot guide a search. {did_you_mean(value, list(known))}")
    return value


def _one_of(node: dict[str, Any], key: str, known: tuple[str, ...]) -> str:
    value = "none" if node[key] is None else str(node[key])
    if value not in known:
        raise UserError(f"tune.{key}={value} is unknown. {did_you_mean(value, list(known))}")
    return value


def _text(node: dict[str, Any], key: str) -> str | None:
    return None if node[key] in (None, "") else str(node[key])
