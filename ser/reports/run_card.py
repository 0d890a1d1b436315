"""A run in the output of a notebook's cell: its figures with their intervals, and pictures."""

from collections.abc import Iterable, Mapping, Sequence

from ser.reports.evaluation_tables import FIGURES
from ser.reports.figures import Picture
from ser.reports.page import TEMPLATES, data_uri, png_size

SHOWN = ("uar", "wa", "f1_macro", "auroc", "ccc", "pearson", "mae", "rmse")
SHORT = ("uar", "wa", "ccc", "mae")  # in one line


class Figures(dict[str, Picture]):
    """Pictures by name, all of which a notebook shows side by side."""

    def __repr__(self) -> str:
        return f"Figures({', '.join(self)})"

    def _repr_html_(self) -> str:
        return run_card("", "", {}, self.values())


def run_card(title: str, stamp: str, metrics: Mapping[str, float], pictures: Iterable[Picture]) -> str:
    """HTML for the output of a cell.

    Args:
        title: One line.
        stamp: The split's stamp.
        metrics: metrics.json.
        pictures: Side by side, as many as fit.
    """
    rows = scores_of(metrics)
    template = TEMPLATES.get_template("run_card.html", globals={"data_uri": data_uri, "png_size": png_size})
    return template.render(title=title, stamp=stamp, rows=rows, pictures=list(pictures))


def scores_of(metrics: Mapping[str, float], names: Sequence[str] = SHOWN) -> list[tuple[str, str, str]]:
    """Name, value and interval of the figures of test that are there.

    >>> scores_of({"test/uar": 0.5, "test/uar/low": 0.412, "test/uar/high": 0.588, "test/wa": 0.6})
    [('UAR', '0.500', '0.412 to 0.588'), ('WA', '0.600', '')]
    """
    found = []
    for name in (name for name in names if f"test/{name}" in metrics):
        limits = [metrics.get(f"test/{name}/{limit}") for limit in ("low", "high")]
        interval = "" if None in limits else f"{limits[0]:.3f} to {limits[1]:.3f}"
        found.append((FIGURES[name], f"{metrics[f'test/{name}']:.3f}", interval))
    return found


def one_line(metrics: Mapping[str, float]) -> str:
    """UAR and WA of test with their intervals; of numbers CCC and MAE.

    >>> one_line({"test/uar": 0.5, "test/uar/low": 0.412, "test/uar/high": 0.588, "test/wa": 0.6})
    'UAR 0.500 (0.412 to 0.588), WA 0.600'
    """
    scores = scores_of(metrics, SHORT)
    return ", ".join(f"{name} {value}{f' ({interval})' if interval else ''}" for name, value, interval in scores)
