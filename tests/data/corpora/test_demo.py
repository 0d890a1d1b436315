"""The synthetic corpus: its grammar, its determinism, and that it is written whole or not at all."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from ser.data.corpora import demo
from ser.data.corpora.demo import Demo, write_demo
from ser.data.corpora.demo_speakers import codes, utter
from ser.data.corpora.ravdess import Ravdess
from ser.errors import UserError
from ser.system.cache import cache_folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo-v1"
    write_demo(folder)
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Writes one short file an actor: for what does not depend on the samples."""

    def write_actor(folder, actor):
        folder.mkdir()
        (folder / f"03-01-01-01-01-01-{actor:02}.wav").write_bytes(b"sound")

    monkeypatch.setattr(demo, "_write_actor", write_actor)
    monkeypatch.setattr(demo, "NUM_RECORDINGS", len(demo.ACTORS))


def test_it_is_a_ravdess_of_ten_speakers(root):
    utterances = Demo(str(root)).scan().utterances
    counts = Counter(utterance.emotion for utterance in utterances)
    assert counts.pop("neutral") == 40 and set(counts.values()) == {80} and len(counts) == 7
    assert Counter(u.gender for u in utterances) == {"male": 300, "female": 300}
    assert set(Counter(u.speaker for u in utterances).values()) == {60} and utterances[0].speaker == "demo_01"
    assert {u.intensity for u in utterances if u.emotion == "neutral"} == {"normal"}
    assert [u.key for u in utterances] == [u.key for u in Ravdess(str(root)).scan().utterances]


def test_files_are_plain_wav_of_speech_length(root):
    infos = [soundfile.info(file) for file in sorted(root.glob("Actor_0[12]/*.wav"))]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(16000, 1, "PCM_16")}
    assert all(0.8 < info.duration < 1.8 for info in infos)


def test_samples_are_sound_within_full_scale(root):
    for file in sorted(root.glob("Actor_*/03-01-05-02-*.wav")):
        samples, _ = soundfile.read(file)
        assert 0.05 < np.abs(samples).max() < 1.0


def test_each_recording_is_a_function_of_its_name(root):
    first, *_, last = codes()
    for actor, code in ((1, first), (10, last)):
        name = "-".join(f"{number:02}" for number in (3, 1, *code, actor))
        samples, _ = soundfile.read(root / f"Actor_{actor:02}" / f"{name}.wav", dtype="int16")
        np.testing.assert_array_equal(samples, np.round(utter(actor, *code) * 32767).astype(np.int16))
    assert not np.array_equal(utter(1, *first)[:4000], utter(3, *first)[:4000])


def test_pitch_of_women_is_higher():
    def pitch(actor):
        waveform = utter(actor, 1, 1, 1, 1)
        correlation = np.fft.irfft(np.abs(np.fft.rfft(waveform, 2 * len(waveform))) ** 2)
        return 16000 / (40 + np.argmax(correlation[40:200]))  # the strongest lag between 80 and 400 Hz

    men, women = ([pitch(actor) for actor in range(start, 11, 2)] for start in (1, 2))
    assert np.median(women) > 1.4 * np.median(men)


def test_by_default_it_lies_in_the_cache_and_is_written_once(tmp_path, monkeypatch, quick):
    monkeypatch.setenv("SER_CACHE", str(tmp_path))
    Demo().scan()
    written = tmp_path / "demo-v1"
    before = written.stat().st_mtime_ns
    assert Demo().scan().utterances[0].path.parent.parent == written
    assert written.stat().st_mtime_ns == before and os.listdir(tmp_path) == ["demo-v1"]


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SER_CACHE", "~/c")
    assert cache_folder() == tmp_path / "c"
    monkeypatch.delenv("SER_CACHE")
    assert cache_folder().is_absolute() and cache_folder().name == "ser"


def test_a_chosen_empty_root_is_filled(tmp_path, quick):
    assert len(Demo(str(tmp_path)).scan().utterances) == 10


def test_what_a_broken_off_writer_leaves_is_never_used(tmp_path, monkeypatch, quick):
    def stopped(folder, actor, write=demo._write_actor):
        if actor == 5:
            raise KeyboardInterrupt
        write(folder, actor)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(demo, "_write_actor", stopped)
        write_demo(tmp_path / "demo-v1")
    assert os.listdir(tmp_path) == []
    (tmp_path / ".demo-v1-killed").mkdir()  # a killed process cannot clear up
    assert len(Demo(str(tmp_path / "demo-v1")).scan().utterances) == 10


def test_two_writers_at_once_are_safe(tmp_path, quick):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_demo, [tmp_path / "demo-v1"] * 4))
    assert os.listdir(tmp_path) == ["demo-v1"]
    assert len(Demo(str(tmp_path / "demo-v1")).scan().utterances) == 10


def test_a_full_or_forbidden_disk_is_told(tmp_path, monkeypatch, quick):
    def full(folder, actor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "_write_actor", full)
    with pytest.raises(UserError, match="No space left on device.*SER_CACHE"):
        Demo(str(tmp_path / "demo-v1")).scan()
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write the demo corpus"):
        Demo(str(tmp_path / "file" / "demo-v1")).scan()


def test_missing_recordings_are_told(tmp_path, quick):
    folder = tmp_path / "demo-v1"
    write_demo(folder)
    (folder / "Actor_03" / "03-01-01-01-01-01-03.wav").unlink()
    with pytest.raises(UserError, match="has 9 of its 10 recordings. Delete"):
        Demo(str(folder)).scan()
