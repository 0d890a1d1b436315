"""Optuna's two figures of a search, with the pruned trials and the split's stamp added."""

from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from optuna import Study
from optuna.importance import BaseImportanceEvaluator
from optuna.trial import TrialState
from optuna.visualization.matplotlib import plot_optimization_history, plot_param_importances

from ser.system.files import write_atomically


def draw(study: Study, folder: Path, metric: str, stamp: str, evaluator: BaseImportanceEvaluator, params: list[str]):
    """Writes `history.png` and, for the settings in `params`, `importance.png`.

    Args:
        study: With a complete trial.
        folder: The target folder.
        metric: The search's metric.
        stamp: The split's stamp.
        evaluator: Of importance.
        params: Settings that have an importance.
    """
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    points = [(trial.number, trial.value) for trial in pruned if trial.value is not None]
    folder.mkdir(exist_ok=True)
    with matplotlib.rc_context({"backend": "agg"}):  # Optuna sets a style; no window is opened
        axes = plot_optimization_history(study, target_name=metric)
        if points:
            axes.plot(*zip(*points, strict=True), "x", color="grey", label="pruned, where it stopped")
        axes.legend(loc="best")
        _write(axes, folder / "history.png", stamp)
        if params:
            axes = plot_param_importances(study, evaluator, params, target_name=metric)
            _write(axes, folder / "importance.png", stamp)


def _write(axes: Axes, file: Path, stamp: str) -> None:
    figure = axes.figure
    figure.text(0.5, -0.02, stamp, fontsize="x-small", ha="center", va="top", wrap=True, parse_math=False)
    write_atomically(file, lambda path: figure.savefig(path, format="png", dpi=200, bbox_inches="tight"))
    pyplot.close(figure)
