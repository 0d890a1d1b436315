"""Benchmarks as tables: what was measured, and a dash for what was not."""

import io
import json
from dataclasses import asdict

import pytest
from rich.console import Console

from scripts.benchmarks import __main__ as benchmark
from scripts.benchmarks.measure import alone, compare, in_turns
from scripts.benchmarks.table import markdown, print_benchmark
from ser.errors import UserError

FASTER = compare("decoding", "librosa", [1.0, 1.0, 2.0], [4.0, 3.0, 4.0], "s", "times as fast", "≥ 1.8", "10 files")
SLOWER = compare("an epoch", "bare loop", [1.1, 1.1], [1.0, 1.1], "s", "times the time", "≤ 1.10")
EMPTY = alone("on a GPU", [], "s", "< 15 s", "no GPU at hand")
BENCHMARK = {"rows": [asdict(row) for row in (FASTER, SLOWER, EMPTY)], "environment": {"device": "CPU X", "threads": 2}}


def test_ratios_and_spreads_are_of_rounds():
    assert (FASTER.ours, FASTER.theirs, FASTER.ratio, FASTER.spread) == (1.0, 4.0, 4.0, (2.0, 4.0))
    assert SLOWER.ratio == pytest.approx(1.1 / 1.05) and SLOWER.spread == (1.0, 1.1)


def test_what_was_not_measured_stays_empty():
    assert EMPTY.ours is None and EMPTY.ratio is None
    line = markdown([BENCHMARK]).splitlines()[4]
    assert line == "| on a GPU (no GPU at hand) | – | – | – | – | < 15 s |"


def test_turns_alternate_and_the_first_warms_up():
    order = []
    ours, theirs = in_turns(lambda: order.append("a") or len(order), lambda: order.append("b") or len(order), 3)
    assert order == ["a", "b"] * 4 and ours == [3, 5, 7] and theirs == [4, 6, 8]


def test_terminal_shows_every_row():
    console = Console(file=io.StringIO(), width=200)
    print_benchmark(console, "x", BENCHMARK["rows"])
    text = console.file.getvalue()
    assert all(word in text for word in ("decoding", "10 files", "4.00 times as fast", "no GPU at hand", "≤ 1.10"))


def test_benchmarks_are_kept_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "measure", lambda name: [asdict(FASTER), asdict(EMPTY)])
    page = tmp_path / "docs" / "performance.md"
    page.parent.mkdir()
    page.write_text("a\n<!-- performance begin -->\nold\n<!-- performance end -->\nb\n")
    benchmark.benchmark(["gpu", "store"], tmp_path)
    kept = json.loads((tmp_path / "docs" / "results" / "performance" / "store.json").read_text())
    assert kept["rows"] == json.loads(json.dumps(BENCHMARK["rows"][:1] + BENCHMARK["rows"][2:]))
    assert {"device", "threads", "versions", "git_commit"} <= set(kept["environment"])
    made = page.read_text()
    assert made.startswith("a\n") and made.endswith("\nb\n") and "old" not in made
    assert [line.split(" | ")[0] for line in made.splitlines() if "decoding" in line or "GPU" in line] == [
        "| decoding (10 files)", "| on a GPU (no GPU at hand)", "| decoding (10 files)", "| on a GPU (no GPU at hand)",
    ]  # fmt: skip
    assert "decoding" in capsys.readouterr().out


def test_a_misspelt_benchmark_is_named():
    with pytest.raises(UserError, match="Did you mean 'features'"):
        benchmark.main(["feature"])
    assert benchmark.main([]) == 0
