"""What a loaded model says: the very probabilities of the run, whatever the format, the batch or the way in."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

import ser
from ser.errors import UserError
from tests.inference.trained import trained_run
from tests.tiny_corpora import real_corpus, write_tone

TOLERANCE = 1e-5


def written(run: Path) -> dict[str, dict[str, float]]:
    """Of predictions.csv: recording → class → probability."""
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    classes = names[names.index("predicted") + 1 :]
    return {row["path"]: {name: float(row[name]) for name in classes} for row in rows}


def assert_same(found: dict[str, float], expected: dict[str, float], tolerance: float = TOLERANCE) -> None:
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=tolerance, rtol=0)


def assert_says_what_the_run_said(run: Path, root: Path) -> None:
    predictions, model = written(run), ser.load(run, device="cpu")
    answers = list(model.files([root / key for key in predictions], batch_size=7))
    assert len(answers) == len(predictions) > 1
    for answer, (key, expected) in zip(answers, predictions.items(), strict=True):
        assert answer.path == root / key and not answer.error
        assert_same(answer.probabilities, expected)
        assert answer.emotion == max(expected, key=expected.get)
        assert answer.probability == answer.probabilities[answer.emotion]


def distance(found: dict[str, float], expected: dict[str, float]) -> float:
    """Largest difference of log probabilities."""
    return max(abs(np.log(found[name]) - np.log(expected[name])) for name in expected)


SETTINGS = {
    "own lengths": ["audio=whole", "model=cnn2d", "model.width=4", "trainer.max_epochs=1"],
    "flattened": [
        "model=cnn1d", "model.pooling=flatten", "audio.duration_s=0.5", "audio.padding_is_signal=true",
        "audio.offset_s=0.05", "audio.level=peak", "audio.trim_db=null", "frontend=mfcc",
        "normaliser=feature_and_frame", "trainer.max_epochs=1",
    ],
    "cut short": ["audio.duration_s=0.2", "audio.level=rms", "audio.sample_rate=11025", "ema=0.9"],
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_a_test_recording_gets_the_probabilities_of_predictions_csv(tmp_path, tiny_ravdess, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert_says_what_the_run_said(trained_run(tmp_path / "runs", tiny_ravdess, *SETTINGS[name]), tiny_ravdess)


def test_of_a_run_as_it_comes(run, tiny_ravdess):
    assert_says_what_the_run_said(run, tiny_ravdess)


@pytest.mark.corpus
def test_real_recordings_get_the_probabilities_of_predictions_csv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for actor in ("Actor_01", "Actor_02", "Actor_03"):
        for file in sorted((real_corpus("ravdess") / actor).iterdir())[::4]:
            (tmp_path / "some" / actor).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / "some" / actor)
    arguments = ["model=cnn2d", "model.width=4", "trainer.max_epochs=1", "split.test=0.3"]
    assert_says_what_the_run_said(trained_run(tmp_path / "runs", tmp_path / "some", *arguments), tmp_path / "some")


def test_neither_the_batch_nor_the_order_matters(model, tiny_ravdess, tmp_path):
    files = [write_tone(tmp_path / f"{k}.wav", 120 + 20 * k, duration_s=0.2 + 0.1 * k) for k in range(6)]
    alone = {answer.path: answer.probabilities for file in files for answer in model.files(file)}
    for order, batch_size in ((files, 64), (files[::-1], 4)):
        for answer in model.files(order, batch_size):
            assert_same(answer.probabilities, alone[answer.path])


def test_formats_that_lose_nothing_give_the_same_and_lossy_ones_what_they_kept(model, tmp_path):
    samples, sample_rate = soundfile.read(write_tone(tmp_path / "a.wav", 200, duration_s=1.0))
    (expected,) = model.files(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.flac", samples, sample_rate)
    soundfile.write(tmp_path / "c.wav", np.stack([samples, samples], axis=1), sample_rate)
    for name in ("b.flac", "c.wav"):
        (found,) = model.files(tmp_path / name)
        assert_same(found.probabilities, expected.probabilities)
    for name in ("d.ogg", "e.mp3"):
        soundfile.write(tmp_path / name, samples, sample_rate)
        decoded, decoded_rate = soundfile.read(tmp_path / name)
        (found,) = model.files(tmp_path / name)
        assert_same(found.probabilities, model(decoded, decoded_rate).probabilities)
        assert abs(len(decoded) / decoded_rate - 1.0) < 0.2 and not np.array_equal(decoded[:16000], samples), name


@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000])
def test_any_sample_rate(model, tmp_path, sample_rate):
    """Resampled by somebody else first, or by the model: the same up to what resampling loses."""
    samples, _ = soundfile.read(write_tone(tmp_path / "a.wav", 200, sample_rate=sample_rate, duration_s=1.0))
    (expected,) = model.files(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", soxr.resample(samples, sample_rate, 16000, "HQ"), 16000, subtype="FLOAT")
    (found,) = model.files(tmp_path / "b.wav")
    assert_same(found.probabilities, expected.probabilities, 1e-4)


@pytest.mark.parametrize("kind", ["float32", "float64", "int16", "int32", "tensor", "channels", "stereo tensor"])
def test_an_array_is_heard_as_its_file(model, tmp_path, kind):
    path = write_tone(tmp_path / "a.wav", 180, sample_rate=22050)
    (expected,) = model.files(path)
    floats, sample_rate = soundfile.read(path, dtype="float32")
    made = {
        "float32": floats,
        "float64": floats.astype(np.float64),
        "int16": soundfile.read(path, dtype="int16")[0],
        "int32": soundfile.read(path, dtype="int32")[0],
        "tensor": torch.tensor(floats, requires_grad=True),
        "channels": floats[None],
        "stereo tensor": torch.tensor(np.stack([floats * 1.5, floats * 0.5])),
    }
    found = model(made[kind], sample_rate)
    assert found.emotion == expected.emotion and found.probability == max(found.probabilities.values())
    assert_same(found.probabilities, expected.probabilities)
    assert abs(sum(found.probabilities.values()) - 1) < 1e-9


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (np.zeros(16000), "silent"),
        (np.ones(10) * 0.5, "too short"),
    ],
)
def test_a_waveform_that_cannot_be_used(model, waveform, words):
    with pytest.raises(UserError, match=words):
        model(waveform, 16000)


def test_a_checkpoint_by_itself_says_the_same(run, model, tiny_ravdess, tmp_path):
    alone = ser.load(shutil.copy(run / "checkpoints" / "best.ckpt", tmp_path / "mine (copy).ckpt"), device="cpu")
    files = sorted(tiny_ravdess.rglob("*.wav"))[:5]
    for found, expected in zip(alone.files(files), model.files(files), strict=True):
        assert found == expected
    assert alone.classes == model.classes and alone.sample_rate == 16000


def test_calibrated_probabilities_are_at_the_temperature_of_the_run(run, model, tiny_ravdess):
    temperature = json.loads((run / "metrics.json").read_text())["temperature"]
    file = min(tiny_ravdess.rglob("*.wav"))
    (plain,), (scaled,) = model.files(file), ser.load(run, device="cpu", calibrated=True).files(file)
    powers = np.array(list(plain.probabilities.values())) ** (1 / temperature)
    np.testing.assert_allclose(list(scaled.probabilities.values()), powers / powers.sum(), atol=1e-9)
    assert scaled.emotion == plain.emotion and scaled.probability != plain.probability
    with pytest.raises(UserError, match="metrics.json"):
        ser.load(run / "checkpoints" / "best.ckpt", calibrated=True)


def test_bad_files_have_reasons_and_stop_nothing(model, tmp_path):
    good = write_tone(tmp_path / "good.wav")
    (tmp_path / "text.wav").write_text("this is no audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:3000])
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    names = ["text.wav", "good.wav", "empty.wav", "cut.wav", "silent.wav", "nan.wav", "absent.wav", "good.wav"]
    answers = list(model.files([tmp_path / name for name in names], batch_size=1))
    assert [answer.path.name for answer in answers] == names[:-1], "in order, each file once"
    reasons = dict(zip(names, (answer.error for answer in answers), strict=False))
    assert reasons["good.wav"] == "" and "truncated" in reasons["cut.wav"] and "no such file" in reasons["absent.wav"]
    assert "silent" in reasons["silent.wav"] and "NaN" in reasons["nan.wav"] and reasons["empty.wav"] == "empty file"
    assert "in place of the recording" in reasons["text.wav"]
    for answer in answers:
        assert bool(answer.error) == (answer.emotion == "") == (answer.probability is None)


def test_answers_come_as_they_are_computed(model, tmp_path):
    """A long job can be stopped or looked at: the first answers need not wait for the last file."""
    files = [write_tone(tmp_path / f"{k:03}.wav") for k in range(60)]
    answers = model.files(files, batch_size=2)
    first = next(answers)
    for file in files[40:]:
        file.unlink()
    assert first.path == files[0] and not first.error
    assert sum(bool(answer.error) for answer in answers) == 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"run": "/nowhere/at/all"}, "no run /nowhere"),
        ({"device": "tpu"}, "device=tpu does not exist. Did you mean 'gpu'"),
    ],
)
def test_what_cannot_be_loaded(run, arguments, words):
    with pytest.raises(UserError, match=words):
        ser.load(**{"run": run, **arguments})


def test_a_gpu_that_is_not_there(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="GPU"):
        ser.load(run, device="gpu")


def test_batch_size_must_be_one_or_more(model, tmp_path):
    with pytest.raises(UserError, match="batch_size=0"):
        model.files(write_tone(tmp_path / "a.wav"), batch_size=0)


def test_an_unfinished_run_says_how_to_go_on(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "finished.json").unlink()
    with pytest.raises(UserError, match="did not finish"):
        ser.load(copy)


def test_load_is_there_and_ser_stays_light():
    code = "import sys, ser; print('load' in dir(ser), {'torch', 'numpy', 'rich', 'yaml'} & set(sys.modules)); ser.lod"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "True set()"
    assert "AttributeError: module 'ser' has no attribute 'lod'" in done.stderr
    assert callable(ser.load)


def test_long_recordings_go_in_fewer_at_a_time(model, tmp_path, monkeypatch):
    """Memory is bounded by padded samples, whatever the batch size says."""
    durations = [1.0, 0.2, 0.2, 0.2, 0.2, 1.0]
    files = [write_tone(tmp_path / f"{k}.wav", 150 + 30 * k, duration_s=each) for k, each in enumerate(durations)]
    bad = tmp_path / "bad.wav"
    bad.touch()
    monkeypatch.setattr(model, "_audio", replace(model._audio, duration_s=None, trim_db=None))
    expected, sizes = list(model.files(files)), []
    original = type(model)._logits
    monkeypatch.setattr(type(model), "_logits", lambda self, clips: sizes.append(len(clips)) or original(self, clips))
    monkeypatch.setattr(model, "_most_samples", 2 * model.sample_rate)
    answers = list(model.files([files[0], bad, *files[1:]]))
    assert answers.pop(1).error == "empty file"
    for found, before in zip(answers, expected, strict=True):
        assert_same(found.probabilities, before.probabilities)
    assert sizes == [2, 3, 1], "1 + 0.2 s, 3 × 0.2 s, 1 s: nowhere more than 2 s with the padding"


def test_the_run_s_padding_counts_too(model, tmp_path, monkeypatch):
    files = [write_tone(tmp_path / f"{k}.wav", duration_s=0.2) for k in range(3)]
    monkeypatch.setattr(model, "_audio", replace(model._audio, duration_s=1.0, trim_db=None))
    sizes, original = [], type(model)._logits
    monkeypatch.setattr(type(model), "_logits", lambda self, clips: sizes.append(len(clips)) or original(self, clips))
    monkeypatch.setattr(model, "_most_samples", 2 * model.sample_rate)
    assert len(list(model.files(files))) == 3 and sizes == [2, 1]


def test_a_clip_longer_than_the_run_s_is_cut_at_its_end(tmp_path, tiny_ravdess, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = ["audio.duration_s=0.5", "audio.trim_db=null", "trainer.max_epochs=1"]
    model = ser.load(trained_run(tmp_path / "runs", tiny_ravdess, *settings), device="cpu")
    samples, sample_rate = soundfile.read(write_tone(tmp_path / "a.wav", 200, duration_s=1.0), dtype="float32")
    whole, head = model(samples, sample_rate), model(samples[: sample_rate // 2], sample_rate)
    assert_same(whole.probabilities, head.probabilities)
    tail = model(samples[sample_rate // 2 :], sample_rate)
    assert distance(tail.probabilities, head.probabilities) > 1e-4


def test_memory_that_does_not_suffice_is_said(model, tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    monkeypatch.setattr(model._classifier, "forward", full)
    with pytest.raises(UserError, match="lower the batch size"):
        list(model.files(write_tone(tmp_path / "a.wav")))
