"""A finished run as an object."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.commands.python.guest import as_a_guest, as_found
from ser.errors import UserError
from ser.system.names import near

if TYPE_CHECKING:
    from pandas import DataFrame

    from ser.evaluation.predictions import AnyPredictions
    from ser.inference.answers import Prediction
    from ser.reports.run_card import Figures

IN_CARD = ("learning_scores", "confusion_matrix_normalised", "scatter")  # beginnings of their names


class Run:
    """A finished run, an ensemble, or the pooled folds of a cross-validation; a notebook shows its card.

    Args:
        path: Its directory, absolute.
        config: Its own, plain data, with the choice made in each group under `choices`.
        protocol: The split's stamp.
        trust: Packages whose classes its config may name.
    """

    def __init__(self, path: Path, config: dict[str, Any], protocol: str, trust: Sequence[str] = ()):
        self.path, self.config, self.protocol = path, config, protocol
        self._trust, self._models = trust, {}

    @cached_property
    def metrics(self) -> dict[str, float]:
        """metrics.json: `test/uar`, `test/uar/low`, `val/loss`, `num_parameters`, …"""
        from ser.runs.directory import RunDirectory

        return RunDirectory(self.path, "").metrics()

    @cached_property
    def _test(self) -> "AnyPredictions":
        from ser.evaluation.predictions import read_predictions

        return read_predictions(self.path / "predictions.csv", self.metrics.get("num_test"))

    @cached_property
    def predictions(self) -> "DataFrame":
        """predictions.csv: a row a recording of the test part, with its traits and the probability of each class, or
        the true and the predicted number of each target.
        """
        from ser.commands.python.frames import predictions_frame

        return predictions_frame(self._test)

    @cached_property
    def figures(self) -> "Figures":
        """Pictures by name, drawn from the run's files: learning curves, confusion matrices, classes, reliability."""
        from ser.reports.run_card import Figures
        from ser.reports.run_report import figures_of_run

        return Figures((it.name, it) for it in figures_of_run(self.path, self._test, self.metrics, self.protocol))

    @as_a_guest
    def predict(
        self, recordings: Any, sample_rate: int | None = None, device: str = "auto", calibrated: bool = False
    ) -> "DataFrame | Prediction":
        """The emotion in recordings.

        Args:
            recordings: Files or folders, one or several; or a waveform, (T,) or (channels, T).
            sample_rate: Hz, of a waveform.
            device: `auto`, `cpu` or `gpu`.
            calibrated: As of `ser.load`.

        Returns:
            Of files a DataFrame: path, emotion, probability, that of each class, error; of a run that predicts numbers
            path, each number, error. Of a waveform a `Prediction`.

        Raises:
            UserError: No recordings, or the run has no model.
        """
        from ser.commands.python.frames import files_frame
        from ser.inference.answers import Numbers
        from ser.inference.load import load

        if (self.path / "crossval.json").is_file():
            raise UserError(f"{self.path} pools the folds of a cross-validation, and each fold has a model of its own.")
        with as_found():
            key = device, calibrated
            model = self._models[key] = self._models.get(key) or load(self.path, device, self._trust, calibrated)
            if sample_rate is not None:
                return model(recordings, sample_rate)
            if not isinstance(recordings, str | Path | Iterable) or hasattr(recordings, "ndim"):
                raise UserError("predict takes files and folders, or a waveform together with its sample_rate.")
            return files_frame(model.files(recordings), model.classes, isinstance(model.answers, Numbers))

    def show(self) -> None:
        """Shows the card and all figures in a notebook; elsewhere prints the main figures."""
        from rich.console import Console

        if not Console().is_jupyter:
            print(self)
            return
        from IPython.display import HTML, display

        display(HTML(self._card(self.figures.values())))

    def __repr__(self) -> str:
        return f"{near(self.path)}: {self.summary()}; {self.protocol}"

    def summary(self) -> str:
        """UAR and WA of test in one line, with their intervals; of numbers CCC and MAE."""
        from ser.reports.run_card import one_line

        return f"test {one_line(self.metrics)}"

    def _repr_html_(self) -> str:
        return self._card(picture for name, picture in self.figures.items() if name.startswith(IN_CARD))

    def _card(self, pictures: Iterable[Any]) -> str:
        from ser.reports.run_card import run_card

        return run_card(self.path.name, self.protocol, self.metrics, pictures)


@as_a_guest
def open_run(path: str | Path, trust: str | Sequence[str] = ()) -> Run:
    """A finished run, an ensemble, or a cross-validation, from its directory.

    Args:
        path: The directory.
        trust: Packages of your own whose classes the run's config may name.

    Raises:
        UserError: No such directory, or a run that did not finish.
    """
    from ser.runs.directory import finished_directory
    from ser.runs.reading import read_json

    folder = Path(path).expanduser().absolute()
    trust = [trust] if isinstance(trust, str) else list(trust)
    if (folder / "crossval.json").is_file():
        pooled = read_json(folder / "crossval.json")
        run = Run(folder, pooled.get("config") or {}, str(pooled.get("protocol")), trust)
    else:
        directory, config = finished_directory(folder)
        run = Run(directory.path, config, directory.protocol, trust)
    _ = run.metrics  # a damaged one is refused here
    return run
