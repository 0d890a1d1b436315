"""The one figure of a run's result that is drawn as soon as it is there: confusion matrix, or scatter of numbers."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from ser.evaluation.metrics import confusion_matrix
from ser.evaluation.predictions import AnyPredictions, Predictions
from ser.reports.figures import confusion_figure
from ser.reports.scatter import scatter_figure


def result_figure(test: AnyPredictions, metrics: Mapping[str, float], what: str, stamp: str) -> tuple[str, Figure]:
    """The name of its file, without suffix, and the figure.

    Args:
        test: The predictions of the test part.
        metrics: metrics.json, of which the main figure stands in the title.
        what: What was tested: a corpus, or an average of runs.
        stamp: The split's stamp.
    """
    how = f"({stamp.split(';')[0]})"
    if isinstance(test, Predictions):
        matrix = confusion_matrix(test.true, test.predicted, len(test.classes))
        title = f"{what}, test: UAR {metrics['test/uar']:.3f} {how}"
        return "confusion_matrix", confusion_figure(matrix, test.classes, title, stamp)
    ccc = metrics.get("test/ccc")
    title = f"{what}, test{'' if ccc is None else f': CCC {ccc:.3f}'} {how}"
    return "scatter", scatter_figure(test, title, stamp)
