"""The table of learning curves: appended, cut back where a run continues, read by pandas and by the report."""

import pandas

from ser.reports.curves_csv import NAME, CurvesCsv
from ser.reports.events import curves_of


def test_a_row_an_epoch_and_no_row_twice(tmp_path):
    (tmp_path / NAME).write_text("epoch,train/loss\n0,9.0\n")  # of a try that is begun anew
    log = CurvesCsv(str(tmp_path))
    for epoch in range(4):
        log.epoch(epoch, {"train/loss": 1 / (epoch + 3), "val/uar": epoch / 7}, 1e-3)
    with (tmp_path / NAME).open("a") as file:
        file.write("4,0.1")  # cut off
    continued = CurvesCsv(str(tmp_path), first_epoch=2)
    continued.epoch(2, {"train/loss": 0.5, "val/uar": 0.25, "val/kappa": 0.125}, 1e-4)
    continued.epoch(3, {"train/loss": 0.5, "val/uar": 0.25}, 1e-4)
    table = pandas.read_csv(tmp_path / NAME)
    assert table["epoch"].tolist() == [0, 1, 2, 3]
    assert table["train/loss"].tolist() == [1 / 3, 1 / 4, 0.5, 0.5], "to the last bit"
    assert table["train/learning_rate"].tolist() == [1e-3, 1e-3, 1e-4, 1e-4]
    assert table["val/kappa"].isna().tolist() == [True, True, False, True]
    curves = curves_of(tmp_path)
    assert curves["val/uar"] == [(0, 0.0), (1, 1 / 7), (2, 0.25), (3, 0.25)] and curves["val/kappa"] == [(2, 0.125)]


def test_no_folder_of_curves(tmp_path):
    assert curves_of(tmp_path) == {}
