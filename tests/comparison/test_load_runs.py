"""Which runs are compared: damaged and unfinished ones are named, and nothing is counted twice."""

import json
import shutil

import pytest

from ser.comparison.conditions import Condition
from ser.comparison.load_runs import gather
from ser.errors import UserError
from tests.comparison.made_runs import answers, part_of_fold, write_run

PART = part_of_fold(0)


def write(runs, skill=0.7, seed=0, **settings):
    return write_run(runs, {"seed": seed, **settings}, PART, answers(PART, skill, seed))


def test_a_run_is_read_with_settings_figures_and_predictions(tmp_path):
    path = write(tmp_path, seed=3, model="cnn1d")
    (run,) = gather([tmp_path]).runs
    assert run.path == path and run.drawn == (3, 3, 0) and run.choices["model"] == "cnn1d"
    assert run.settings["model.dropout"] == 0.2 and run.settings["batch_size"] == 32
    assert not {"seed", "split.seed", "split.fold", "dataset.root", "run.name", "run.dir"} & run.settings.keys()
    assert sorted(run.answered.recordings) == sorted(("ravdess", key) for key, *_ in PART)
    assert (run.answered.predicted == run.answered.true).mean() == pytest.approx(run.metrics["test/wa"])


def test_a_setting_that_is_younger_than_a_run_is_no_difference_where_it_is_null(tmp_path):
    write(tmp_path)
    write(tmp_path, seed=1, **{"split.train_only": None})
    write(tmp_path, seed=2, **{"split.train_only": "tess"})
    first, second, third = sorted(gather([tmp_path]).runs, key=lambda run: run.drawn)
    assert first.configuration == second.configuration != third.configuration


def test_a_batch_over_two_devices_is_one_of_twice_the_size(tmp_path):
    write(tmp_path, batch_size=64)
    write(tmp_path, seed=1, **{"trainer.devices": 2})
    assert len({run.configuration for run in gather([tmp_path]).runs}) == 1


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.json", '{"test/uar": 0.', "metrics.json"),
        ("metrics.json", "[]", "metrics.json"),
        ("predictions.csv", "path,true", "predictions.csv"),
        ("predictions.csv", None, "predictions.csv"),
        ("config.yaml", "choices: [", "config.yaml"),
        ("config.yaml", "choices: {}\nsplit: 3\n", "config.yaml"),
    ],
)
def test_a_damaged_run_is_named_and_the_others_are_compared(tmp_path, file, content, message):
    bad, good = write(tmp_path), write(tmp_path, seed=1)
    if content is None:  # cut off in the middle
        whole = (bad / file).read_text(encoding="utf-8")
        content = whole[: len(whole) // 2]
    (bad / file).write_text(content, encoding="utf-8")
    gathered = gather([tmp_path])
    assert [run.path for run in gathered.runs] == [good]
    (remark,) = gathered.remarks
    assert bad.name in remark and message in remark and "damaged" in remark


def test_figures_that_are_not_those_of_the_predictions_are_refused(tmp_path):
    bad, _ = write(tmp_path), write(tmp_path, seed=1)
    metrics = json.loads((bad / "metrics.json").read_text())
    (bad / "metrics.json").write_text(json.dumps({**metrics, "test/uar": 0.99}))
    (remark,) = gather([tmp_path]).remarks
    assert "test/uar 0.99" in remark and "one was changed" in remark


def test_unfinished_runs_are_counted_in_one_line(tmp_path):
    for seed in (1, 2):
        write_run(tmp_path, {"seed": seed}, PART, answers(PART, 0.5, seed), finished=False)
    with pytest.raises(UserError, match="No finished run among 2.*2 interrupted"):
        gather([tmp_path])
    write(tmp_path)
    (remark,) = gather([tmp_path]).remarks
    assert remark.startswith("Not finished and left out: 2 interrupted")


def test_links_and_copies_are_the_same_run(tmp_path):
    path = write(tmp_path / "runs")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / path.name).symlink_to(path)
    assert len(gather([tmp_path / "runs", tmp_path / "sweep", path]).runs) == 1
    shutil.copytree(path, tmp_path / "copies" / path.name)
    gathered = gather([tmp_path / "runs", tmp_path / "copies"])
    assert len(gathered.runs) == 1 and "is the same run as" in gathered.remarks[0]


def test_a_condition_chooses_and_says_what_is_there(tmp_path):
    write(tmp_path), write(tmp_path, model="cnn1d"), write(tmp_path, model="cnn1d", **{"optimizer.lr": 1e-4})
    found = gather([tmp_path], Condition("model=cnn1d and optimizer.lr<1e-3 and test/uar>0", "--where")).runs
    assert [run.settings["optimizer.lr"] for run in found] == [1e-4]
    with pytest.raises(UserError, match="matches none of 3 finished runs: model is cnn1d, mlp"):
        gather([tmp_path], Condition("model=cnn", "--where"))
    with pytest.raises(UserError, match="Did you mean 'optimizer.lr'"):
        gather([tmp_path], Condition("optimiser.lr=1", "--where"))


def test_a_pretrained_model_is_one_wherever_it_lies(tmp_path):
    for seed, place in ((0, "a/wavlm"), (1, "b/wavlm")):
        write(tmp_path, seed=seed, **{"frontend.checkpoint": place, "frontend.content": "0123456789abcdef"})
    one, other = gather([tmp_path]).runs
    assert one.configuration == other.configuration and one.settings["frontend.content"] == "01234567"
