"""`report.html`: an evaluation on one self-contained page, and its figures as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ser.evaluation.evaluate import MODEL, Evaluation
from ser.evaluation.groups import Division
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.predictions import AnyPredictions, Predictions
from ser.reports.class_bars import class_bars
from ser.reports.curves import learning_curves
from ser.reports.evaluation_tables import FIGURES, cell, figures_by_group, remarks
from ser.reports.events import Curve
from ser.reports.figures import Picture, confusion_pictures
from ser.reports.mistakes import Sounds, find_mistakes, mistake_card, mistakes_parts, mistakes_title
from ser.reports.page import Page, code, columns, details, facts, figure, note, table, text
from ser.reports.reliability import reliability_picture
from ser.reports.scatter import scatter_pictures
from ser.system.files import write_atomically, write_text

FIRST = ("uar", "wa", "f1_macro", "auroc", "ccc", "pearson", "mae", "rmse")  # above everything else
MOST_ROWS = 14  # of a table that is shown open
ON_LOSSES = (
    "The training loss is measured with dropout, augmentation and label smoothing as configured, so it may lie above "
    "that of validation."
)
ON_NUMBERS = (
    "The training loss is measured with dropout and augmentation as configured, a batch at a time, so it may lie above "
    "that of validation."
)
ON_GROUPS = "Gap: largest less smallest value of the groups. It grows with their number, even for equal groups."


@dataclass(frozen=True, slots=True)
class ReportInputs:
    """The inputs of a report.

    Args:
        title: Of the page.
        stamp: The split's stamp; it is on every figure and table.
        test: The model's predictions.
        evaluation: Its figures.
        sounds: The recordings, where available.
        about: Name → value: identity, device, versions, …
        config: The run's.
        notes: Further remarks.
        curves: Of the training, from `ser.reports.events.curves_of`.
        best_epoch: The epoch of the selected weights, from 0.
    """

    title: str
    stamp: str
    test: AnyPredictions
    evaluation: Evaluation
    sounds: Sounds | None = None
    about: Mapping[str, object] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    best_epoch: int | None = None


def pictures_of(inputs: ReportInputs) -> tuple[list[Picture], ...]:
    """Learning curves, confusion matrices, bars by class, and reliability: the figures of a run but its mistakes.

    Of numbers scatters in place of matrices, and no bars and no reliability.
    """
    evaluation, stamp = inputs.evaluation, inputs.stamp
    model = evaluation.systems[MODEL]
    curves = learning_curves(inputs.curves, inputs.best_epoch, stamp)
    if not isinstance(inputs.test, Predictions):
        return curves, scatter_pictures(inputs.test, model.by_class, stamp), [], []
    return (
        curves,
        confusion_pictures(np.array(model.confusion), evaluation.classes, stamp),
        [class_bars(model.by_class, stamp)],
        _reliability(evaluation, stamp),
    )


def write_report(folder: Path, inputs: ReportInputs) -> Path:
    """Writes `report.html` and `figures/` into a folder; gives the page's path.

    Raises:
        UserError: The disk is full, or the folder may not be written.
    """
    evaluation, stamp = inputs.evaluation, inputs.stamp
    curves, results, bars, reliability = drawn = pictures_of(inputs)
    mistakes = find_mistakes(inputs.test, inputs.sounds, stamp)
    of_mistakes = [mistake.picture for mistake in mistakes if mistake.picture]
    _save(folder / "figures", [*chain(*drawn), *of_mistakes])

    has_classes = isinstance(inputs.test, Predictions)
    page = Page(inputs.title, inputs.stamp)
    page.section("Result", *_result(inputs))
    if curves:
        page.section("Learning curves", columns(*map(_shown, curves)), note(ON_LOSSES if has_classes else ON_NUMBERS))
    if has_classes:
        page.section("Confusion", columns(*map(_shown, results)))
        page.section("Classes", columns(*map(_shown, bars), _classes(evaluation, stamp)))
        page.section("Calibration", text(_on_confidence(evaluation)), columns(*map(_shown, reliability)))
    else:
        by_target = _targets(evaluation, inputs.test, stamp)
        page.section("Predicted and true", columns(*map(_shown, results)), by_target)
    if evaluation.divisions:
        names = figures_by_group(evaluation)
        groups = columns(*(_groups(division, names, stamp) for division in evaluation.divisions))
        page.section("Groups", note(ON_GROUPS), groups)
    cards = [mistake_card(mistake, inputs.test) for mistake in mistakes]
    page.section(mistakes_title(inputs.test), *mistakes_parts(inputs.test, mistakes), columns(*cards))
    page.section("This run", *_run(inputs))
    path = folder / "report.html"
    write_text(path, page.html())
    return path


def _result(inputs: ReportInputs) -> list[str]:
    evaluation = inputs.evaluation
    overall = evaluation.systems[MODEL].overall
    speakers = "unknown" if evaluation.num_speakers is None else evaluation.num_speakers
    first = {FIGURES[name]: cell(overall[name]).split(" [")[0] for name in FIRST if name in overall}
    rows = [
        [FIGURES[name], *(cell(scores.overall.get(name)) for scores in evaluation.systems.values())] for name in overall
    ]
    return [
        facts({**first, "utterances": evaluation.num_utterances, "speakers": speakers}),
        table(["", *evaluation.systems], rows, "Test", inputs.stamp),
        note(f"{'No intervals: ' if evaluation.remark else ''}{'; '.join(remarks(evaluation))}."),
        *(note(f"Note: {remark.rstrip('.')}.") for remark in inputs.notes),
    ]


def _classes(evaluation: Evaluation, stamp: str) -> str:
    model = evaluation.systems[MODEL]
    names = list(next(iter(model.by_class.values())))
    rows = [
        [name, sum(row), *(cell(figures[key]) for key in names)]
        for (name, figures), row in zip(model.by_class.items(), model.confusion, strict=True)
    ]
    return table(["class", "utterances", *map(FIGURES.get, names)], rows, "By class", stamp)


def _targets(evaluation: Evaluation, test: NumberPredictions, stamp: str) -> str:
    by_target = evaluation.systems[MODEL].by_class
    names = list(next(iter(by_target.values())))
    rows = [
        [name, f"{true.mean():.3f} ± {true.std():.3f}", f"{predicted.mean():.3f} ± {predicted.std():.3f}",
         *(cell(by_target[name][key]) for key in names)]
        for name, true, predicted in zip(test.targets, test.true.T, test.predicted.T, strict=True)
    ]  # fmt: skip
    return table(["target", "true", "predicted", *map(FIGURES.get, names)], rows, "By target", stamp)


def _reliability(evaluation: Evaluation, stamp: str) -> list[Picture]:
    overall = evaluation.systems[MODEL].overall
    kinds = {"before": ("reliability", "as trained", "ece"), "after": ("reliability_scaled", "scaled", "ece_scaled")}
    pictures = []
    for when, bins in evaluation.reliability.items():
        name, title, error = kinds[when]
        pictures.append(reliability_picture(name, title, bins, overall[error], stamp))
    return pictures


def _on_confidence(evaluation: Evaluation) -> str:
    words = "Accuracy by confidence; on the dashed line they are equal."
    if not evaluation.temperatures:
        return words
    listed = ", ".join(f"{temperature:.2f}" for temperature in evaluation.temperatures)
    return f"{words} Scaled: logits divided by the temperature {listed}, fitted on validation; no decision changes."


def _groups(division: Division, names: Sequence[str], stamp: str) -> str:
    if not division.groups:
        return note(f"By {division.trait}: {division.remark}.")
    rows = [
        [group.name, group.count, *(cell(group.figures[name]) for name in names), ", ".join(group.absent)]
        for group in division.groups
    ]
    if division.gaps:
        rows.append(["gap", "", *(cell(division.gaps[name]) for name in names), ""])
    header = [division.trait, "utterances", *(FIGURES[name] for name in names), "without"]
    if not any(group.absent for group in division.groups):
        header, rows = header[:-1], [row[:-1] for row in rows]
    remark = f" ({division.remark})" if division.remark else ""
    shown = table(header, rows, f"By {division.trait}{remark}", stamp)
    return shown if len(rows) <= MOST_ROWS else details(f"By {division.trait}: {len(division.groups)} groups", shown)


def _run(inputs: ReportInputs) -> list[str]:
    rows = [[name, value] for name, value in inputs.about.items()]
    parts = [table(["", ""], [["split", inputs.stamp], *rows], "Stamps")]
    if inputs.config:
        listing = yaml.safe_dump(dict(inputs.config), sort_keys=False, allow_unicode=True)
        parts.append(details("The whole config", code(listing)))
    return parts


def _shown(picture: Picture) -> str:
    return figure(picture.png, picture.alt, picture.caption)


def _save(folder: Path, pictures: Sequence[Picture]) -> None:
    """The figures as files; earlier figures of mistakes are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("mistake_*.png"):
        stale.unlink()
    for picture in pictures:
        write_atomically(folder / f"{picture.name}.png", lambda partial, png=picture.png: partial.write_bytes(png))
