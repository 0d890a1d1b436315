"""`ser predict` as a user types it: tables, CSV and JSON lines of good files, bad ones, and ones with wicked names."""

import csv
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ser.cli import main
from tests.inference.trained import trained_run
from tests.runs import forked
from tests.test_cli import complete
from tests.tiny_corpora import real_corpus, write_tone

WICKED = [
    "esc\x1b[31mred\x07.wav", "two\nlines.wav", "turned\u202evaw.wav", "[bold]markup.wav", 'a,"b".wav', "ü ñ.wav",
]  # fmt: skip


@pytest.fixture
def recordings(in_tmp) -> Path:
    """Two good files, one below, and a bad one."""
    for name in ("b.wav", "a.wav", "sub/c.wav"):
        write_tone(in_tmp / "recordings" / name, 120 + 40 * len(name))
    (in_tmp / "recordings" / "bad.wav").write_text("this is no audio")
    return in_tmp / "recordings"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# ---- what is written -----------------------------------------------------------------------------------------------


def test_a_table(ser, trained, recordings):
    code, out, err = ser("predict", str(trained), "recordings")
    assert code == 1 and err == "", "one file could not be used"
    body = [line.split()[0] for line in out.splitlines()]
    assert body == ["path", *(f"recordings/{name}" for name in ("a.wav", "b.wav", "bad.wav", "sub/c.wav")), "4"]
    assert "text in place of the recording" in out and "4 files, 1 could not be used" in out
    (shown,) = [line for line in out.splitlines() if "a.wav" in line]
    _, table, _ = ser("predict", str(trained), "recordings/a.wav", "--format", "jsonl")
    (exact,) = lines(table)
    assert exact["emotion"] in shown and f"{100 * exact['probability']:.1f} %" in shown
    for name, share in exact["probabilities"].items():
        assert (name in shown) == (share >= 0.01)


def test_csv_and_json_lines_agree_and_have_all_digits(ser, trained, recordings):
    from ser import load

    code, as_csv, err = ser("predict", str(trained), "recordings", "--format", "csv")
    assert code == 1 and err == ""
    code, as_lines, _ = ser("predict", str(trained), "recordings", "--format=jsonl")
    assert code == 1
    expected = {str(found.path): found for found in load(trained, device="cpu").files("recordings")}
    assert [row["path"] for row in rows(as_csv)] == [row["path"] for row in lines(as_lines)] == list(expected)
    for row, line in zip(rows(as_csv), lines(as_lines), strict=True):
        found = expected[row["path"]]
        assert row["emotion"] == found.emotion == line.get("emotion", "")
        assert row["error"] == found.error == line.get("error", "")
        if not found.error:
            assert {name: float(row[name]) for name in found.probabilities} == found.probabilities
            assert line["probabilities"] == found.probabilities and line["probability"] == found.probability
            assert float(row["probability"]) == found.probability == max(found.probabilities.values())


@pytest.mark.corpus
def test_real_recordings_get_what_predictions_csv_says(ser, in_tmp):
    for actor in ("Actor_01", "Actor_02", "Actor_03"):
        for file in sorted((real_corpus("ravdess") / actor).iterdir())[::4]:
            (in_tmp / "some" / actor).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, in_tmp / "some" / actor)
    run = trained_run(in_tmp / "runs", in_tmp / "some", "trainer.max_epochs=1", "split.test=0.3")
    expected = {row["path"]: row for row in rows((run / "predictions.csv").read_text())}
    files = [f"some/{name}" for name in expected]
    assert ser("predict", str(run), *files, "--output", "found.csv")[0] == 0
    found = rows((in_tmp / "found.csv").read_text())
    for row in found:
        row_of_run = expected[row["path"].removeprefix("some/")]
        assert row["emotion"] == row_of_run["predicted"]
        for name in list(row)[3:-1]:
            assert abs(float(row[name]) - float(row_of_run[name])) < 1e-5
    assert len(found) == len(expected) > 10


@pytest.mark.parametrize(("suffix", "begins"), [("csv", "path,emotion"), ("jsonl", '{"path"'), ("txt", "path  ")])
def test_output_is_of_its_suffix_and_replaces_what_was_there(ser, trained, recordings, in_tmp, suffix, begins):
    target = in_tmp / f"found.{suffix}"
    target.write_text("of yesterday")
    code, out, err = ser("predict", str(trained), "recordings/a.wav", "recordings/bad.wav", "--output", str(target))
    assert code == 1 and err == "" and out == f"Written: {target} (1 could not be used)\n"
    assert target.read_text().startswith(begins) and "a.wav" in target.read_text()
    assert sorted(path.name for path in in_tmp.iterdir()) == [target.name, "recordings"], "nothing lies beside it"


def test_one_good_file_is_exit_0(ser, trained, recordings):
    code, out, _ = ser("predict", str(trained), "recordings/a.wav")
    assert code == 0 and len(out.splitlines()) == 2


def test_batch_size_changes_nothing(ser, trained, recordings):
    found = [
        lines(ser("predict", str(trained), "recordings", "--format", "jsonl", "--batch-size", size)[1])
        for size in ("1", "2", "64")
    ]
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert one["path"] == other["path"] and one.get("emotion") == other.get("emotion")
            shares = [list(row.get("probabilities", {}).values()) for row in (one, other)]
            np.testing.assert_allclose(*shares, atol=1e-6)


def test_calibrated_changes_probabilities_and_no_emotion(ser, trained, recordings):
    temperature = json.loads((trained / "metrics.json").read_text())["temperature"]
    command = ["predict", str(trained), "recordings/a.wav", "--format", "jsonl"]
    (plain,), (scaled,) = lines(ser(*command)[1]), lines(ser(*command, "--calibrated")[1])
    powers = np.array(list(plain["probabilities"].values())) ** (1 / temperature)
    np.testing.assert_allclose(list(scaled["probabilities"].values()), powers / powers.sum(), atol=1e-9)
    assert scaled["emotion"] == plain["emotion"] and abs(temperature - 1) > 1e-3


def test_a_checkpoint_by_itself(ser, trained, recordings, in_tmp):
    shutil.copy(trained / "checkpoints" / "best.ckpt", in_tmp / "my model.ckpt")
    _, alone, _ = ser("predict", "my model.ckpt", "recordings/a.wav", "--format", "csv")
    code, of_the_run, _ = ser("predict", str(trained), "recordings/a.wav", "--format", "csv")
    assert code == 0 and alone == of_the_run
    code, _, err = ser("predict", "my model.ckpt", "recordings/a.wav", "--calibrated")
    assert code == 2 and "metrics.json" in err


def test_only_and_unsure_below(ser, trained, recordings):
    command = ["predict", str(trained), "recordings/a.wav", "--format", "jsonl"]
    (plain,) = lines(ser(*command)[1])
    (chosen,) = lines(ser(*command, "--only", "sad,happy", "--only", "angry")[1])
    kept = {name: share for name, share in plain["probabilities"].items() if name in ("sad", "happy", "angry")}
    assert list(chosen["probabilities"]) == list(kept) and chosen["emotion"] == max(kept, key=kept.get)
    np.testing.assert_allclose(
        list(chosen["probabilities"].values()), np.array(list(kept.values())) / sum(kept.values()), atol=1e-9
    )
    (unsure,) = lines(ser(*command, "--unsure-below", "0.99")[1])
    assert unsure == {**plain, "emotion": "unsure"}
    _, shown, _ = ser("predict", str(trained), "recordings/a.wav", "--unsure-below", "0.99")
    assert "unsure" in shown and f"{plain['emotion']} {100 * plain['probability']:.1f} %" in shown, "among the others"


# ---- along a long recording ----------------------------------------------------------------------------------------


@pytest.fixture
def long(in_tmp) -> Path:
    """Two tones of a second, and a pause between them."""
    pieces = [
        soundfile.read(write_tone(in_tmp / f"{k}.wav", pitch, duration_s=1.0))[0] for k, pitch in ((0, 120), (1, 300))
    ]
    soundfile.write(in_tmp / "long.wav", np.concatenate([pieces[0], np.zeros(16000), pieces[1]]), 16000)
    return in_tmp / "long.wav"


def test_a_timeline_in_every_format(ser, trained, long, in_tmp):
    from ser import load

    expected = load(trained, device="cpu").timeline(long, vad="energy")
    command = ["predict", str(trained), "long.wav", "--timeline", "--vad", "energy"]
    code, as_csv, err = ser(*command, "--format", "csv")
    assert code == 0 and err.startswith("Note: Pauses are found by the energy of the sound")
    _, as_lines, _ = ser(*command, "--format", "jsonl")
    assert len(rows(as_csv)) == len(lines(as_lines)) == len(expected) == 2
    for row, line, stretch in zip(rows(as_csv), lines(as_lines), expected, strict=True):
        for found in (row, line):
            assert found["path"] == "long.wav" and found["emotion"] == stretch.emotion
            times = [float(found[name]) for name in ("start", "end", "probability")]
            np.testing.assert_allclose(times, [stretch.start, stretch.end, stretch.probability], atol=1e-3)
        assert line["probabilities"] == stretch.probabilities
        assert {name: float(row[name]) for name in stretch.probabilities} == stretch.probabilities
    code, table, _ = ser(*command)
    assert code == 0 and table.splitlines()[0] == "long.wav" and len(table.splitlines()) == 4
    for line, stretch in zip(table.splitlines()[2:], expected, strict=True):
        assert stretch.emotion in line and f"{100 * stretch.probability:.1f} %" in line
    _, labels, _ = ser(*command, "--format", "audacity")
    for line, stretch in zip(labels.splitlines(), expected, strict=True):
        assert line == f"{stretch.start:.6f}\t{stretch.end:.6f}\t{stretch.emotion} {stretch.probability:.2f}"
    code, out, _ = ser(*command, "--output", "picture.png")
    assert (code, out) == (0, "Written: picture.png\n")
    assert soundfile.info(long).duration == 3 and (in_tmp / "picture.png").read_bytes()[:4] == b"\x89PNG"
    for name, text in (("a.csv", as_csv), ("a.jsonl", as_lines), ("a.txt", table)):
        assert ser(*command, "--output", name)[0] == 0 and (in_tmp / name).read_text() == text
    assert ser(*command, "--output", "labels.txt", "--format", "audacity")[0] == 0
    assert (in_tmp / "labels.txt").read_text() == labels


def test_a_picture_or_labels_of_a_bad_file_are_not_written(ser, trained, recordings, in_tmp):
    for options in (["--output", "a.png"], ["--output", "a.txt", "--format", "audacity"]):
        code, out, err = ser("predict", str(trained), "recordings/bad.wav", "--timeline", *options)
        assert (code, out) == (2, "") and err.splitlines()[-1].startswith("Error: recordings/bad.wav cannot be used: ")
        assert [path.name for path in in_tmp.iterdir()] == ["recordings"]


def test_timelines_of_many_files_are_resumed(ser, trained, long, recordings, in_tmp, monkeypatch):
    from ser.inference import long_recordings

    command = ["predict", str(trained), "long.wav", "recordings", "--timeline", "--vad", "none", "--output", "a.csv"]
    assert ser(*command)[0] == 1
    whole, asked, original = (in_tmp / "a.csv").read_text(), [], long_recordings.file_timeline
    assert [row["error"] != "" for row in rows(whole)].count(True) == 1 and len(
        {row["path"] for row in rows(whole)}
    ) == 5

    def pressed(model, path, *others):
        asked.append(path.name)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return original(model, path, *others)

    monkeypatch.setattr(long_recordings, "file_timeline", pressed)
    code, _, err = ser(*command)
    assert code == 130 and "Note: 2 of 5 files are kept" in err
    assert ser(*command, "--resume")[0] == 1 and (in_tmp / "a.csv").read_text() == whole
    assert asked == ["long.wav", "a.wav", "b.wav", "b.wav", "bad.wav", "c.wav"]


# ---- names of strangers --------------------------------------------------------------------------------------------


def test_names_do_nothing_to_the_terminal(ser, trained, in_tmp):
    for name in WICKED:
        write_tone(in_tmp / "in" / name)
    for kind in ("table", "csv"):
        code, out, err = ser("predict", str(trained), "in", "--format", kind)
        assert code == 0
        assert all(character.isprintable() or character == "\n" for character in out + err), kind
        for shown in ("esc\\x1b[31mred\\x07.wav", "two\\nlines.wav", "\\u202e", "[bold]markup.wav", "ü ñ.wav"):
            assert shown in out, kind
    _, out, _ = ser("predict", str(trained), "in", "--format", "jsonl")
    assert out.isascii() and {row["path"] for row in lines(out)} == {f"in/{name}" for name in WICKED}
    for command in (["in/none\x1b[2J", "in"], [str(trained), "in", "--output", "no\x1b[2J/a.csv"]):
        code, _, err = ser("predict", *command)
        assert code == 2 and "\\x1b[2J" in err and "\x1b" not in err
    code, _, err = ser("predict", str(trained), "in", "--\x1b[2Jx")
    assert code == 2 and "\x1b" not in err


@pytest.mark.parametrize("name", ["=1+1.wav", "+1.wav", "-1.wav", "@SUM(A1).wav", "\t=1.wav"])
def test_no_cell_is_a_formula(ser, trained, in_tmp, name):
    write_tone(in_tmp / name)
    code, out, err = ser("predict", str(trained), "--format", "csv", "--", name)
    assert code == 0, err
    (row,) = rows(out)
    assert row["path"][0] not in "=+-@\t\r" and name.strip() in row["path"]
    if name[0] != "\t":
        assert (in_tmp / row["path"]).samefile(in_tmp / name), "it still names the file"


def test_classes_of_strangers_are_no_formulas_either(ser, trained, recordings, in_tmp):
    checkpoint = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    classes = ["=1+1", "\x1b[31m", *checkpoint["ser"]["classes"][2:]]
    torch.save({**checkpoint, "ser": {**checkpoint["ser"], "classes": classes}}, in_tmp / "a.ckpt")
    for kind in ("table", "csv"):
        _, out, err = ser("predict", "a.ckpt", "recordings", "--format", kind)
        assert "\x1b" not in out + err
    assert out.splitlines()[0].split(",")[3:5] == ["'=1+1", "\\x1b[31m"]


def test_names_that_are_no_text(ser, trained, in_tmp):
    name = os.fsdecode(b"caf\xe9.wav")
    write_tone(in_tmp / "a.wav").rename(name)
    for kind, shown in (("table", "caf\\xe9.wav"), ("csv", "caf\\xe9.wav"), ("jsonl", '"caf\\udce9.wav"')):
        code, out, err = ser("predict", str(trained), name, "--format", kind)
        assert code == 0 and shown in out, err
    assert lines(out)[0]["path"] == name


def test_a_terminal_that_knows_ascii_only(ser, trained, in_tmp, monkeypatch):
    write_tone(in_tmp / "ü.wav")
    for kind in ("table", "csv"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
            assert main(["predict", str(trained), "ü.wav", "absent.wav", "--format", kind]) == 1
            assert b"\\xfc.wav" in sys.stdout.buffer.getvalue()


# ---- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a run"),
        (["RUN"], "Name the recordings behind the run"),
        (["runs/none", "recordings"], "There is no run runs/none"),
        (["recordings/a.wav", "RUN"], "The run comes first"),
        (["recordings", "recordings"], "no config.yaml"),
        (["RUN", "empty"], "no recordings under empty"),
        (["RUN", "recordings", "--formt", "csv"], "Did you mean '--format'"),
        (["RUN", "recordings", "--format", "xml"], "choose from 'table', 'csv', 'jsonl', 'audacity', 'png'"),
        (["RUN", "recordings", "--format", "audacity"], "The format audacity is of --timeline"),
        (["RUN", "recordings", "--hop", "1"], "--hop is of --timeline"),
        (["RUN", "recordings", "--single-view"], "--single-view is of --timeline"),
        (["RUN", "recordings", "--timeline", "--format", "png"], "A picture needs a file"),
        (["RUN", "recordings", "--timeline", "--output", "a.png"], "png is of one recording, not of 4"),
        (["RUN", "recordings", "--timeline", "--hop", "9"], "hop=9 must be from"),
        (["RUN", "recordings", "--timeline", "--vad", "loud"], "choose from 'auto', 'silero', 'energy', 'none'"),
        (["RUN", "recordings", "--resume"], "--resume goes on with the file of --output"),
        (["RUN", "recordings", "--only", "angri,sad"], "Did you mean 'angry'"),
        (["RUN", "recordings", "--only", "sad"], "at least two classes"),
        (["RUN", "recordings", "--unsure-below", "2"], "'2' is not a probability from 0 to 1"),
        (["RUN", "recordings", "--output", "found"], "--output found: the suffix selects the format"),
        (["RUN", "recordings", "--output", "recordings"], "name a file, not a folder"),
        (["RUN", "recordings", "--output", "none/found.csv"], "there is no folder none"),
        (["RUN", "recordings", "--output", "pipe", "--format", "csv"], "exists and is not a file"),
        (["RUN", "recordings", "--output"], "expected one argument"),
        (["RUN", "recordings", "--batch-size", "0"], "'0' is not a number"),
        (["RUN", "recordings", "--batch-size", "many"], "'many' is not a number"),
        (["RUN", "recordings", "--device", "tpu"], "choose from 'auto', 'cpu', 'gpu'"),
        (["RUN", "recordings", "--device", "gpu"], "torch finds no CUDA device"),
        (["RUN", "recordings", "--trust", "a;b"], "'a;b' is not the name of a package"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_mistakes_are_one_sentence_and_exit_2(ser, trained, recordings, in_tmp, monkeypatch, arguments, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (in_tmp / "empty").mkdir()
    os.mkfifo(in_tmp / "pipe")
    before = sorted(in_tmp.rglob("*"))
    code, out, err = ser("predict", *(str(trained) if word == "RUN" else word for word in arguments))
    assert (code, out) == (2, "") and err.startswith("Error: ") and words in err and "Traceback" not in err
    assert sorted(in_tmp.rglob("*")) == before


def test_a_file_that_is_not_there_has_a_row(ser, trained, recordings):
    for name in ("recordings/absent.wav", "-", "~nobody.wav", "/dev/stdin", "x" * 300):
        code, out, _ = ser("predict", str(trained), "recordings/a.wav", name, "--format", "jsonl")
        good, bad = lines(out)
        assert code == 1 and good["emotion"] and bad["path"] == name and bad["error"], name


def test_what_was_passed_over_is_noted_beside_the_table(ser, trained, recordings, in_tmp):
    (in_tmp / "elsewhere").mkdir()
    (recordings / "link").symlink_to(in_tmp / "elsewhere")
    _, out, err = ser("predict", str(trained), "recordings", "--format", "csv")
    assert err.startswith("Note: 1 link under recordings skipped") and len(rows(out)) == 4


# ---- ends ----------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_old_output(ser, trained, recordings, in_tmp, monkeypatch):
    from ser.inference.predictor import Predictor

    (in_tmp / "found.csv").write_text("of yesterday")
    original, batches = Predictor._logits, itertools.count()

    def pressed(self, clips):
        if next(batches) == 1:
            raise KeyboardInterrupt
        return original(self, clips)

    monkeypatch.setattr(Predictor, "_logits", pressed)
    code, out, err = ser("predict", str(trained), "recordings", "--batch-size", "1", "--output", "found.csv")
    kept = "Note: 1 of 4 files are kept; the same command with --resume goes on.\n"
    assert (code, out, err) == (130, "", f"{kept}Interrupted.\n")
    assert (in_tmp / "found.csv").read_text() == "of yesterday"
    assert sorted(path.name for path in in_tmp.iterdir()) == [".found.csv.unfinished", "found.csv", "recordings"]
    monkeypatch.setattr(Predictor, "_logits", original)


def test_resume_goes_on_and_gives_the_same_file(ser, trained, recordings, in_tmp, monkeypatch):
    from ser.inference.predictor import Predictor

    command = [
        "predict",
        str(trained),
        "recordings",
        "--output",
        "found.csv",
        "--batch-size",
        "1",
        "--unsure-below",
        "0.2",
    ]
    ser(*command)
    whole = (in_tmp / "found.csv").read_text()
    test_ctrl_c_leaves_the_old_output(
        lambda *words: ser(*words, "--unsure-below", "0.2"), trained, recordings, in_tmp, monkeypatch
    )
    code, _, err = ser(*command, "--resume", "--only", "angry,sad")
    assert code == 2 and "another run or other options" in err
    read, original = [], Predictor._read
    monkeypatch.setattr(Predictor, "_read", lambda self, path: read.append(path.name) or original(self, path))
    code, out, err = ser(*command, "--resume")
    assert (code, err) == (1, "") and out == "Written: found.csv (1 could not be used)\n"
    assert (in_tmp / "found.csv").read_text() == whole and read == ["b.wav", "bad.wav", "c.wav"]
    assert sorted(path.name for path in in_tmp.iterdir()) == ["found.csv", "recordings"]


@pytest.mark.slow
def test_ctrl_c_ends_a_long_job_at_once(trained, in_tmp):
    write_tone(in_tmp / "in" / "first.wav", duration_s=10)
    for k in range(20_000):
        (in_tmp / "in" / f"{k}.wav").symlink_to("first.wav")
    process = forked.start(["predict", str(trained), "in", "--output", "found.csv", "--batch-size", "1"], in_tmp)
    end = time.monotonic() + 60
    while not list(in_tmp.glob(".found.csv.*.partial")):
        assert process.exitcode is None and time.monotonic() < end, forked.printed(process, in_tmp)
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    assert forked.wait(process) == 130 and "Interrupted." in forked.printed(process, in_tmp)
    assert [path.name for path in in_tmp.glob("*found.csv*")] in ([], [".found.csv.unfinished"])


def test_a_full_disk_is_one_sentence(ser, trained, recordings, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for kind in ("table", "csv", "jsonl"):
        with monkeypatch.context() as patch, open("/dev/full", "w") as full:
            patch.setattr(sys, "stdout", full)
            assert main(["predict", str(trained), "recordings/a.wav", "--format", kind]) == 2
        assert ser("--version")[2] == "Error: The disk is full.\n"


# ---- help ----------------------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy_and_names_every_option(ser):
    code = (
        "import sys; from ser.cli import main; main(['predict', '--help']); "
        "sys.exit(str({'torch', 'numpy', 'rich', 'soundfile', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "set()\n"
    for option in (
        "--format",
        "--output",
        "--batch-size",
        "--device",
        "--calibrated",
        "--trust",
        "--resume",
        "--unsure-below",
        "--only",
        "--timeline",
        "--hop",
        "--window",
        "--smooth",
        "--vad",
        "--single-view",
    ):
        assert option in done.stdout
    assert "predict" in ser("--help")[1]


def test_completion_names_it():
    assert complete("ser pre") == ["predict"]
