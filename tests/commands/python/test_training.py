"""Runs trained from Python: the same runs as the command line's, and a process left as it was found."""

import os
import signal
import threading
import time
from pathlib import Path

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import ser as package
from ser.commands.hydra_app import run_app
from ser.commands.python.training import _asked
from ser.commands.python.words import overrides_of
from ser.errors import UserError
from tests.commands.python.process_state import changed, process_state
from tests.conftest import only_run

LONG = {"trainer": {"max_epochs": 100_000}, "scheduler": None}


@pytest.fixture
def words(quick, in_tmp) -> list[str]:
    """Overrides of a run that takes a second, in an empty folder."""
    return [*quick[1:], "run.progress=false"]


@pytest.fixture
def interrupted_when():
    """Starts a thread that sends a signal to this process once something is true."""
    threads, over = [], threading.Event()

    def start(ready, signum=signal.SIGINT):
        def send():
            while not ready():
                if over.wait(0.01):  # the call has ended without it
                    return
            times.append(time.monotonic())
            os.kill(os.getpid(), signum)

        times = []
        threads.append(threading.Thread(target=send))
        threads[-1].start()
        return times

    yield start
    over.set()
    for thread in threads:
        thread.join()


def test_python_and_command_line_find_each_others_runs(ser, words, in_tmp):
    trained = package.train(*words, seed=1, model={"dropout": 0.25}, **{"optimizer.lr": 1e-4})
    assert trained.path == only_run(in_tmp)
    code, out, _ = ser("train", *words, "seed=1", "model.dropout=0.25", "optimizer.lr=1e-4")
    assert code == 0 and "Already trained" in out
    assert ser("train", *words, "seed=2")[0] == 0
    before = sorted((in_tmp / "runs").iterdir())
    found = package.train({"seed": 2}, *words, run={"progress": True})
    assert sorted((in_tmp / "runs").iterdir()) == before and found.path in before and found.config["seed"] == 2


ALIKE = [
    (["dataset.emotions=[angry,happy,sad]"], {"dataset": {"emotions": ["angry", "happy", "sad"]}}),
    (["dataset.merge={calm: neutral}"], {"dataset": {"merge": {"calm": "neutral"}}}),
    (["scheduler=null", "augmentation=spec", "metrics=[kappa,mcc]"],
     {"scheduler": None, "augmentation": "spec", "metrics": ["kappa", "mcc"]}),
    (["experiment=ravdess_cnn2d", "split.fold=1", "ema=0.999"],
     {"experiment": "ravdess_cnn2d", "split": {"fold": 1}, "ema": 0.999}),
    (["frontend.stft.hop_length=128", "model=cnn2d", "model.stages=[1,2]"],
     {"frontend.stft.hop_length": 128, "model": "cnn2d", "model.stages": [1, 2]}),
    (["frontend.stft={hop_length: 128}"], {"frontend": {"stft": {"hop_length": 128}}}),
    (["+trainer.benchmark=true", "logger=null"], {"+trainer.benchmark": True, "logger": None}),
    (["dataset=ravdess", "dataset.root=my data"], {"dataset": "ravdess", "dataset.root": Path("my data")}),
    (["loss.auxiliary={gender: 0.2}", "run.name=it's"], {"loss": {"auxiliary": {"gender": 0.2}}, "run.name": "it's"}),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "settings"), ALIKE, ids=lambda given: str(given)[:40])
def test_a_config_is_composed_as_by_the_command_line(in_tmp, typed, settings):
    (in_tmp / "my data").mkdir()
    seen = []
    run_app("train", [word.replace("it's", '"it\'s"') for word in typed], seen.append)
    assert [_asked(overrides_of([], settings)).config] == seen


def test_a_folder_of_configs_and_a_directory_of_its_own(words, in_tmp):
    (in_tmp / "mine" / "model").mkdir(parents=True)
    (in_tmp / "mine" / "model" / "tiny.yaml").write_text("defaults: [mlp]\nhidden: [4]\n")
    words = [word for word in words if not word.startswith("model")]
    run = package.train("--config-dir", "mine", *words, "model=tiny", "hydra.run.dir=here/run one")
    assert run.path == in_tmp / "here" / "run one" and run.config["model"]["hidden"] == [4]
    assert (
        package.train("--config-dir=mine", *words, {"model": "tiny", "hydra.run.dir": "here/run one"}).path == run.path
    )


def test_a_run_is_resumed(words, in_tmp):
    run = package.train(*words)
    (run.path / "finished.json").unlink()
    os.chdir("/")
    again = package.train(f"run.resume={run.path}", "run.progress=false")
    assert {**again.metrics, "seconds": 0} == {**run.metrics, "seconds": 0}


MISTAKES = [
    (["model=mpl"], "Did you mean 'mlp'?"),
    (["optimizer.l=1"], "There is no setting 'optimizer.l'"),
    (["seed=zero"], "seed"),
    (["dataset=ravdess", "dataset.root=nowhere"], "nowhere"),
    (["run.resume=nowhere"], "nowhere"),
]


@pytest.mark.parametrize(("typed", "part"), MISTAKES, ids=lambda given: str(given))
def test_errors_have_the_same_sentence(ser, in_tmp, typed, part):
    code, _, printed = ser("train", *typed)
    with pytest.raises(UserError) as raised:
        package.train(*typed)
    assert code == 2 and printed == f"Error: {raised.value}\n" and part in printed
    assert raised.value.__context__ is None, "frames of the inside, with their data, are free"


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        (["seed=0,1"], "several values"),
        (["-m", "seed=0"], "-m is of the command line"),
        (["--cfg", "job"], "--cfg is of the command line"),
        (["experiment=grid_example"], "makes this a grid"),
        ([3], "no override"),
    ],
    ids=str,
)
def test_one_run_a_call(in_tmp, typed, part):
    with pytest.raises(UserError, match=part):
        package.train(*typed)


def test_nothing_is_trained_in_a_dry_run(words, in_tmp, capsys):
    assert package.train(*words, "run.dry_run=true", "run.progress=true") is None
    assert not (in_tmp / "runs").exists() and "estimate" in capsys.readouterr().out


def test_quiet_where_asked(words, capfd):
    package.train(*words)
    assert capfd.readouterr() == ("", "")
    package.train(*words, "run.progress=true")
    assert capfd.readouterr().out.startswith("Already trained: runs/ravdess-")


def test_the_process_is_left_as_it_was_found(words, in_tmp):
    package.train(*words)  # what is imported brings its own
    before = process_state()
    switches = {
        "+trainer.benchmark": True,
        "trainer.deterministic": True,
        "run.threads": 2,
        "trainer.precision": "64-true",
    }
    run = package.train(*words, seed=1, **switches)
    assert changed(before, process_state()) == {}
    assert run.figures and run._repr_html_() and len(run.predictions)
    run.predict(
        next((in_tmp / "..").glob("**/*.wav"), None) or next(Path(run.config["dataset"]["root"]).rglob("*.wav"))
    )
    package.compare(run)
    package.load(run.path)
    assert changed(before, process_state()) == {}


@pytest.mark.parametrize("typed", [["model=mpl"], ["optimizer.lr=1e20", "loss.label_smoothing=0"]], ids=str)
def test_and_so_after_an_error(words, typed):
    package.train(*words)
    before = process_state()
    with pytest.raises(UserError):
        package.train(*words, *typed, "trainer.max_epochs=40")
    assert changed(before, process_state()) == {}


def test_a_bug_is_not_hidden(words, monkeypatch):
    package.train(*words)
    before = process_state()
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("ser.training.train.score", lambda *parts: 1 / 0)
        package.train(*words, seed=5)
    assert changed(before, process_state()) == {}


def test_an_interrupt_keeps_the_checkpoint_and_the_process(words, in_tmp, interrupted_when, capsys):
    package.train(*words, "run.dir=other")
    checkpoints = in_tmp / "runs"
    before = process_state()
    at = interrupted_when(lambda: list(checkpoints.glob("*/checkpoints/last.ckpt")))
    with pytest.raises(KeyboardInterrupt, match="Continue: ser train run.resume=.* .in Python: the same call"):
        package.train(*words, **LONG)
    assert time.monotonic() - at[0] < 10, "what is asked for, in seconds"
    assert changed({**before, "threads": None}, {**process_state(), "threads": None}) == {}
    run = only_run(in_tmp)
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"]
    log = run / "train.log"
    begun = log.stat().st_size
    interrupted_when(lambda: b"epoch" in log.read_bytes()[begun:])
    with pytest.raises(KeyboardInterrupt):
        package.train(*words, **LONG)
    first = int(log.read_bytes()[begun:].partition(b"epoch ")[2].split()[0])
    assert first == saved + 1, "it went on from the checkpoint"


def test_an_interrupt_that_lightning_answers_by_an_exit(words, in_tmp, monkeypatch):
    """A KeyboardInterrupt raised inside the training, not by the signal that is listened to."""
    from ser.training.callbacks.progress import EpochProgress

    package.train(*words)
    before = process_state()

    def stop(*hook):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="The same call continues"):
        patch.setattr(EpochProgress, "on_train_epoch_end", stop)
        package.train(*words, seed=3)
    assert changed(before, process_state()) == {}
    assert package.train(*words, seed=3).metrics["epochs"] == 2


def test_sigterm_reaches_the_handler_outside(words, in_tmp, interrupted_when):
    heard = []
    mine = signal.signal(signal.SIGTERM, lambda *signal: heard.append(signal))
    try:
        interrupted_when(lambda: list(in_tmp.glob("runs/*/checkpoints/last.ckpt")), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            package.train(*words, **LONG)
    finally:
        signal.signal(signal.SIGTERM, mine)
    assert len(heard) == 1


def test_inside_somebody_elses_hydra(words, in_tmp):
    (in_tmp / "conf").mkdir()
    (in_tmp / "conf" / "mine.yaml").write_text("a: 1\n")
    with hydra.initialize_config_dir(str(in_tmp / "conf"), version_base="1.3"):
        theirs = GlobalHydra.instance().hydra
        first = hydra.compose("mine", return_hydra_config=True)
        run = package.train(*words)
        assert GlobalHydra.instance().hydra is theirs
        assert hydra.compose("mine", ["a=2"]) == {"a": 2} and first.a == 1
    assert package.train(*words).path == run.path


def test_resolvers_of_others_stay(words):
    OmegaConf.clear_resolver("hydra")  # of another test
    OmegaConf.register_new_resolver("mine", lambda: 3)
    package.train(*words)
    assert OmegaConf.create({"a": "${mine:}"}).a == 3 and not OmegaConf.has_resolver("hydra")
    OmegaConf.clear_resolver("mine")


def test_folds_are_those_of_the_command(ser, words, in_tmp):
    words = [word for word in words if not word.startswith("split")] + ["split=speaker_kfold", "split.k=2"]
    run = package.crossval(*words, trainer={"max_epochs": 1})
    assert "metrics.json" in os.listdir(run.path) and "-crossval-" in run.path.name
    assert run.metrics["num_folds"] == 2 and len(run.predictions) == run.metrics["num_test"] == 96
    opened = package.open_run(run.path)
    assert opened.metrics == run.metrics and opened.protocol == run.protocol and "confusion_matrix" in opened.figures
    assert opened.config == run.config
    with pytest.raises(UserError, match="each fold has a model of its own"):
        opened.predict("a.wav")
    before = sorted(path.name for path in (in_tmp / "runs").iterdir())
    code, out, err = ser("crossval", *words, "trainer.max_epochs=1")
    assert code == 0, err
    assert sorted(path.name for path in (in_tmp / "runs").iterdir()) == before and run.path.name in out
    with pytest.raises(UserError, match="leave out split.fold"):
        package.crossval(*words, split={"fold": 0})


def test_several_devices_need_a_shell(words, monkeypatch):
    monkeypatch.setattr("sys.ps1", "In : ", raising=False)
    with pytest.raises(UserError, match="!ser train"):
        package.train(*words, trainer={"devices": 2})
