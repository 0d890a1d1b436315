"""`ser export`: one file that gives the checkpoint's probabilities anywhere, with what its user has to know."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import ser as package
from tests.conftest import REPO
from tests.inference.trained import trained_run
from tests.inference.untrained import side_by_side, voices
from tests.parts import needs

onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'ser[export]'")


@pytest.fixture(scope="module")
def viewed(tmp_path_factory, tiny_ravdess) -> Path:
    """A run with views at other speeds, level and another frontend."""
    folder = tmp_path_factory.mktemp("viewed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return trained_run(
            folder / "runs", tiny_ravdess, "frontend=time_stats", "audio.level=rms", "audio.duration_s=0.3",
            "augmentation=none", "evaluation.views={speeds: [1.0, 1.1], crops: 2}", "run.name=mine",
        )  # fmt: skip


def expected(run: Path, waveforms) -> np.ndarray:
    model = package.load(run, device="cpu", calibrated=True)
    return np.array([list(model(waveform, 16_000).probabilities.values()) for waveform in waveforms])


def session_of(file: Path):
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def assert_gives(network, run: Path) -> None:
    """Of any batch and any length the checkpoint's probabilities, and NaN for silence."""
    right, clips = expected(run, voices(16_000)), voices(16_000)
    assert np.ptp(right, axis=0).max() > 1e-2
    np.testing.assert_allclose(network(side_by_side(clips)), right, atol=1e-5, rtol=0)
    for clip, row in zip(clips[:2], right, strict=False):
        np.testing.assert_allclose(network(clip[None]), row[None], atol=1e-5, rtol=0)
    assert np.isnan(network(np.zeros((2, 9000), np.float32))).all()


def test_onnx_with_metadata_and_card(ser, in_tmp, run):
    code, out, err = ser("export", str(run))
    assert code == 0, err
    file, card = in_tmp / f"{run.name}.onnx", in_tmp / f"{run.name}.onnx.md"
    assert {path.name for path in in_tmp.iterdir()} == {file.name, card.name}
    assert re.search(r"Checked on \d+ of the \d+ test recordings: probabilities within \S+ of the checkpoint's", out)
    session = session_of(file)
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, made.name, made.shape[0]) == (
        "waveform", ["batch", "samples"], "probabilities", "batch",
    )  # fmt: skip
    assert_gives(lambda waveforms: session.run(None, {"waveform": waveforms})[0], run)
    facts = session.get_modelmeta().custom_metadata_map
    metrics = json.loads((run / "metrics.json").read_text())
    assert json.loads(facts["labels"]) == list(package.load(run, device="cpu").classes)
    assert facts["sample_rate"] == "16000" and json.loads(facts["metrics"]) == metrics
    assert facts["temperature"] == f"{metrics['temperature']:g}" and "CC BY-NC-SA 4.0" in facts["licence"]
    assert facts["identity"] == json.loads((run / "run.json").read_text())["identity"]
    text = card.read_text(encoding="utf-8")
    for words in ("CC BY-NC-SA", f"{metrics['test/uar']:.3f}", "gender female", "Not to be used", facts["caller"]):
        assert words in text
    content = file.read_bytes()
    assert str(REPO).encode() not in content and str(run.parent).encode() not in content  # no folders of ours


@pytest.mark.slow
def test_torch_with_metadata(ser, in_tmp, viewed):
    assert ser("export", str(viewed), "--output", "emotion.pt2")[0] == 0
    extra = {"metadata.json": ""}
    network = torch.export.load(in_tmp / "emotion.pt2", extra_files=extra).module()
    assert_gives(lambda waveforms: network(torch.from_numpy(waveforms)).numpy(), viewed)
    assert json.loads(extra["metadata.json"])["sample_rate"] == "16000"
    assert str(REPO).encode() not in (in_tmp / "emotion.pt2").read_bytes()


@pytest.mark.slow
def test_without_the_corpus_synthetic_voices_take_its_place_and_that_is_said(ser, in_tmp, viewed):
    moved = in_tmp / "moved"
    shutil.copytree(viewed, moved)
    config = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(re.sub(r"(?m)^(  root: ).*$", r"\1/nowhere", config))
    code, out, err = ser("export", str(moved), "--format", "torch")
    assert code == 0, err
    assert "synthetic voices, since the run's own recordings are not there" in out
    assert "synthetic voices" in (in_tmp / "moved.pt2.md").read_text()


@pytest.mark.slow
def test_a_frozen_pretrained_model_reads_its_weights_before_it_is_traced(ser, in_tmp, tiny_ravdess):
    words = needs("frontend", "wav2vec2", in_tmp)
    pretrained = trained_run(in_tmp / "runs", tiny_ravdess, "frontend=wav2vec2", *words, "audio.duration_s=0.5")
    code, out, err = ser("export", str(pretrained), "--output", "frozen.onnx")
    assert code == 0 and "Checked on" in out + err


@pytest.mark.slow
def test_an_ensemble_is_one_file(ser, in_tmp, run, tiny_ravdess):
    other = trained_run(in_tmp / "runs", tiny_ravdess, "frontend=log_mel", "seed=1", "split.seed=0")
    assert ser("ensemble", str(run), str(other), "--dir", "both")[0] == 0
    (ensemble,) = [path for path in (in_tmp / "both").iterdir() if path.is_dir()]
    code, out, err = ser("export", str(ensemble), "--output", "both.onnx")
    assert code == 0, err
    session = session_of(in_tmp / "both.onnx")
    clips = voices(16_000)
    found = session.run(None, {"waveform": side_by_side(clips)})[0]
    np.testing.assert_allclose(found, expected(ensemble, clips), atol=1e-5, rtol=0)
    assert session.get_modelmeta().custom_metadata_map["members"] == "2"


MISTAKES = {
    "nothing": ([], "Name a run"),
    "no such run": (["nowhere"], "There is no folder"),
    "unknown format": (["{run}", "--format", "onxx"], "There is no format 'onxx'. Did you mean 'onnx'?"),
    "no folder for the file": (["{run}", "--output", "absent/a.onnx"], "there is no folder absent"),
    "a folder": (["{run}", "--output", "."], "name a file, not a folder"),
    "a suffix of nothing": (["{run}", "--output", "a.tflite"], "the suffix selects the format"),
    "a suffix of the other": (["{run}", "--output", "a.onnx", "--format", "torch"], "use .pt2"),
    "a checkpoint": (["{run}/checkpoints/best.ckpt"], "name the directory of a finished run"),
    "a misspelt option": (["{run}", "--fromat", "onnx"], "Did you mean '--format'?"),
    "two runs": (["{run}", "other"], "has no argument 'other'"),
}


@pytest.mark.parametrize(("words", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_sentence(ser, in_tmp, run, words, sentence):
    assert_refused(ser("export", *(word.format(run=run) for word in words)), sentence, in_tmp)


def assert_refused(result, sentence: str, folder: Path) -> None:
    """Exit code 2, one sentence, and nothing is left in the folder."""
    code, out, err = result
    (line,) = [line for line in err.splitlines() if not line.startswith("Exporting")]
    assert code == 2 and sentence in line and not out
    assert not list(folder.iterdir())


def test_an_unfinished_run_is_refused(ser, tmp_path, in_tmp, run):
    unfinished = tmp_path.parent / f"{tmp_path.name} unfinished"
    shutil.copytree(run, unfinished)
    (unfinished / "finished.json").unlink()
    assert_refused(ser("export", str(unfinished)), "did not finish", in_tmp)


def test_a_missing_package_is_named_with_its_extra(ser, in_tmp, run, monkeypatch):
    from ser.inference import exported_formats

    monkeypatch.setattr(exported_formats, "find_spec", lambda name: None if name == "onnxscript" else name)
    sentence = "Exporting to onnx needs onnxscript: pip install 'ser[export]'"
    assert_refused(ser("export", str(run), "--output", "a.onnx"), sentence, in_tmp)


@pytest.fixture
def quickly(monkeypatch):
    """The network itself in place of its file: what is around it is the same."""
    from ser.inference import export, exported_formats

    form = exported_formats.Format(".pt2", (), lambda network, facts: b"a network", lambda content: opened["network"])
    opened = {}

    def program_of(network):
        opened["network"] = lambda waveforms: network(torch.from_numpy(waveforms)).numpy()
        return network

    monkeypatch.setattr(export, "program_of", program_of)
    monkeypatch.setitem(exported_formats.FORMATS, "torch", form)
    return opened


@pytest.mark.parametrize("full_from", [0, 1])
def test_a_full_disk_leaves_nothing_and_the_earlier_file(ser, in_tmp, run, quickly, monkeypatch, full_from):
    written = []

    def full(descriptor):
        written.append(descriptor)
        if len(written) > full_from:
            raise OSError(errno.ENOSPC, "No space left on device")

    (in_tmp / "a.pt2").write_bytes(b"earlier")
    with monkeypatch.context() as patch:
        patch.setattr("ser.system.files.os.fsync", full)
        code, _, err = ser("export", str(run), "--output", "a.pt2")
    assert code == 2 and "the disk is full" in err
    assert [path.name for path in in_tmp.iterdir()] == ["a.pt2"] and (in_tmp / "a.pt2").read_bytes() == b"earlier"
    assert ser("export", str(run), "--output", "a.pt2")[0] == 0
    assert (in_tmp / "a.pt2").read_bytes() == b"a network"


def test_a_file_that_differs_from_the_checkpoint_is_not_written(ser, in_tmp, run, quickly, monkeypatch):
    from ser.inference import exported_formats

    form = exported_formats.FORMATS["torch"]
    off = exported_formats.Format(
        ".pt2", (), form.save, lambda content: lambda waveforms: quickly["network"](waveforms) + np.float32(2e-4)
    )
    monkeypatch.setitem(exported_formats.FORMATS, "torch", off)
    result = ser("export", str(run), "--format", "torch")
    assert_refused(result, "differs from the checkpoint", in_tmp)
    assert "0.0002" in result[2]


@pytest.mark.slow
def test_the_script_of_the_page_runs_without_torch(ser, in_tmp, viewed, tiny_ravdess):
    page = (REPO / "docs" / "export.md").read_text(encoding="utf-8")
    (script,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "sys.argv" in block]
    assert len(script.splitlines()) <= 17
    (in_tmp / "emotion.py").write_text(script)
    python = environment_without_torch(in_tmp / "venv")
    assert ser("export", str(viewed), "--output", "emotion.onnx")[0] == 0
    found = sorted(tiny_ravdess.rglob("*.wav"))[:3]
    samples, rate = soundfile.read(found[0], always_2d=True)
    soundfile.write(in_tmp / "stereo.wav", samples.repeat(2, axis=1), rate)
    soundfile.write(in_tmp / "silent.wav", np.zeros(8000), 16_000)
    done = subprocess.run(
        [python, "emotion.py", "emotion.onnx", *map(str, found), "stereo.wav", "silent.wav"],
        capture_output=True, text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = package.load(viewed, device="cpu", calibrated=True)
    answers = list(model.files([*found, in_tmp / "stereo.wav"]))
    *lines, silent = done.stdout.splitlines()
    assert silent.startswith("silent.wav none ")
    for line, answer in zip(lines, answers, strict=True):
        shares = dict(pair.split("=") for pair in line.split(" ")[-len(model.classes) :])
        for name, share in answer.probabilities.items():
            assert abs(float(shares[name]) - share) < 0.02  # its resampling is another than soxr's
        assert line.split(" ")[-len(model.classes) - 1] == answer.emotion


def environment_without_torch(folder: Path) -> Path:
    """A Python with onnxruntime, NumPy and soundfile only; the test is skipped, visibly, where it cannot be made."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "onnxruntime", "numpy", "soundfile"], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"onnxruntime, numpy and soundfile cannot be installed here: {done.stderr.strip()[-200:]}")
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode != 0
    return python


def test_help_names_every_option(ser):
    code, out, _ = ser("export", "--help")
    assert code == 0 and all(option in out for option in ("--format", "--output", "--trust", "ser[export]"))
