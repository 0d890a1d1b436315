"""What goes wrong at the keyboard and on the disk: one clear message, exit code 2, nothing that looks finished."""

import numpy as np
import pytest
import soundfile

from tests.tiny_corpora import write_tiny_ravdess, write_tone


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tran"], ["Did you mean 'train'"]),
        (["train", "model=cnn2"], ["Did you mean 'cnn2d'"]),
        (["train", "modle=mlp"], ["Did you mean 'model'"]),
        (["train", "optimiser.lr=1"], ["Did you mean 'optimizer.lr'"]),
        (["train", "trainer.max_epoch=1"], ["Did you mean 'trainer.max_epochs'"]),
        (["train", "model=mlp", "+model.droput=1"], ["Did you mean 'dropout'"]),
        (["train", "dataset.emotion=[angry]"], ["Did you mean 'dataset.emotions'"]),
        (["train", "dataset=ravdess", "dataset.root=/nowhere"], ["/nowhere", "Actor_01", "zenodo", "CC BY-NC-SA"]),
        (["train", "dataset=folder"], ["dataset.pattern"]),
        (["train", "monitor=test/uar"], ["scored once"]),
        (["train", "split.test=1.5"], ["split.test=1.5"]),
        (["train", "loss.label_smoothing=2"], ["label_smoothing"]),
        (["train", "batch_size=0"], ["batch_size=0"]),
        (["train", "rerun=true"], ["There is no setting 'rerun'. Did you mean 'run.rerun'?"]),
        (["train", "runs_dir=x"], ["Did you mean 'run.dir'?"]),
        (["train", "name=a"], ["Did you mean 'run.name'?"]),
        (["train", "resume=runs/x"], ["Did you mean 'run.resume'?"]),
        (["train", "jobs_per_gpu=2"], ["Did you mean 'sweep.jobs_per_gpu'?"]),
        (["train", "+progress=false"], ["Did you mean 'run.progress'?"]),
        (["train", "progres=false"], ["Did you mean 'run.progress'?"]),
        (["train", "-m", "dry_run=true", "seed=0,1"], ["Did you mean 'run.dry_run'?"]),
        (["tune", "trust=[mine]"], ["Did you mean 'run.trust'?"]),
        (["crossval", "keep_features=disk"], ["Did you mean 'run.keep_features'?"]),
        (["evaluate", "run=[1]"], ["run=[1] must be text"]),
        (["train", "run.report=maybe"], ["run.report=maybe", "auto or true or false"]),
        (["train", "seed=-1"], ["seed=-1"]),
        (["train", "seed=0,1"], ["seed=0,1 is several values", "Add -m"]),
        (["train", "dataset.emotions=angry,happy"], ["'dataset.emotions=[angry,happy]'"]),
        (["explore", "dataset.emotions=angry,happy"], ["Give one", "'dataset.emotions=[angry,happy]'"]),
        (["train", "batch_size=abc"], ["batch_size=abc"]),
        (["train", "early_stopping.patience=x"], ["patience=x"]),
        (["train", "trainer.precision=bf16mixed"], ["trainer", "bf16mixed"]),
        (["train", "trainer.strategy=dpp"], ["trainer", "dpp"]),
        (["train", "+trainer.max_steps=5"], ["max_epochs"]),
        (["train", "optimizer.lr=abc"], ["optimizer", "abc"]),
        (["train", "optimizer.lr=-1"], ["optimizer", "-1"]),
        (["train", "trainer.max_epochs=0"], ["max_epochs=0"]),
        (["train", "run.resume=/nowhere"], ["/nowhere", "not a run directory"]),
        (["train", "model._target_=os.system"], ["trust"]),
        (["show", "modle"], ["Did you mean 'model'"]),
        (["store", "lst"], ["Did you mean 'list'"]),
    ],
    ids=lambda value: "_".join(value)[:40],
)
def test_one_clear_sentence_and_exit_2(ser, arguments, words):
    code, out, err = ser(*arguments)
    assert code == 2, out + err
    assert "Traceback" not in err
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("run.threads=-1", "run.threads=-1 must be a whole number from 1"),
        ("run.threads=abc", "run.threads=abc must be"),
        ("run.threads=nan", "run.threads=nan must be"),
        ("trainer.precision=bf16", "trainer.precision=bf16 must be 32-true, 16-mixed, bf16-mixed"),
        ("trainer.precision=16-true", "trainer.precision=16-true must be"),
        ("model.width=60000", "GB of memory are needed and this machine has 8 GB"),
        ("model.width=100000", "model.width=100000 must be a whole number from 1 to 65536"),
        ("model.blocks=100000", "model.blocks=100000 must be"),
        ("model=cnn1d model.blocks.0.channels=60000 batch_size=64", "GB of memory are needed"),
        ("audio.duration_s=3600", "GB of memory are needed"),
        ("audio.duration_s=1e9", "audio.duration_s=1000000000.0 must be a number in (0, 86400]"),
        ("audio.sample_rate=8000.0", "audio.sample_rate=8000.0 must be a whole number"),
        ("frontend.n_mels=true", "frontend.n_mels=true must be a whole number from 1"),
        ("frontend.n_mels=1.5", "frontend.n_mels=1.5 must be a whole number from 1"),
        ("frontend.n_mels=[1]", "frontend.n_mels=[1] must be a whole number from 1"),
        ("frontend.n_mels=4000", "mel bands without a single bin"),
        ("frontend.log_floor=inf", "frontend.log_floor=inf must be a number in (0, 1]"),
        ("optimizer.betas=[0.9]", "optimizer.betas=[0.9] must be a list of 2"),
        ("optimizer.lr=inf", "optimizer.lr=inf must be a number in (0, 1000]"),
        ("optimizer.lr=0", "optimizer.lr=0 must be"),
        ("optimizer=sgd optimizer.momentum=nan", "optimizer.momentum=nan must be"),
        ("+trainer.benchmark=abc", "trainer.benchmark=abc must be true or false"),
        ("loss.l2=1", "loss.l2=1 must be a mapping"),
        ("loss.l2=[1]", "loss.l2=[1] must be a mapping"),
        ("loss.l2={stm:1e-3}", "loss.l2 names 'stm'"),
        ("trainer.accumulate_grad_batches=nan", "trainer.accumulate_grad_batches=nan must be"),
        ("trainer.accumulate_grad_batches=1000000", "=1000000 is more than the 1 of an epoch"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val=-1 must be a number above 0"),
        ("trainer.max_epochs=true", "trainer.max_epochs=true must be"),
        ("scheduler=plateau scheduler.patience=1.5", "scheduler.patience=1.5 must be a whole number from 0"),
        ("scheduler=one_cycle scheduler.end_divisor=inf", "scheduler.end_divisor=inf must be"),
        ("sweep.jobs_per_gpu=-1", "sweep.jobs_per_gpu=-1 must be"),
        ("run.name=[1]", "run.name=[1] must be text"),
        ("init_from=[1]", "init_from=[1] must be text"),
        ("init_from=", "init_from= names no run"),
        ("augmentation=five_speeds augmentation.views=100000", "must be a whole number from 1 to 100 or null"),
        ("split=speaker_kfold split.train_only=1", "split.train_only=1 must be a list, each text, text or null"),
        (
            "+evaluation.views.speeds=[1,1.1] augmentation=five_speeds augmentation.views=1",
            "has 1.1, which training never",
        ),
        ("run.resume=[1]", "run.resume=[1] must be text"),
        ("dataset.emotions=angry", "write dataset.emotions=[angry]"),
        ("seed=-1", "seed=-1 must be a whole number from 0"),
        ("split=kfold split.k=1", "split.k=1 must be a whole number from 2"),
        ("audio.level=peek", "Did you mean 'peak'?"),
        ("augmentation=noise augmentation.waveform.0.p=2", "augmentation.waveform.0.p=2 must be a number from 0 to 1"),
        ("+trainer.limit_test_batches=1", "trainer.limit_test_batches is not supported"),
        ("+trainer.limit_train_batches=0", "trainer.limit_train_batches is not supported"),
        ("+trainer.barebones=true", "trainer.barebones is not supported"),
        ("+trainer.logger=true", "trainer.logger is not supported"),
        ("trainer.devices=-1", "trainer.devices=-1 names GPUs"),
        ("metrics=kapa", "Did you mean 'kappa'?"),
        ("metrics=[mcc,kapa]", "Did you mean 'kappa'?"),
        ("metrics.kappa._target_=x", "added by +metrics.kappa._target_"),
        ("+metrics.x._target_=torchmetrics.classification.MulticlassKappa", "Did you mean torchmetrics.classif"),
        ("+metrics.x._target_=torchmetrics.classification.MulticlassROC", "returns a tuple"),
        ("metrics=kappa monitor=val/kapa", "Did you mean 'val/kappa'?"),
        ("metrics=kappa monitor=test/kappa", "Choose from: val/uar, val/wa, val/f1_macro, val/loss, val/kappa"),
        ("monitor=val/kappa", "monitor=val/kappa must be val/uar"),
        ("trainer.devices=[1]", "trainer.devices=[1] names GPUs"),
        ("trainer.devices=two", "trainer.devices=two must be a number of devices"),
        ("trainer.devices=0", "trainer.devices=0 must be a number of devices"),
    ],
)
def test_a_value_that_cannot_be_is_named_before_anything_is_decoded(ser, tiny_ravdess, monkeypatch, overrides, words):
    monkeypatch.setattr("ser.training.sizing.main_memory", lambda: 8_000_000_000)
    monkeypatch.setattr("ser.training.setup.decode_recordings", lambda *_: pytest.fail("decoded"))
    given = ["dataset=ravdess", f"dataset.root={tiny_ravdess}", "trainer=cpu", "run.dry_run=true", *overrides.split()]
    code, out, err = ser("train", *given)
    assert code == 2 and words in err and "Traceback" not in err, out + err
    assert err.count("\n") == 1, "one sentence"


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "nan",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("empty", "silent", "text", "short")),
    ],
)
def test_bad_files_stop_the_run_or_are_left_out(ser, in_tmp, kind):
    root = write_tiny_ravdess(in_tmp / "ravdess", actors=range(1, 5))
    victim = sorted(root.rglob("*.wav"))[5]
    samples, sample_rate = soundfile.read(victim)
    if kind == "truncated":
        victim.write_bytes(victim.read_bytes()[:3000])
    elif kind == "empty":
        victim.write_bytes(b"")
    elif kind == "silent":
        soundfile.write(victim, np.zeros_like(samples), sample_rate)
    elif kind == "text":
        victim.write_text("this is no audio")
    elif kind == "nan":
        soundfile.write(victim, np.full_like(samples, np.nan), sample_rate, subtype="FLOAT")
    else:
        soundfile.write(victim, samples[:100], sample_rate)
    command = [
        "train", "dataset=ravdess", f"dataset.root={root}", "model=mlp", "trainer=cpu", "trainer.max_epochs=1",
        "split=random", "split.val=0.2", "run.report=false",
    ]  # fmt: skip
    code, _, err = ser(*command)
    assert code == 2 and victim.name in err and "dataset.on_bad_file=skip" in err
    assert not list((in_tmp / "runs").glob("*/finished.json"))
    code, out, err = ser(*command, "dataset.on_bad_file=skip")
    assert code == 0, err
    assert "1 bad file left out" in out


def test_traceback_on_request(ser, monkeypatch):
    monkeypatch.setenv("SER_TRACEBACK", "1")
    code, _, err = ser("train", "model=cnn2")
    assert code == 2 and "Traceback" in err


def test_gpu_asked_for_and_absent(ser, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = ser("train", "trainer=gpu")
    assert code == 2 and "trainer=cpu" in err


def test_speakers_that_do_not_suffice(ser, in_tmp):
    root = write_tiny_ravdess(in_tmp / "ravdess", actors=[1, 2])
    code, _, err = ser("train", "dataset=ravdess", f"dataset.root={root}")
    assert code == 2 and "needs 3 speakers" in err and "split=random" in err


def test_gpu_out_of_memory_says_what_to_lower(ser, quick, in_tmp, monkeypatch):
    import torch

    from ser.training.module import EmotionClassifier

    def full(self, batch, batch_idx):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(EmotionClassifier, "training_step", full)
    code, _, err = ser(*quick)
    assert code == 2 and "batch_size=32" in err and "accumulate_grad_batches" in err
    assert not list((in_tmp / "runs").glob("*/finished.json"))


def test_a_driver_that_is_too_old_is_said(ser, quick, in_tmp, monkeypatch):
    def too_old():
        raise RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver."
        )

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", "13.0")
    monkeypatch.setattr("torch.cuda.init", too_old)
    code, _, err = ser(*quick, "trainer=gpu")
    words = "torch finds no CUDA device (The NVIDIA driver on your system is too old (found version 11040))"
    assert code == 2 and words in err and err.count("\n") == 1
    code, out, err = ser(*quick, "trainer=auto")
    assert code == 0 and words in " ".join(out.split()), err


def test_loss_that_is_no_number_stops_the_run(ser, quick, in_tmp):
    blown_up = ["optimizer.lr=1000", "optimizer.weight_decay=1000", "trainer.gradient_clip_val=null", "scheduler=none"]
    code, _, err = ser(*quick, "optimizer=sgd", *blown_up, "trainer.max_epochs=10")
    assert code == 2 and "optimizer.lr" in err
    assert not list((in_tmp / "runs").glob("*/metrics.json"))


def test_a_class_that_is_missing_from_train(ser, in_tmp):
    """Only one speaker is sad, and that speaker is tested."""
    for k, speaker in enumerate("abcd"):
        for emotion in ("angry", "happy", *(["sad"] if speaker == "a" else [])):
            for take in range(2):
                write_tone(in_tmp / "own" / speaker / emotion / f"{take}.wav", 100 + 30 * k + 10 * len(emotion) + take)
    command = ["train", "dataset=folder", "dataset.root=own", "dataset.pattern='{speaker}/{emotion}/*'", "model=mlp"]
    found = [ser(*command, f"split.seed={seed}", "run.dry_run=true") for seed in range(8)]
    refused = [err for code, _, err in found if code == 2]
    assert 0 < len(refused) < len(found)
    assert all("no recording of: sad" in err and "split.seed" in err for err in refused)


def test_a_full_disk_is_no_traceback(ser, quick, monkeypatch):
    import errno

    from ser.runs import directory

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "runs")

    monkeypatch.setattr(directory.RunDirectory, "begin", full)
    code, _, err = ser(*quick)
    assert code == 2 and "disk is full" in err
