"""The row of each run in `ser runs`."""

import csv
import io
import json
from dataclasses import replace
from datetime import datetime

import pytest

from ser.reports.runs_table import as_csv, as_json
from ser.runs.listing import find_runs
from ser.runs.overview import ordered, readable_size, row_of, size_of, totals
from tests.runs.made_runs import made_run


@pytest.fixture
def rows(tmp_path):
    for state in ("finished", "interrupted", "failed", "pruned"):
        made_run(tmp_path / "runs" / state, state)
    return {row.name: row for row in (row_of(run) for run in find_runs([tmp_path / "runs"])[0])}


def test_figures_only_of_what_is_finished(rows):
    assert (rows["finished"].val_uar, rows["finished"].test_uar, rows["finished"].epochs) == (0.5, 0.4, 7)
    for name in ("interrupted", "failed", "pruned"):
        assert (rows[name].val_uar, rows[name].test_uar, rows[name].epochs) == (None, None, 3)


def test_size_is_that_of_all_files_and_links_are_not_followed(rows, tmp_path):
    run = tmp_path / "runs" / "finished"
    (tmp_path / "large").write_bytes(b"x" * 10**6)
    counted = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
    assert size_of(run) == counted == rows["finished"].bytes
    (run / "link").symlink_to(tmp_path / "large")
    assert size_of(run) < counted + 1000


def test_when_is_the_time_in_the_marker(tmp_path, rows):
    marker = tmp_path / "runs" / "failed" / "failed.json"
    marker.write_text(json.dumps({"reason": "r", "failed": "2020-01-02T03:04:05"}))
    (run,), _ = find_runs([marker.parent])
    assert row_of(run).when == "2020-01-02T03:04:05"
    marker.write_text(json.dumps({"reason": "r", "failed": "yesterday"}))
    assert abs((datetime.fromisoformat(row_of(run).when) - datetime.now()).total_seconds()) < 3600


def test_order(rows):
    base = rows["finished"]
    few = [
        replace(base, name="b", bytes=5, when="2026-01-01T00:00:00", val_uar=None),
        replace(base, name="a", bytes=1, when="2026-01-03T00:00:00", val_uar=0.1, test_uar=0.9),
        replace(base, name="c", bytes=9, when="2026-01-02T00:00:00", val_uar=0.7, test_uar=0.2),
    ]
    orders = {by: "".join(row.name for row in ordered(few, by)) for by in ("name", "size", "when", "val", "test")}
    assert orders == {"name": "abc", "size": "cba", "when": "acb", "val": "cab", "test": "abc"}


def test_csv_and_json_say_the_same_and_read_back(rows):
    listed = list(rows.values())
    read = list(csv.DictReader(io.StringIO(as_csv(listed))))
    assert json.loads(as_json(listed)) == [row.as_dict() for row in listed]
    for row, line in zip(listed, read, strict=True):
        assert line == {key: "" if value is None else str(value) for key, value in row.as_dict().items()}


def test_totals(rows):
    summary = totals(list(rows.values()))
    assert summary.startswith("4 runs: ") and "1 finished" in summary and "1 pruned" in summary


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (9960, "10 kB"), (999_999, "1.0 MB"),
     (10**15, "1000 TB")],
)  # fmt: skip
def test_sizes_for_people(count, text):
    assert readable_size(count) == text
