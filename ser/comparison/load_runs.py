"""The runs to compare: the finished ones, with the settings of their identity, their figures and predictions."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from ser.comparison.conditions import Condition
from ser.errors import UserError, some
from ser.evaluation.averaging import recordings_of
from ser.evaluation.predictions import AnyPredictions, read_predictions
from ser.evaluation.scores import main_figure
from ser.runs.identity import ABSENT, COUNTED_OTHERWISE, counts, flatten, plain
from ser.runs.listing import FoundRun, find_runs
from ser.runs.settings import devices_of

DRAWN = ("seed", "split.seed", "split.fold")  # runs that differ in these alone are one configuration
NOT_TESTED = ("split.val",)  # settings of a split that change no test part
TOLERANCE = 1e-6  # between metrics.json and predictions.csv


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """A run's predictions of its test part, ordered by recording: two runs on one part have equal rows.

    Args:
        classes: In label order, or the names of numbers.
        recordings: (corpus, key) of each of the N utterances.
        true, predicted: Labels (N,), or numbers (N, D).
        speakers: N names; None where unknown.
        part: A hash of recordings and labels: equal for equal test parts.
    """

    classes: tuple[str, ...]
    recordings: tuple[tuple[str, str], ...]
    true: np.ndarray
    predicted: np.ndarray
    speakers: tuple[str | None, ...]
    part: str

    @classmethod
    def of(cls, test: AnyPredictions) -> "Answered":
        """The predictions in order, without the probabilities."""
        named = [(corpus or "", key) for corpus, key in recordings_of(test)]
        return cls._ordered(test.classes, named, test.true, test.predicted, test.traits["speaker"])

    @classmethod
    def pooled(cls, folds: Sequence["Answered"]) -> "Answered":
        """The folds of a cross-validation as one part."""
        named, speakers = ([it for fold in folds for it in getattr(fold, name)] for name in ("recordings", "speakers"))
        true, predicted = (np.concatenate([getattr(fold, name) for fold in folds]) for name in ("true", "predicted"))
        return cls._ordered(folds[0].classes, named, true, predicted, speakers)

    @classmethod
    def _ordered(cls, classes, named, true, predicted, speakers) -> "Answered":
        order = sorted(range(len(named)), key=named.__getitem__)
        recordings, true = tuple(named[i] for i in order), true[order]
        facts = json.dumps([classes, recordings, true.tolist()]).encode()
        part = hashlib.blake2b(facts, digest_size=8).hexdigest()
        return cls(classes, recordings, true, predicted[order], tuple(speakers[i] for i in order), part)

    @property
    def are_numbers(self) -> bool:
        """Whether it is about numbers, and not classes."""
        return self.true.ndim > 1

    @property
    def main_figure(self) -> str:
        """What it is compared by."""
        return "ccc" if self.are_numbers else "uar"


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run as it is compared.

    Args:
        path: Its directory.
        identity, protocol: As recorded at its start.
        config: Its own, plain data.
        metrics: metrics.json.
        answered: From predictions.csv.
    """

    path: Path
    identity: str
    protocol: str
    config: dict[str, Any]
    metrics: dict[str, Any]
    answered: Answered

    @property
    def choices(self) -> dict[str, Any]:
        """Group → the choice made in it."""
        return self.config["choices"]

    @cached_property
    def flat(self) -> dict[str, Any]:
        """Every setting by its dotted key."""
        return dict(flatten({key: value for key, value in self.config.items() if key != "choices"}))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings of its identity, by dotted key, without those drawn anew in each run of a configuration."""
        counted = {key: value for key, value in self.flat.items() if counts(key, self.flat) or key in COUNTED_OTHERWISE}
        counted["batch_size"] = self.flat.get("batch_size", 0) * _devices(self.flat)
        if counted.get("init_from"):
            counted["init_from"] = Path(str(counted["init_from"])).name
        for key, value in counted.items():
            if value and key.endswith(".content"):  # of a pretrained model; its place may differ from run to run
                counted[key] = str(value)[:8]
        return {
            key: value
            for key, value in counted.items()
            if key not in DRAWN and (value is not None or key not in ABSENT)
        }

    @cached_property
    def configuration(self) -> str:
        """Equal for runs of one configuration."""
        return frozen(self.settings)

    @property
    def drawn(self) -> tuple[Any, Any, Any]:
        """Seed, seed of the split (by default the same), fold (None where the split has none)."""
        seed, of_split, fold = (self.flat.get(key) for key in DRAWN)
        return seed, seed if of_split is None else of_split, fold

    @cached_property
    def values(self) -> dict[str, Any]:
        """The keys of conditions: choices, settings, figures, the folder's name as `run`."""
        return {**self.metrics, **self.flat, **self.choices, "run": self.path.name}


@dataclass(frozen=True, slots=True)
class Gathered:
    """Finished runs, by path, and remarks on skipped ones."""

    runs: tuple[Run, ...]
    remarks: tuple[str, ...]


def gather(places: Sequence[str | Path], condition: Condition | None = None) -> Gathered:
    """Finds and reads runs; a damaged one is named and does not stop the others.

    Args:
        places: Run directories, folders of runs, sweep folders, cross-validations, or globs.
        condition: Selects the runs to compare.

    Raises:
        UserError: A place holds no run, none is finished, or none matches the condition.
    """
    found, remarks = find_runs(places)
    runs, damaged = _readable(run for run in found if run.state == "finished")
    remarks = [*remarks, *damaged]
    if others := Counter(run.state for run in found if run.state not in ("finished", "damaged")):
        counted = ", ".join(f"{count} {state}" for state, count in sorted(others.items()))
        remarks.append(f"Not finished and left out: {counted} (`ser runs` lists them).")
    runs = _once(runs)
    if not runs:
        raise UserError(f"No finished run among {len(found)} in {some([str(p) for p in places])}. {' '.join(remarks)}")
    if condition is not None:
        runs = _fitting(runs, condition)
    return Gathered(tuple(runs), tuple(remarks))


def frozen(value: Any) -> str:
    """A value as text, equal where the setting is: 1 and 1.0 are one number, a number and a text are two settings."""
    return json.dumps(plain(value), sort_keys=True, default=str)


def _devices(flat: dict[str, Any]) -> int:
    """Devices that share a step, where the config names their number: 2 × 32 is the same experiment as 1 × 64."""
    try:
        asked = devices_of(flat.get("trainer.devices", 1))
        return max(1, asked if isinstance(asked, int) else len(asked)) * int(flat.get("trainer.num_nodes", 1))
    except (UserError, TypeError, ValueError):
        return 1


def _readable(found: Iterable[FoundRun]) -> tuple[list[Run], list[str]]:
    runs, damaged = [], []
    for run in found:
        try:
            runs.append(_read(run))
        except UserError as error:
            damaged.append(f"{run.path} is damaged: {error}")
    return runs, damaged


def _read(found: FoundRun) -> Run:
    return as_run(found, read_test(found))


def read_test(found: FoundRun) -> AnyPredictions:
    """The predictions of a finished run, checked against its figures.

    Raises:
        UserError: They do not match, or a file is damaged.
    """
    choices = found.config.get("choices")
    if not isinstance(choices, dict) or not isinstance(found.config.get("split"), dict):
        raise UserError("its config.yaml is not the config of a run.")
    if not isinstance(found.metrics, dict):
        raise UserError("its metrics.json holds no figures.")
    test = read_predictions(found.path / "predictions.csv", found.metrics.get("num_test"))
    name, computed = main_figure(test)
    recorded = found.metrics.get(f"test/{name}", computed if isnan(computed) else None)
    if not isinstance(recorded, int | float) or not (isnan(computed) or abs(recorded - computed) <= TOLERANCE):
        raise UserError(f"metrics.json has test/{name} {recorded}, predictions.csv {computed:.6f}: one was changed.")
    return test


def as_run(found: FoundRun, test: AnyPredictions) -> Run:
    """A finished run with its predictions, as it is compared."""
    return Run(found.path, found.identity, found.protocol, found.config, found.metrics, Answered.of(test))


def _once(runs: list[Run]) -> list[Run]:
    """Each identity once: a run copied to another folder is the same run, as a remark notes."""
    kept: dict[str, Run] = {}
    for run in runs:
        kept.setdefault(run.identity, run)
    return list(kept.values())


def _fitting(runs: list[Run], condition: Condition) -> list[Run]:
    condition.check_known({key for run in runs for key in run.values})
    fitting = [run for run in runs if condition.holds(run.values)]
    if not fitting:
        values = {key: sorted({shown(run.values.get(key)) for run in runs}) for key in sorted(condition.keys)}
        present = "; ".join(f"{key} is {some(of_key)}" for key, of_key in values.items())
        raise UserError(f"{condition.where} “{condition.text}” matches none of {len(runs)} finished runs: {present}.")
    return fitting


def shown(value: Any, digits: int | None = 6) -> str:
    """A setting as a cell: floats with so many significant digits at most (None: all), None as a dash.

    >>> shown(0.001), shown(1e-05), shown(None), shown([64, 128]), shown(True), shown(0.30000000000000004)
    ('0.001', '1e-05', '–', '[64, 128]', 'true', '0.3')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(each, digits) for each in value)}]"
    return str(value)
