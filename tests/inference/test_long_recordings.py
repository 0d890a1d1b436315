"""Emotions along a recording: what its parts would get by themselves, for runs and ensembles, in constant memory."""

import csv
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ser
from ser.data.audio.blocks import read_blocks
from ser.errors import UserError
from ser.inference.ensemble_predictor import EnsemblePredictor
from ser.inference.long_recordings import TimelineSettings, stretches
from tests.inference.trained import trained_run
from tests.tiny_corpora import real_corpus, write_tone

CLIP_S, PAUSE_S = 1.2, 1.0


def join(target: Path, pieces: list[np.ndarray], rate: int, pause_s: float = PAUSE_S) -> list[tuple[float, float]]:
    """One recording of many, with pauses before and between them; seconds of each."""
    times, end = [], 0.0
    with soundfile.SoundFile(target, "w", rate, 1, "PCM_16") as file:
        for piece in pieces:
            file.write(np.zeros(int(pause_s * rate)))
            file.write(piece)
            times.append((end + pause_s, end + pause_s + len(piece) / rate))
            end = times[-1][1]
        file.write(np.zeros(int(pause_s * rate)))
    return times


@pytest.fixture
def interview(tmp_path) -> tuple[Path, list[tuple[float, float]], list[Path]]:
    """Six tones of different pitch with pauses between, and each by itself."""
    files = [write_tone(tmp_path / f"{k}.wav", 120 * 2 ** (k / 6), duration_s=CLIP_S) for k in range(6)]
    pieces = [soundfile.read(file)[0] for file in files]
    return tmp_path / "interview.wav", join(tmp_path / "interview.wav", pieces, 16000), files


def assert_near(found: dict[str, float], expected: dict[str, float], tolerance: float) -> None:
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), atol=tolerance)


def test_each_stretch_gets_what_it_would_get_as_a_recording(model, interview):
    path, times, _ = interview
    samples, rate = soundfile.read(path, dtype="float32")
    rows = model.timeline(path, vad="energy")
    for row, (start, end) in zip(rows, times, strict=True):
        assert start - 0.3 < row.start < start and end < row.end < end + 0.3
        alone = model(samples[round(row.start * rate) : round(row.end * rate)], rate)
        assert_near(row.probabilities, alone.probabilities, 1e-5)
        assert row.emotion == alone.emotion and row.probability == max(row.probabilities.values())


def test_without_pauses_a_short_recording_is_one_window(model, interview):
    _, _, files = interview
    (row,) = model.timeline(files[0], vad="none")
    assert_near(row.probabilities, next(model.files(files[0])).probabilities, 1e-5)
    assert (row.start, round(row.end, 2)) == (0.0, CLIP_S)


def test_blocks_and_rates_change_nothing(model, interview, tmp_path):
    path, _, _ = interview
    whole = model.timeline(path, vad="energy")
    for seconds in (0.1, 1.7):
        found = list(stretches(model, read_blocks(path, seconds=seconds), TimelineSettings(vad="energy")))
        assert [(row.start, row.end, row.emotion) for row in found] == [(r.start, r.end, r.emotion) for r in whole]
    samples, _ = soundfile.read(path)
    soundfile.write(tmp_path / "stereo.flac", np.stack([samples, samples], axis=1), 16000)
    for row, other in zip(model.timeline(tmp_path / "stereo.flac", vad="energy"), whole, strict=True):
        assert_near(row.probabilities, other.probabilities, 1e-4)


def test_hop_and_window_cut_long_speech(model, tmp_path):
    low, high = (soundfile.read(write_tone(tmp_path / f"{p}.wav", p, duration_s=6))[0] for p in (110, 380))
    soundfile.write(tmp_path / "long.wav", np.concatenate([low, high]), 16000)
    rows = model.timeline(tmp_path / "long.wav", hop_s=0.25, window_s=1.0, smooth_s=0, vad="none")
    assert rows[0].start == 0 and rows[-1].end == pytest.approx(12.0, abs=0.01)
    assert all(one.end == other.start and one.emotion != other.emotion for one, other in pairwise(rows))
    smooth = model.timeline(tmp_path / "long.wav", hop_s=0.25, window_s=1.0, smooth_s=100, vad="none")
    assert len(smooth) == 1, "the mean of all windows is the same everywhere"


def test_only_unsure_and_calibrated_compose(run, interview):
    path, _, _ = interview
    plain = ser.load(run, device="cpu").timeline(path, vad="energy")
    chosen = ser.load(run, device="cpu", calibrated=True, only=["angry", "happy", "sad"], unsure_below=1.0)
    temperature = json.loads((run / "metrics.json").read_text())["temperature"]
    for row, before in zip(chosen.timeline(path, vad="energy"), plain, strict=True):
        powers = {name: before.probabilities[name] ** (1 / temperature) for name in chosen.classes}
        total = sum(powers.values())
        assert row.emotion == "unsure" and set(row.probabilities) == {"angry", "happy", "sad"}
        assert_near(row.probabilities, {name: power / total for name, power in powers.items()}, 1e-9)


def test_an_ensemble_has_timelines_of_its_own(model, run, tiny_ravdess, interview, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["frontend=mfcc", "audio.sample_rate=8000", "audio.duration_s=1", "evaluation.views={speeds:[1.0,1.1]}"]
    other = ser.load(trained_run(tmp_path / "runs", tiny_ravdess, *words), device="cpu")
    both = EnsemblePredictor([other, model], only=["angry", "calm", "sad"])
    path, _, files = interview
    assert both.sample_rate == 16000 and both.clip_s == model.clip_s
    rows = both.timeline(path, vad="energy")
    samples, rate = soundfile.read(path, dtype="float32")
    assert len(rows) == len(files) and sorted(both.classes) == ["angry", "calm", "sad"]
    for row in rows:
        alone = both(samples[round(row.start * rate) : round(row.end * rate)], rate)
        assert_near(row.probabilities, alone.probabilities, 1e-5)
    single = EnsemblePredictor([other]).timeline(path, vad="energy", views=False)
    assert single != EnsemblePredictor([other]).timeline(path, vad="energy"), "views are used unless told otherwise"


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"hop_s": 0.01}, "hop=0.01"), ({"hop_s": 9.0}, "hop=9"), ({"window_s": 0.1}, "window=0.1"),
     ({"smooth_s": -1.0}, "smooth=-1"), ({"vad": "loud"}, "vad=loud does not exist")],
)  # fmt: skip
def test_settings_out_of_range_say_so(model, interview, settings, words):
    with pytest.raises(UserError, match=words):
        model.timeline(interview[0], **settings)


def test_files_that_cannot_be_used_say_why(model, tmp_path):
    (tmp_path / "text.wav").write_text("this is no audio")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    long = write_tone(tmp_path / "cut.wav", duration_s=2)
    long.write_bytes(long.read_bytes()[:-5000])
    reasons = {"text": "text in place", "silent": "no speech was found", "cut": "truncated", "absent": "no such file"}
    for name, words in reasons.items():
        with pytest.raises(UserError, match=words) as raised:
            model.timeline(tmp_path / f"{name}.wav")
        assert "\n" not in str(raised.value)


def test_a_run_whose_clips_are_too_long_for_a_stream(run, interview, monkeypatch):
    model = ser.load(run, device="cpu")
    monkeypatch.setattr(type(model), "clip_s", 120.0)
    with pytest.raises(UserError, match="cannot be cut from a stream"):
        model.timeline(interview[0])
    assert model.timeline(interview[0], window_s=3.0, vad="energy")


MEASURE = """
import resource, sys, time
from ser import load

model = load(sys.argv[1], device="cpu")
start = time.process_time()
rows = model.timeline(sys.argv[2])
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(len(rows), time.process_time() - start, used)
"""


def measured(run: Path, recording: Path) -> tuple[int, float, float]:
    """Stretches, seconds of processor time, and the most memory in MiB, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", MEASURE, run, recording], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, seconds, memory = done.stdout.split()
    return int(count), float(seconds), float(memory)


@pytest.mark.slow
@pytest.mark.corpus
def test_half_an_hour_of_real_speech(tmp_path, monkeypatch):
    """Of speakers that the run has not seen: as right as it is of clips, in little time, and in the same memory."""
    pytest.importorskip("silero_vad")
    monkeypatch.chdir(tmp_path)
    root = real_corpus("ravdess")
    words = ["experiment=ravdess_mlp", "split.fold=2", "trainer.max_epochs=20"]
    run = trained_run(tmp_path / "runs", root, *words, "model=mlp", "split=emobox")
    with (run / "predictions.csv").open(newline="") as file:
        test = list(csv.DictReader(file))
    clip_level = np.mean([row["true"] == row["predicted"] for row in test])
    order = np.concatenate([np.random.default_rng(k).permutation(len(test)) for k in range(5)])
    pieces, rate, length = [], 0, 0.0
    for i in order:
        samples, rate = soundfile.read(root / test[i]["path"], always_2d=True)
        pieces.append(samples.mean(axis=1))
        length += len(samples) / rate
        if length > 1800:
            break
    times = join(tmp_path / "long.wav", pieces, rate, pause_s=0.0)
    tenth = len(pieces) // 6
    join(tmp_path / "ten.wav", pieces[:tenth], rate, pause_s=0.0)

    rows = ser.load(run, device="cpu").timeline(tmp_path / "long.wav")
    starts = np.array([start for start, _ in times])
    true = [test[i]["true"] for i in order]
    right = [row.emotion == true[starts.searchsorted((row.start + row.end) / 2) - 1] for row in rows]
    print(f"clips {clip_level:.3f}, stretches {np.mean(right):.3f} of {len(rows)}")
    assert len(rows) > 0.95 * len(pieces) and abs(np.mean(right) - clip_level) < 0.06

    _, _, memory_of_ten = measured(run, tmp_path / "ten.wav")
    count, seconds, memory = measured(run, tmp_path / "long.wav")
    print(f"{seconds:.1f} s of processor time, {memory_of_ten:.0f} MiB for ten minutes, {memory:.0f} MiB for an hour")
    assert count == len(rows) and seconds < 120 and memory < memory_of_ten + 60
