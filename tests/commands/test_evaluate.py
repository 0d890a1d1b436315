"""`ser evaluate`: a finished run's own figures, and the run on other recordings."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ser.cli import main
from ser.data.corpora.ravdess import Ravdess
from ser.errors import UserError
from ser.inference.finished_run import open_run
from ser.inference.other_recordings import find_others
from ser.inference.seen_in_training import seen_in_training
from ser.system.cache import cache_folder
from tests.test_cli import complete
from tests.tiny_corpora import write_tone


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_ravdess) -> Path:
    """A run by itself."""
    runs = tmp_path_factory.mktemp("runs")
    arguments = [
        "train", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "model=mlp", "model.hidden=[16]", "trainer=cpu",
        "trainer.max_epochs=2", "split=random", f"run.dir={runs}",
    ]  # fmt: skip
    assert main(arguments) == 0
    (run,) = runs.iterdir()
    return run


@pytest.fixture
def run(trained, in_tmp) -> Path:
    """A copy of it to work on."""
    return Path(shutil.copytree(trained, in_tmp / "my runs (old)" / trained.name))


@pytest.fixture
def no_page(monkeypatch):
    """Drawing it takes seconds, and is not what is looked at."""
    monkeypatch.setattr("ser.inference.reevaluate.write_run_report", lambda *_: Path("left out in this test"))
    monkeypatch.setattr("ser.inference.cross_corpus.write_report", lambda *_: Path("left out in this test"))


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """One mistake says as much as ten."""
    monkeypatch.setattr("ser.reports.mistakes.MOST", 1)


def contents(run: Path) -> dict[str, bytes]:
    """What the run itself left, other recordings aside."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and "evaluations" not in path.parts and not path.name.startswith(".")
    }


def evaluation(folder: Path) -> dict:
    return json.loads((folder / "evaluation.json").read_text())


def test_a_run_by_itself_leaves_a_report(trained):
    page = (trained / "report.html").read_text(encoding="utf-8")
    protocol = json.loads((trained / "run.json").read_text())["protocol"]
    uar = json.loads((trained / "metrics.json").read_text())["test/uar"]
    assert protocol in page and f"{uar:.3f}" in page and "decision tree" in page and "<audio" in page
    assert "Learning curves" in page and "model.hidden" not in page and "hidden:" in page
    assert (trained / "figures" / "classes.png").is_file()


@pytest.mark.slow
def test_a_sweep_leaves_none_until_it_is_asked_for(ser, quick, in_tmp):
    code, out, err = ser(*quick, "-m", "seed=0,1")
    assert code == 0 and "Report" not in out, err
    first, second = sorted(path for path in (in_tmp / "runs").iterdir() if path.is_dir())
    assert not (first / "report.html").exists() and list(evaluation(first)["systems"]) == ["model"]
    code, out, err = ser("evaluate", f"run={first}", "device=cpu")
    assert code == 0, err
    assert list(evaluation(first)["systems"]) == ["model", "majority class", "decision tree"]
    assert f"Report: {first / 'report.html'}" in out and (first / "report.html").is_file()


def test_figures_are_found_again_to_the_last_digit(ser, run):
    before, metrics = evaluation(run), (run / "metrics.json").read_bytes()
    (run / "evaluation.json").unlink()
    (run / "report.html").unlink()
    code, out, err = ser("evaluate", f"run={run}", "device=cpu")
    assert code == 0, err
    assert evaluation(run) == before and (run / "metrics.json").read_bytes() == metrics
    assert json.loads(metrics)["test/uar"] == before["systems"]["model"]["overall"]["uar"]["value"]
    assert "<audio" in (run / "report.html").read_text(encoding="utf-8") and "Note" not in out


def move_away(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["dataset"]["root"] = "/nowhere/ravdess"
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.slow
def test_recordings_that_have_moved(ser, run, tiny_ravdess):
    before = evaluation(run)
    move_away(run)
    code, out, err = ser("evaluate", f"run={run}")
    assert code == 0, err
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Note: Without sounds" in out and "/nowhere/ravdess does not exist" in out and "Without sounds" in page
    assert "<audio" not in page and evaluation(run) == before  # the baselines that it had
    assert ser("evaluate", f"run={run}", f"root={tiny_ravdess}", "device=cpu")[0] == 0
    assert "<audio" in (run / "report.html").read_text(encoding="utf-8")


def test_other_recordings_under_the_same_names(ser, run, tiny_ravdess, tmp_path, no_page):
    """As many files, of other emotions: neither seen nor tested by this run."""
    other = Path(shutil.copytree(tiny_ravdess, tmp_path / "other"))
    first = next(path for path in sorted(other.rglob("*.wav")) if path.name.split("-")[2] == "05")
    first.rename(first.with_name(first.name.replace("-05-", "-04-", 1).replace("-01-01-01-", "-01-01-09-", 1)))
    code, out, err = ser("evaluate", f"run={run}", f"root={other}", "device=cpu")
    assert code == 0 and "Without sounds" in out, err


def test_another_corpus(ser, run, tiny_tess):
    before = contents(run)
    code, out, err = ser("evaluate", f"run={run}", "dataset=tess", f"dataset.root={tiny_tess}", "device=cpu")
    assert code == 0, err
    assert contents(run) == before
    (folder,) = (run / "evaluations").glob("tess-*")
    found, about = evaluation(folder), json.loads((folder / "about.json").read_text())
    assert about["protocol"].startswith("cross-corpus: trained on ravdess, tested on tess; speaker-independent")
    assert found["num_utterances"] == 42 and found["absent"] == ["calm"] and found["num_speakers"] == 2
    assert list(found["systems"]) == ["model", "majority class"] and found["temperatures"]
    chance = found["systems"]["majority class"]["overall"]["uar"]["value"]
    assert chance == pytest.approx(1 / 7)  # of a class that occurs here
    assert any("no recording is calm" in note for note in about["notes"]) and "no recording is calm" in out
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert about["protocol"] in page and "<audio" in page and "on tess" in page
    assert len((folder / "predictions.csv").read_text().splitlines()) == 43


def test_a_map_says_what_counts_as_what(ser, run, tiny_tess, no_page):
    words = ["dataset=tess", f"dataset.root={tiny_tess}", "device=cpu"]
    code, out, err = ser("evaluate", f"run={run}", *words, "map={ps: happy, neutral: calm, disgust: null}")
    assert code == 0, err
    (folder,) = (run / "evaluations").glob("tess-*")
    found = evaluation(folder)
    assert found["num_utterances"] == 36 and set(found["absent"]) == {"neutral", "surprised", "disgust"}
    assert sum(found["systems"]["model"]["confusion"][found["classes"].index("happy")]) == 12
    assert "counted: neutral as calm, surprised as happy" in out


@pytest.mark.slow
def test_what_the_run_has_heard_is_left_out(ser, run, tiny_ravdess):
    """On its own corpus, what is left is its own test part: scored from the waveform, with the very same figures.

    Where its own recordings were does not matter: what it has seen is recorded.
    """
    move_away(run)
    code, out, err = ser("evaluate", f"run={run}", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "device=cpu")
    assert code == 0, err
    (folder,) = (run / "evaluations").iterdir()
    metrics, found = json.loads((run / "metrics.json").read_text()), evaluation(folder)
    assert found["num_utterances"] == metrics["num_test"]
    overall = found["systems"]["model"]["overall"]
    assert overall["uar"]["value"] == metrics["test/uar"]
    assert overall["ece"]["value"] == pytest.approx(metrics["test/ece"], abs=1e-4)
    seen = metrics["num_train"] + metrics["num_val"]
    assert f"{seen} recordings left out: the run was trained on them" in out
    stamp = json.loads((folder / "about.json").read_text())["protocol"]
    assert stamp.startswith("same corpus: trained on ravdess, tested on ravdess; speaker-dependent")
    assert "6 of 6 test speakers" in stamp


def test_what_cannot_be_told_from_training_is_refused(ser, run, tiny_ravdess):
    (run / "seen.csv").unlink()  # as in runs of older versions, and its own recordings are gone
    move_away(run)
    code, _, err = ser("evaluate", f"run={run}", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "device=cpu")
    assert code == 2 and "wrote no seen.csv" in err and "/nowhere/ravdess does not exist" in err
    assert "root=FOLDER" in err and "run.rerun=true" in err


def test_an_older_run_that_began_with_another_is_refused(ser, run, tiny_ravdess):
    (run / "seen.csv").unlink()
    config = yaml.safe_load((run / "config.yaml").read_text()) | {"init_from": "runs/first"}
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, _, err = ser("evaluate", f"run={run}", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "device=cpu")
    assert code == 2 and "It began with the weights of another run." in err


def test_what_an_older_run_has_seen_is_found_again(run):
    """In its own recordings, the same as it would have listed."""
    model = open_run(run, device="cpu")
    listed = seen_in_training(model)
    (run / "seen.csv").unlink()
    found = seen_in_training(model)
    facts = [{(one.hash, one.part, one.utterance.key, one.true) for one in seen.recordings} for seen in (listed, found)]
    assert facts[0] == facts[1] and len(found.recordings) == len(listed.recordings) > 0


@pytest.mark.parametrize("damage", ["hash,part\n1,train\n", "", b"\xff\xfe", "another part", "no end"])
def test_a_damaged_list_of_seen_recordings(ser, run, tiny_ravdess, damage):
    file = run / "seen.csv"
    whole = file.read_text()
    if damage == "no end":
        file.write_text(whole.rstrip())
    elif isinstance(damage, bytes):
        file.write_bytes(damage)
    else:
        file.write_text(whole.replace(",train,", ",elsewhere,") if damage == "another part" else damage)
    code, _, err = ser("evaluate", f"run={run}", "dataset=ravdess", f"dataset.root={tiny_ravdess}", "device=cpu")
    assert code == 2 and "seen.csv" in err and "run.rerun=true" in err and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["run=runs/nowhere"], "There is no folder"),
        (["run=."], "is not a run directory"),
        ([], "Needed and not given: run="),
        (["run=RUN", "map={calm: neutral}"], "map is for other recordings"),
        (["run=RUN", "device=tpu"], "device=tpu does not exist"),
        (["run=RUN", "batch_size=0"], "batch_size=0"),
        (["run=RUN", "map=calm"], "write map='{"),
        (["run=RUN", "datset=tess"], "Did you mean 'dataset'"),
        (["run=RUN", "dataset=tess", "dataset.root=/nowhere"], "No tess corpus"),
        (["run=RUN", "dataset=tess", "dataset.root=TESS", "map={hapy: sad}"], "Did you mean 'happy'"),
        (["run=RUN", "dataset=tess", "dataset.root=TESS", "map={happy: bored}"], "which is no class of the run"),
        (["run=RUN", "dataset=folder", "dataset.root=OTHERS", "dataset.pattern='{emotion}/*'"], "no emotion in common"),
    ],
)
def test_what_cannot_be_evaluated(ser, run, in_tmp, tiny_tess, arguments, message):
    for emotion in ("bored", "zest"):
        write_tone(in_tmp / "others" / emotion / "a.wav")
    places = {"RUN": run, "TESS": tiny_tess, "OTHERS": in_tmp / "others"}
    for name, place in places.items():
        arguments = [word.replace(f"={name}", f"={place}") for word in arguments]
    before = contents(run)
    code, _, err = ser("evaluate", *arguments)
    assert code == 2 and message in err and "Traceback" not in err, err
    assert len(err.strip().splitlines()) == 1 and contents(run) == before
    assert not (run / "evaluations").exists()


def test_a_run_that_did_not_finish(ser, run):
    (run / "finished.json").unlink()
    code, _, err = ser("evaluate", f"run={run}")
    assert code == 2 and "did not finish" in err and f"ser train run.resume={run}" in err


@pytest.mark.parametrize("file", ["predictions.csv", "predictions_val.csv", "metrics.json"])
def test_damaged_files_are_named(ser, run, file):
    text = (run / file).read_text()
    (run / file).write_text(text[: len(text) // 2])
    code, _, err = ser("evaluate", f"run={run}")
    assert code == 2 and file in err


def test_nothing_in_a_run_is_executed(ser, run, tiny_tess, no_page):
    """A config and a checkpoint may come from anybody."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config |= {"frontend": {"_target_": "os.system", "command": "touch executed"}, "run": {"trust": ["os"]}}
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, out, _ = ser("evaluate", f"run={run}", "device=cpu")
    assert code == 0 and "outside the trusted packages" in out
    code, _, err = ser("evaluate", f"run={run}", "dataset=tess", f"dataset.root={tiny_tess}", "device=cpu")
    assert code == 2 and "outside the trusted packages" in err
    assert not Path("executed").exists()


def say(run: Path, **nodes: dict) -> None:
    """Another config, as a stranger may write it."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(config | nodes, sort_keys=False))


@pytest.mark.parametrize("there", ["missing", "empty"])
def test_nothing_is_written_where_a_config_says(ser, run, in_tmp, monkeypatch, there, no_page):
    """The demo corpus that is not where its run says is that of the cache; the command line may say another folder."""
    written, planted = [], in_tmp / "planted" / "here"
    if there == "empty":
        planted.mkdir(parents=True)

    def write(folder: Path) -> None:
        written.append(folder)
        raise UserError(f"{folder} is not written in this test")

    monkeypatch.setattr("ser.data.corpora.demo.write_demo", write)
    monkeypatch.setattr("ser.data.corpora.demo.FOLDER", "demo-elsewhere")
    say(run, dataset={"_target_": "ser.data.corpora.demo.Demo", "root": str(planted)})
    code, out, err = ser("evaluate", f"run={run}", "device=cpu")
    assert code == 0 and "Without sounds" in out, err
    assert ser("train", f"run.resume={run}")[0] == 2
    assert set(written) == {cache_folder() / "demo-elsewhere"} and planted.exists() == (there == "empty")
    ser("evaluate", f"run={run}", f"root={planted}", "device=cpu")
    assert written[-1] == planted


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "hunter2:x:0\nroot:x:0,1\n"),
        ("a.csv", "hunter2,hunter2\n"),
        ("a.csv", "path,hunter2\n"),
        ("a.csv", "path,split\n"),
        ("a.jsonl", '{"key": "hunter2"}\n'),
        ("a.jsonl", '["hunter2"]\n'),
        ("a_test.jsonl", '{"name": "other", "hunter2": 1}\n'),
    ],
)
def test_no_file_is_shown_that_a_config_names(ser, run, in_tmp, name, content, no_page):
    """`dataset.csv: /etc/passwd` is nobody's list of recordings."""
    secret = in_tmp / name
    secret.write_text(content)
    for nodes in (
        {"dataset": {"_target_": "ser.data.corpora.csv_list.CsvList", "csv": str(secret)}},
        {"split": {"_target_": "ser.data.splits.ListedSplit", "file": str(secret)}},
    ):
        say(run, **nodes)
        for command in (["evaluate", f"run={run}", "device=cpu"], ["train", f"run.resume={run}"]):
            code, out, err = ser(*command)
            assert code == 2 or (code == 0 and "Without sounds" in out), err
            assert "hunter2" not in out + err and str(secret) in out + err


@pytest.mark.parametrize("place", ["figures/classes.png", "evaluations", "train.log"])
def test_nothing_is_written_through_a_link(ser, run, in_tmp, tiny_tess, place):
    """A run that was unpacked may hold links to anywhere."""
    victim = in_tmp / "victim"
    victim.write_text("mine")
    (run / place).unlink(missing_ok=True)
    (run / place).symlink_to(victim)
    before = contents(run)
    for command in (
        ["evaluate", f"run={run}", "device=cpu"],
        ["evaluate", f"run={run}", "dataset=tess", f"dataset.root={tiny_tess}", "device=cpu"],
    ):
        code, _, err = ser(*command)
        assert code == 2 and f"{run / place} is a link" in err, command
    assert victim.read_text() == "mine" and contents(run) == before


@pytest.mark.parametrize("text", ["[" * 100_000, '{"versions": [1], "systems": {"another": {"overall": {"uar": '
                                  '{"value": "x"}}, "by_class": {}, "confusion": []}}}'])  # fmt: skip
def test_files_beside_the_figures_may_say_anything(ser, run, text):
    before = evaluation(run)
    for name in ("environment.json", "evaluation.json"):
        (run / name).write_text(text)
    os.mkfifo(run / "events.out.tfevents.1")
    move_away(run)
    code, _, err = ser("evaluate", f"run={run}", "device=cpu")
    assert code == 0, err
    assert evaluation(run)["systems"]["model"] == before["systems"]["model"]


def test_help_names_the_settings_and_imports_nothing_heavy():
    code = (
        "import sys; from ser.cli import main; main(['evaluate', '--help']); "
        "sys.exit(str({'torch', 'hydra', 'numpy', 'matplotlib'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "" and all(word in done.stdout for word in ("map: null", "run=<dir>", "tess"))


def test_completion_knows_it():
    assert "evaluate" in complete("ser ev") and set(complete("ser evaluate dataset=te")) == {"tess"}


def test_gender_and_emotion_are_mapped_by_emotion(tiny_tess, tiny_ravdess, tmp_path):
    classes = ["female_calm", "female_happy", "male_happy"]
    run = {"dataset": {"target": "gender_emotion", "merge": {"sad": "calm"}}, "run": {"trust": []}}
    node = {"_target_": "ser.data.corpora.tess.Tess", "root": str(tiny_tess)}
    recordings, notes = find_others(node, {"neutral": "calm"}, run, classes, tmp_path)
    assert recordings.classes == ("female_calm", "female_happy") and len(recordings.utterances) == 12
    assert any("map='{sad: calm}'" in note for note in notes)
    run["dataset"]["target"] = "gender"
    node = {"_target_": "ser.data.corpora.ravdess.Ravdess", "root": str(tiny_ravdess)}
    recordings, notes = find_others(node, None, run, ["female", "male"], tmp_path)
    assert len(recordings.utterances) == len(Ravdess(str(tiny_ravdess)).scan().utterances) and notes == []
    with pytest.raises(UserError, match="this run recognises gender"):
        find_others(node, {"sad": "happy"}, run, ["female", "male"], tmp_path)
