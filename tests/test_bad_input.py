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
        (["train", "resume=/nowhere"], ["/nowhere", "no run directory"]),
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


@pytest.mark.parametrize("kind", ["truncated", "empty", "silent", "text", "nan", "short"])
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
        "split=random", "split.val=0.2",
    ]  # fmt: skip
    code, _, err = ser(*command)
    assert code == 2 and victim.name in err and "dataset.on_bad_file=skip" in err
    assert not list((in_tmp / "runs").glob("*/finished.json"))
    code, out, err = ser(*command, "dataset.on_bad_file=skip")
    assert code == 0, err
    assert "1 bad files left out" in out


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


def test_loss_that_is_no_number_stops_the_run(ser, quick, in_tmp):
    code, _, err = ser(*quick, "optimizer=sgd", "optimizer.lr=1e30", "trainer.gradient_clip_val=null", "scheduler=none")
    assert code == 2 and "optimizer.lr" in err
    assert not list((in_tmp / "runs").glob("*/metrics.json"))


def test_a_class_that_is_missing_from_train(ser, in_tmp):
    """Only one speaker is sad, and that speaker is tested."""
    for k, speaker in enumerate("abcd"):
        for emotion in ("angry", "happy", *(["sad"] if speaker == "a" else [])):
            for take in range(2):
                write_tone(in_tmp / "own" / speaker / emotion / f"{take}.wav", 100 + 30 * k + 10 * len(emotion) + take)
    command = ["train", "dataset=folder", "dataset.root=own", "dataset.pattern='{speaker}/{emotion}/*'", "model=mlp"]
    found = [ser(*command, f"split.seed={seed}", "dry_run=true") for seed in range(8)]
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
