"""All figures of a report on a run, or on the folds of a cross-validation, from their predictions."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ser.errors import UserError
from ser.evaluation.calibration import (
    Reliability,
    at_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from ser.evaluation.confidence import RESAMPLES, Speakers
from ser.evaluation.groups import Division, divide
from ser.evaluation.predictions import AnyPredictions, Predictions, pool
from ser.evaluation.scored import Scores
from ser.evaluation.scores import score_part

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Fold:
    """The predictions of one training run.

    Args:
        test: Its test part.
        val: Its validation part, on which the temperature is fitted; None where the run has none.
        baselines: Name → predictions of the same test part (`ser.evaluation.baselines`).
    """

    test: AnyPredictions
    val: AnyPredictions | None = None
    baselines: dict[str, AnyPredictions] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of a run or of pooled folds.

    Args:
        classes: In label order; of numbers the targets.
        absent: Classes that the test part lacks: they have no recall, and no mean counts them.
        num_utterances: Tested.
        num_speakers: Tested, or None where they are unknown.
        remark: Why there are no intervals, or empty.
        temperatures: Of each fold; empty where a fold has no validation part, and of numbers.
        systems: `model` first, then the baselines.
        reliability: `before` and, where there are temperatures, `after` scaling; empty of numbers.
        divisions: The model's figures by group.
    """

    classes: tuple[str, ...]
    absent: tuple[str, ...]
    num_utterances: int
    num_speakers: int | None
    remark: str
    temperatures: tuple[float, ...]
    systems: dict[str, Scores]
    reliability: dict[str, Reliability]
    divisions: tuple[Division, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data that survives JSON unchanged; undefined figures are None."""
        return _plain(asdict(self))

    def as_metrics(self) -> dict[str, float]:
        """Figures for metrics.json: `test/auroc`, `test/uar/low`, `test/recall/<class>`, `temperature`, …; of numbers
        `test/ccc`, `test/<target>/ccc`, …"""
        metrics = {}
        for name, estimate in self.systems[MODEL].overall.items():
            values = {"": estimate.value, "/low": estimate.low, "/high": estimate.high}
            metrics |= {f"test/{name}{limit}": value for limit, value in values.items() if value is not None}
        if len(self.temperatures) == 1:
            metrics["temperature"] = self.temperatures[0]
        for name, figures in self.systems[MODEL].by_class.items():
            if "recall" in figures:
                metrics[f"test/recall/{name}"] = figures["recall"].value
            else:
                metrics |= {f"test/{name}/{figure}": estimate.value for figure, estimate in figures.items()}
        return {name: value for name, value in metrics.items() if not math.isnan(value)}


def evaluate(folds: Sequence[Fold], resamples: int = RESAMPLES, seed: int = 0) -> Evaluation:
    """All figures of one run, or of the folds of one cross-validation pooled.

    Args:
        folds: At least one, with disjoint test parts and baselines of the same names.
        resamples: For the intervals; about 0.3 s for 2000 and RAVDESS.
        seed: Of the resamples, not of the run: equal parts are resampled alike, so that systems can be compared.

    Raises:
        UserError: The folds do not match.
    """
    names = list(folds[0].baselines)
    if any(list(fold.baselines) != names for fold in folds):
        raise UserError("These runs cannot be pooled: they have different baselines.")
    test = pool([fold.test for fold in folds])
    speakers = Speakers.of(test, resamples, seed)
    systems = {MODEL: score_part(test, speakers)}
    has_classes = isinstance(test, Predictions)
    reliabilities, temperatures = {"before": reliability(test)} if has_classes else {}, ()
    if has_classes and all(fold.val is not None for fold in folds):
        temperatures = tuple(fit_temperature(fold.val) for fold in folds)
        scaled = pool([at_temperature(fold.test, t) for fold, t in zip(folds, temperatures, strict=True)])
        after = {"ece_scaled": expected_calibration_error(scaled)}
        systems[MODEL] = replace(systems[MODEL], overall=systems[MODEL].overall | after)
        reliabilities["after"] = reliability(scaled)
    for name in names:
        systems[name] = score_part(pool([fold.baselines[name] for fold in folds]), speakers)
    return Evaluation(
        test.classes,
        test.absent(),
        len(test),
        speakers.count if speakers.known else None,
        speakers.refusal(speakers.utterances(slice(None))),
        temperatures,
        systems,
        reliabilities,
        divide(test, speakers),
    )


def _plain(value: Any) -> Any:
    """Lists for tuples, None for NaN."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
