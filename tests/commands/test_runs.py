"""`ser runs` as it is typed."""

import csv
import io
import json
import os
import select
import sys

import pytest

from tests.comparison.made_runs import answers, part_of_fold, write_run
from tests.runs.made_runs import made_run


@pytest.fixture
def runs(in_tmp):
    for state in ("finished", "interrupted", "failed", "pruned"):
        made_run(in_tmp / "runs" / f"demo-{state}", state)
    return in_tmp / "runs"


def test_the_table_has_every_run(ser, runs):
    code, out, err = ser("runs")
    assert code == 0 and err == ""
    for words in ("demo-finished", "50.0 %", "40.0 %", "failed: the loss is no number", "4 runs: ", "1 pruned"):
        assert words in out
    assert ser("runs", "runs")[1] == out


def test_states_order_and_formats(ser, runs):
    (runs / "demo-failed" / "large").write_bytes(b"x" * 10**5)
    code, out, _ = ser("runs", "--format", "json", "--sort", "size", "--state", "failed,finished")
    assert code == 0 and [row["name"] for row in json.loads(out)] == ["demo-failed", "demo-finished"]
    code, out, _ = ser("runs", "--state", "interrupted", "--format=csv", "runs")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["name"] == "demo-interrupted" and row["val_uar"] == "" and int(row["bytes"]) > 4000
    assert "0 runs" in ser("runs", "--state", "running")[1]


def test_remarks_stand_apart_from_csv(ser, runs):
    (runs / "thesis").mkdir()
    code, out, err = ser("runs", "--format", "csv")
    assert code == 0 and "thesis" in err and "thesis" not in out
    assert "thesis holds no run" in ser("runs")[1]


def test_pruning_shows_first_and_removes_only_after_a_yes(ser, runs, monkeypatch):
    files = sorted(runs.rglob("*.ckpt"))
    code, out, _ = ser("runs", "prune", "--last", "--failed")
    assert code == 0 and "3.0 kB" in out and "Nothing was removed" in out and "--yes" in out and "7.0 kB" in out
    assert sorted(runs.rglob("*.ckpt")) == files
    code, out, _ = ser("runs", "prune", "runs", "--last", "--failed", "--yes")
    assert code == 0 and "Removed 7.0 kB" in out
    assert len(list(runs.rglob("*.ckpt"))) == len(files) - 3
    assert "Nothing to remove" in ser("runs", "prune", "--last", "--failed", "--yes")[1]
    assert "50.0 %" in ser("runs")[1]


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("yes", True), ("", False), ("n", False), ("what", False)])
def test_a_yes_on_the_terminal(ser, runs, monkeypatch, answer, gone):
    person, terminal = os.openpty()
    os.write(person, f"{answer}\n".encode())
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", os.fdopen(os.dup(terminal)))
        patch.setattr(sys, "stdout", os.fdopen(terminal, "w"))
        assert ser("runs", "prune", "--last")[0] == 0
    shown = b""
    while b"[y/N]" not in shown and select.select([person], [], [], 5)[0]:
        shown += os.read(person, 4096)
    assert b"Remove these checkpoints (3.0 kB)? [y/N]" in shown
    os.close(person)
    assert (runs / "demo-finished" / "checkpoints" / "last.ckpt").exists() != gone


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sate", "failed"], "Did you mean '--state'?"),
        (["--state", "finishd"], "Did you mean 'finished'?"),
        (["--state", ""], "name one or more"),
        (["--sort", "siz"], "--sort"),
        (["--format", "xml"], "--format"),
        (["nowhere"], "There is no folder nowhere"),
        (["prune"], "--last"),
        (["prune", "--yes"], "--last"),
        (["prune", "--keep-best", "x"], "'x' is not a number of runs"),
        (["prune", "--keep-best", "-1"], "--keep-best"),
        (["prune", "--last", "--by", "val/uar"], "--keep-best"),
        (["prune", "--keep-best", "1", "--by", "val/ura"], "Did you mean 'val/uar'?"),
        (["prune", "--lst"], "Did you mean '--last'?"),
    ],
)
def test_mistakes(ser, runs, arguments, words):
    files = sorted(runs.rglob("*"))
    code, _, err = ser("runs", *arguments)
    assert code == 2 and words in err and "Traceback" not in err
    assert sorted(runs.rglob("*")) == files


def test_no_runs_yet(ser, in_tmp):
    code, _, err = ser("runs")
    assert code == 2 and "There is no folder runs" in err


def test_help(ser):
    code, out, _ = ser("runs", "--help")
    assert code == 0 and "--keep-best" in out
    assert "ser runs" in ser("runs", "prune", "-h")[1]


def test_markup_in_names_and_reasons_is_text(ser, in_tmp):
    from ser.runs.directory import RunDirectory

    made_run(in_tmp / "runs" / "a [red]b", "interrupted")
    RunDirectory(in_tmp / "runs" / "a [red]b", "").fail("key [bold] in [/x]")
    code, out, _ = ser("runs")
    assert code == 0 and "a [red]b" in out and "key [bold] in [/x]" in out


@pytest.mark.parametrize("command", [["runs"], ["runs", "--format", "csv"], ["compare"], ["leaderboard", "runs"]])
def test_what_strangers_wrote_moves_no_terminal(ser, in_tmp, command):
    """Reasons, stamps, settings and classes with escape sequences, of runs that somebody gave away."""
    bad = "\x1b]0;mine\x07\x1b[31m[bold]"
    for noise, model in enumerate(("mlp", f"cnn1d{bad}")):
        for fold in range(4):
            part, stamp = part_of_fold(fold), f"speaker-independent {bad}, fold {fold + 1} of 4"
            settings = {"model": model, "split.fold": fold}
            write_run(in_tmp / "runs", settings, part, answers(part, 0.5, noise), protocol=stamp)
    failed = write_run(in_tmp / "runs", {"seed": 7}, part_of_fold(0), answers(part_of_fold(0), 0.5, 1), finished=False)
    (failed / "failed.json").write_text(json.dumps({"reason": f"boo {bad}"}))
    _, out, err = ser(*command)
    assert "\x1b" not in out + err and "\x07" not in out + err and len(out + err) > 100
