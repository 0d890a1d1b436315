"""The formats give back what went in, and no name breaks them."""

import csv
import io
import json
import re

import pandas as pd
import pytest

from ser.comparison.comparing import Question, compare
from ser.comparison.terminal import as_text
from ser.comparison.text_tables import texts_of
from ser.comparison.writing import as_csv, as_json, as_latex, as_markdown
from tests.comparison.made_runs import answers, part_of_fold, write_run


@pytest.fixture(scope="module")
def compared(grid):
    return compare([grid], Question(metrics=("test/uar", "val/uar")))


@pytest.fixture
def strange(tmp_path):
    """Settings and a protocol full of what formats take for their own."""
    part = part_of_fold(0)
    for value in ("a|b & c_d", "50 % {x} $y$ #1", '<b>"~^\\', "[red]x[/red]\nz"):
        write_run(tmp_path, {"monitor": value}, part, answers(part, 0.5, len(value)), protocol="a|b & <c> [d] 100 %")
    return compare([tmp_path], Question())


def test_csv_gives_back_all_digits(compared):
    table = pd.read_csv(io.StringIO(as_csv(compared)))
    assert list(table["rank"]) == [1, 2, 3, 4] and list(table.columns[:5]) == [
        "section", "protocol", "rank", "frontend", "model"
    ]  # fmt: skip
    for row, (_, line) in zip(compared.sections[0].rows, table.iterrows(), strict=True):
        assert (line["model"], line["frontend"]) == (row.cells["model"], row.cells["frontend"])
        assert line["test/uar"] == row.spread("test/uar").mean and line["runs"] == line["test/uar/runs"] == 8
        assert line["val/uar/std"] == row.spread("val/uar").deviation


def test_json_holds_everything(compared):
    whole = json.loads(as_json(compared))
    (section,) = whole["sections"]
    assert section["sorted_by"] == "val/uar" and "split was the same" in section["varied"]
    first = section["rows"][0]
    assert first["settings"] == {"frontend": "log_mel", "model": "cnn2d"} and len(first["runs"]) == 8
    assert first["metrics"]["test/uar"]["mean"] == compared.sections[0].rows[0].spread("test/uar").mean
    assert {run["fold"] for run in first["runs"]} == {0, 1, 2, 3} and {run["seed"] for run in first["runs"]} == {0, 1}
    for pair, written in zip(compared.pairs[0], section["pairs"], strict=True):
        assert written["p_holm"] == pair.corrected and written["difference"] == pair.difference.value
        assert written["verdict"] == pair.verdict and written["distinguishable"] is pair.distinguishable


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_tables_are_whole(compared, strange):
    for comparison, rows in ((compared, 4), (strange, 4)):
        tables = [block for block in as_markdown(*texts_of(comparison)).split("\n\n") if block.startswith("|")]
        assert len(tables) == 2
        lines = tables[0].splitlines()
        assert len(lines) == rows + 2 and len({len(cells_of(line)) for line in lines}) == 1
    assert "0.8" in as_markdown(*texts_of(compared)) and "a\\|b & c\\_d" in as_markdown(*texts_of(strange))


def test_latex_tables_have_equal_rows_and_nothing_unescaped(compared, strange):
    for comparison in (compared, strange):
        whole = as_latex(*texts_of(comparison))
        tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", whole, flags=re.DOTALL)
        assert len(tables) == 2
        for spec, body in tables:
            rows = [line for line in body.splitlines() if line.endswith(r"\\")]
            assert len(rows) >= 2 and {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(spec) - 1}
        bare = re.sub(
            r"\\[&%$#_{}]|\\textasciitilde\{\}|\\textasciicircum\{\}|\\textbackslash\{\}|\$[^$\n]{1,6}\$", "", whole
        )
        text = "\n".join(line for line in bare.splitlines() if not line.startswith("%"))
        assert not re.search(r"[%$#_~^<>±–]", text)
        assert whole.count(r"\begin{table}") == whole.count(r"\end{table}") == 2


def test_csv_and_json_take_any_text(strange):
    rows = list(csv.DictReader(io.StringIO(as_csv(strange))))
    values = {row["monitor"] for row in rows}
    assert values == {"a|b & c_d", "50 % {x} $y$ #1", '<b>"~^\\', "[red]x[/red]\nz"}
    assert {row["settings"]["monitor"] for row in json.loads(as_json(strange))["sections"][0]["rows"]} == values


def test_the_terminal_shows_the_same(compared, strange):
    text = as_text(*texts_of(compared))
    best = compared.sections[0].rows[0].spread("test/uar")
    assert f"{best.mean:.3f} ± {best.deviation:.3f}" in text and "8 = 2 seeds × 4 folds" in text
    assert "Wilcoxon, 12 speakers" in text and "Holm" in text and "Sorted by val/uar, best first" in text
    assert "[red]x[/red]" in as_text(*texts_of(strange)) and "a|b & <c> [d] 100 %" in as_text(*texts_of(strange))
    assert "1 is better" in text and "frontend" in text


def test_a_narrow_terminal_leaves_out_columns_and_says_so(compared):
    text = as_text(*texts_of(compared), width=70)
    assert max(map(len, text.splitlines())) <= 70
    assert "Too wide for this terminal: val/uar, seconds, parameters." in text.replace("\n", " ")
    best = compared.sections[0].rows[0].spread("test/uar")
    assert f"{best.mean:.3f} ± {best.deviation:.3f}" in text


def test_csv_holds_no_formula(tmp_path):
    """Settings of runs that somebody gave away."""
    part = part_of_fold(0)
    for noise, words in enumerate(("=cmd|' /C calc'!A0", "+x", "-1+2\x1b[31m")):
        write_run(tmp_path, {"monitor": words}, part, answers(part, 0.5, noise))
    header, *lines = csv.reader(io.StringIO(as_csv(compare([tmp_path], Question()))))
    found = {line[header.index("monitor")] for line in lines}
    assert found == {"'=cmd|' /C calc'!A0", "'+x", "'-1+2\\x1b[31m"}
