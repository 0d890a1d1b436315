"""A journal of a job over many files: what is done is not done again, unless the file or the job has changed."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ser.errors import UserError
from ser.inference.answers import FilePrediction
from ser.inference.long_recordings import FileTimeline
from ser.inference.resuming import Journal, job_of
from ser.inference.stretches import Stretch

JOB = {"weights": ["abc"], "timeline": None}


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    for k in range(4):
        (tmp_path / f"{k}.wav").write_text(str(k))
    return [tmp_path / f"{k}.wav" for k in range(4)]


def predicted(asked: list):
    """A job that notes what it is asked, and fails at the third file."""

    def compute(some):
        for path in some:
            asked.append(path.name)
            bad = path.name == "1.wav"
            yield FilePrediction(path, error="bad") if bad else FilePrediction(path, "sad", {"sad": 1})

    return compute


def interrupted(output: Path, paths: list[Path], after: int) -> None:
    journal = Journal(output, JOB, resume=False)
    rows = journal.rows(paths, predicted([]))
    for _ in range(after):
        next(rows)
    journal.leave(len(paths))


def test_only_what_is_missing_is_computed(tmp_path, paths, capsys):
    output, asked = tmp_path / "found.csv", []
    interrupted(output, paths, 3)
    assert "2 of 4 files are kept; the same command with --resume goes on" in capsys.readouterr().err
    journal = Journal(output, JOB, resume=True)
    rows = list(journal.rows(paths, predicted(asked)))
    assert [row.path for row in rows] == paths and asked == ["1.wav", "3.wav"], "errors are tried again"
    assert rows[0] == FilePrediction(paths[0], "sad", {"sad": 1})
    journal.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in paths]


def test_a_file_that_changed_is_computed_again(tmp_path, paths):
    interrupted(tmp_path / "found.csv", paths, 4)
    os.utime(paths[2], ns=(1, 1))
    paths[3].write_text("longer than before")
    asked = []
    list(Journal(tmp_path / "found.csv", JOB, resume=True).rows(paths, predicted(asked)))
    assert asked == ["1.wav", "2.wav", "3.wav"]


def test_a_line_that_was_cut_is_computed_again(tmp_path, paths):
    interrupted(tmp_path / "found.csv", paths, 4)
    (journal,) = tmp_path.glob(".found.csv*")
    journal.write_bytes(journal.read_bytes()[:-9])
    for line in ('{"path": "0.wav", "state": null}', "[]", "7", "\xff"):
        with journal.open("a", encoding="latin-1") as file:
            file.write(f"\n{line}")
    asked = []
    list(Journal(tmp_path / "found.csv", JOB, resume=True).rows(paths, predicted(asked)))
    assert asked == ["1.wav", "3.wav"]


def test_timelines_come_back_as_they_were(tmp_path, paths):
    rows = [FileTimeline(path, (Stretch(0.1, 0.7, "sad", {"sad": 0.1 + 0.2, "angry": 0.7}),)) for path in paths]
    journal = Journal(tmp_path / "found.csv", JOB, resume=False)
    list(journal.rows(paths, lambda some: rows))
    journal.leave(4)
    again = Journal(tmp_path / "found.csv", JOB, resume=True)
    assert list(again.rows(paths, lambda some: pytest.fail() if some else ())) == rows


def test_another_job_is_refused_and_a_new_one_begins_anew(tmp_path, paths):
    interrupted(tmp_path / "found.csv", paths, 4)
    with pytest.raises(UserError, match="another run or other options"):
        Journal(tmp_path / "found.csv", {**JOB, "weights": ["other"]}, resume=True)
    asked = []
    list(Journal(tmp_path / "found.csv", JOB, resume=False).rows(paths, predicted(asked)))
    assert len(asked) == 4


def test_the_job_is_its_weights_and_options(run, model, tmp_path):
    import ser

    job = job_of(run, model, {"timeline": None})
    assert json.loads(json.dumps(job)) == job == job_of(run, model, {"timeline": None})
    assert job["weights"] == job_of(run / "checkpoints" / "best.ckpt", model, {})["weights"]
    assert job != job_of(run, ser.load(run, device="cpu", unsure_below=0.5), {"timeline": None})
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    assert job == job_of(copy, model, {"timeline": None})
    (copy / "config.yaml").write_text((copy / "config.yaml").read_text().replace("trim_db: ", "trim_db: 1"))
    assert job != job_of(copy, model, {"timeline": None}), "recordings are prepared otherwise"
