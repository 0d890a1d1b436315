"""The metrics of a part, once an epoch: UAR, WA, macro F1 and loss, and those that a config adds.

Of numbers: CCC, Pearson's correlation, MAE and RMSE, each a mean over the targets.

A node of `metrics` names a class of `torchmetrics.classification`, or a metric of a package that the user trusts:

    metrics: {kappa: {_target_: torchmetrics.classification.MulticlassCohenKappa, weights: quadratic}}

It gets `num_classes`, and the whole part at once: probabilities (N, K) in float64, and labels (N,). A metric of
`torchmetrics.regression` gets `num_outputs`, and predicted and true numbers (N, D).
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torchmetrics import Metric, classification, regression

from ser.errors import UserError, did_you_mean
from ser.evaluation.metrics import f1_macro, negative_log_likelihood, softmax, uar, wa
from ser.evaluation.numbers import FIGURES, moments
from ser.evaluation.ranking import FALLING
from ser.instantiate import build, parameters_of, resolve

TAKEN = ("uar", "wa", "f1_macro", "auroc", "top2", "recall", *FIGURES, *FALLING)  # by figures that every run has
DIRECTION = "higher_is_better"  # of a node, where the class has none


class OfMatrix(classification.MulticlassConfusionMatrix):
    """A figure of the confusion matrix in float64, so that what is logged is what metrics.json ends with.

    torchmetrics' own macro recall is not UAR: a class that is predicted and never true counts there, with 0.

    Args:
        figure: (K, K) counts → a number.
        num_classes: K.
    """

    higher_is_better = True

    def __init__(self, figure: Callable[[np.ndarray], float], num_classes: int):
        super().__init__(num_classes, validate_args=False, sync_on_compute=False)  # given what all devices gathered
        self._figure = figure

    def compute(self) -> torch.Tensor:
        """The figure, a scalar."""
        return torch.as_tensor(self._figure(super().compute().numpy()))


class OfNumbers(Metric):
    """A figure of numbers in float64, as `OfMatrix` is of classes: torchmetrics sums in float32, and its CCC divides
    variances by n − 1.

    Args:
        figure: Sums (D, 7) → a number.
    """

    def __init__(self, figure: Callable[[np.ndarray], float]):
        super().__init__(sync_on_compute=False)  # given what all devices gathered
        self._figure = figure
        self.add_state("pairs", default=[])

    def update(self, predicted: torch.Tensor, true: torch.Tensor) -> None:
        """Adds utterances: predicted and true numbers, (N, D) each."""
        self.pairs.append(torch.stack([predicted, true]))

    def compute(self) -> torch.Tensor:
        """The figure, a scalar."""
        predicted, true = torch.cat(self.pairs, dim=1).numpy()
        return torch.as_tensor(self._figure(moments(true, predicted).sum(axis=0)))


def build_metrics(
    nodes: Mapping[str, Any] | None, num_classes: int, trust: Sequence[str] = (), numbers: bool = False
) -> dict[str, Metric]:
    """The metrics of every run and those that a config adds, each tried on an artificial part.

    Args:
        nodes: Name → node with `_target_` and settings; `metrics` of the config.
        num_classes: K, or how many numbers are predicted.
        trust: Packages allowed beside our own.
        numbers: Whether they are predicted, and not classes.

    Raises:
        UserError: A class that is not a metric of probabilities or labels, an invalid setting, a result that is not
            one number, or a name that is taken.
    """
    if numbers:
        own = {name: OfNumbers(figure) for name, figure in FIGURES.items()}
    else:
        own = {name: OfMatrix(it, num_classes) for name, it in (("uar", uar), ("wa", wa), ("f1_macro", f1_macro))}
    return own | added_metrics(nodes, num_classes, trust, numbers)


def added_metrics(
    nodes: Mapping[str, Any] | None, num_classes: int, trust: Sequence[str] = (), numbers: bool = False
) -> dict[str, Metric]:
    """The metrics that a config adds, as `build_metrics`."""
    return {name: _metric(str(name), node, num_classes, trust, numbers) for name, node in (nodes or {}).items()}


def score(true: np.ndarray, logits: np.ndarray, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """The scores of one part.

    Args:
        true: Labels (N,).
        logits: (N, K).
        metrics: From `build_metrics`.

    Returns:
        A number for each metric, and `loss`: the mean negative log-probability of the true class, in nats, without
        label smoothing or class weights.
    """
    probabilities = softmax(np.asarray(logits, dtype=np.float64))
    return {**compute(metrics, true, probabilities), "loss": negative_log_likelihood(true, probabilities)}


def compute(metrics: Mapping[str, Metric], true: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """A number for each metric, NaN where it is not defined.

    Args:
        metrics: By name.
        true: Labels (N,), or numbers (N, D).
        probabilities: (N, K), or predicted numbers (N, D).

    Raises:
        UserError: A metric that cannot be computed on the part.
    """
    labels, shares = torch.as_tensor(true), torch.as_tensor(probabilities)
    values = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that do not occur
        for name, metric in metrics.items():
            try:
                metric.reset()
                metric.update(shares, labels)
                values[name] = float(metric.compute())
            except Exception as error:
                raise UserError(f"metrics.{name} cannot be computed: {_first_line(error)}") from error
    return values


def falling(nodes: Mapping[str, Any], metrics: Mapping[str, Metric], watched: Iterable[Any] = ()) -> list[str]:
    """Names of the metrics where lower is better, by their class or by `higher_is_better` of the node.

    Args:
        nodes: `metrics` of the config.
        metrics: Built from them.
        watched: Metrics that select something: `monitor`, …

    Raises:
        UserError: A watched metric whose direction is not known.
    """
    ways = {name: nodes[name].get(DIRECTION, metric.higher_is_better) for name, metric in metrics.items()}
    for name in (str(word).rpartition("/")[2] for word in watched):
        if ways.get(name, True) is None:
            raise UserError(
                f"{type(metrics[name]).__name__} does not say whether higher is better, and val/{name} selects "
                f"something: add +metrics.{name}.{DIRECTION}=true, or false."
            )
    return [name for name, way in ways.items() if way is False]


def _metric(name: str, node: Any, num_classes: int, trust: Sequence[str], numbers: bool) -> Metric:
    where = f"metrics.{name}"
    if not name.isidentifier() or name in TAKEN:
        why = "a name has letters, digits and _ only" if name not in TAKEN else f"'{name}' names another figure"
        raise UserError(f"{where} cannot be added: {why}. Choose another name, e.g. metrics.my_metric.")
    target = _target(node, where, trust, numbers)
    settings = {key: value for key, value in node.items() if key != DIRECTION}
    if not isinstance(node.get(DIRECTION, True), bool):
        raise UserError(f"{where}.{DIRECTION}={node[DIRECTION]} must be true or false.")
    known = [key for key, parameter in parameters_of(target).items() if parameter.kind is not parameter.VAR_KEYWORD]
    size = "num_outputs" if numbers else "num_classes"
    given = {size: num_classes} if size in known else {}
    free = [key for key in known if key not in given]
    for key in settings.keys() - {"_target_", *free}:
        if target.__module__.startswith("torchmetrics."):  # the others are not the metric's own, but how it is synced
            raise UserError(f"{where} has no setting '{key}'. {did_you_mean(key, free)}")
    try:
        metric = build(settings, where, trust, **given)
    except (ValueError, RuntimeError, ModuleNotFoundError) as error:
        raise UserError(f"{where}: {_first_line(error)}") from error
    for part in metric.modules():
        part.sync_on_compute = False  # it is given what all devices have gathered
    _try(metric, where, num_classes, numbers, "average" in free)
    return metric


def _target(node: Any, where: str, trust: Sequence[str], numbers: bool) -> type[Metric]:
    """The class that a node names.

    Raises:
        UserError: It is not a metric; of torchmetrics the nearest one is named.
    """
    dotted, package = str(node.get("_target_") if isinstance(node, Mapping) else None), classification
    other = regression
    if numbers:
        package, other = other, package
    if dotted.startswith(f"{other.__name__}."):
        what = "predicts numbers" if numbers else "recognises classes"
        raise UserError(f"{where}._target_={dotted} is not a metric of {package.__name__}, and this run {what}.")
    try:
        target = resolve(node, where, trust)
    except UserError as error:
        if dotted.partition(".")[0] != "torchmetrics":
            raise
        prefix = "" if numbers else "Multiclass"
        names = [name for name in dir(package) if name.startswith(prefix) and name[0].isupper()]
        known = {name.removeprefix(prefix): name for name in names}
        near = get_close_matches(dotted.rpartition(".")[2].removeprefix("Multiclass"), known, n=1)
        hint = (
            f"Did you mean {package.__name__}.{known[near[0]]}?"
            if near
            else f"Choose from: {', '.join(known.values())}."
        )
        raise UserError(f"{where}._target_={dotted} is not a metric of {package.__name__}. {hint}") from error
    if not (isinstance(target, type) and issubclass(target, Metric)):
        raise UserError(f"{where}._target_={dotted} is not a metric: it must be a subclass of torchmetrics.Metric.")
    return target


def _try(metric: Metric, where: str, num_classes: int, numbers: bool, averages: bool) -> None:
    """Computes a metric of an artificial part, in which each class occurs, or numbers of all sizes."""
    name, rng = type(metric).__name__, np.random.default_rng(0)
    labels = np.arange(4 * num_classes) % num_classes
    probabilities, what = rng.dirichlet(np.ones(num_classes), len(labels)), "probabilities (N, {}) and labels (N,)"
    if numbers:
        labels, probabilities = rng.normal(size=(2, 16, num_classes))
        what = "predicted and true numbers (N, {})"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric.update(torch.as_tensor(probabilities), torch.as_tensor(labels))
            value = metric.compute()
    except Exception as error:
        raise UserError(
            f"{where}: {name} cannot be computed from {what.format(num_classes)}: {_first_line(error)}"
        ) from error
    if not (isinstance(value, float | int) or (isinstance(value, torch.Tensor) and value.numel() == 1)):
        what = (
            f"numbers of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
        )
        hint = f"Set {where}.average=macro, or take another." if averages else "Take another."
        raise UserError(f"{where}: {name} returns {what}, but a logged metric must be one number. {hint}")


def _first_line(error: Exception) -> str:
    return f"{str(error).strip().splitlines()[0].rstrip('.') if str(error).strip() else type(error).__name__}."
