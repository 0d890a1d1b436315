"""A folder of the user's sounds: found, named by content, decoded once, and every way in which it can be wrong."""

import shutil

import numpy as np
import pytest
import soundfile

from ser.data.corpora.sound_folder import find_sounds
from ser.errors import UserError
from tests.tiny_corpora import write_tone

WHERE = "augmentation.waveform.0.folder"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "my sounds é"
    write_tone(place / "b.wav", 200, sample_rate=48000)
    write_tone(place / "deep" / "a.WAV", 300)
    write_tone(place / "c.flac", 250, channels=2)
    (place / "readme.txt").write_text("not a sound")
    (place / "._b.wav").write_bytes(b"macOS")
    return place


def found(folder, tmp_path):
    return find_sounds(folder, WHERE, tmp_path / "cache")


def test_recordings_are_found_in_subfolders_and_the_rest_is_passed_over(folder, tmp_path):
    write_tone(folder / "@eaDir" / "d.wav")
    (folder / "deep" / "again").symlink_to(folder)
    sounds = found(folder, tmp_path)
    assert {path.name for path in sounds.paths} == {"b.wav", "a.WAV", "c.flac"}
    assert list(sounds.hashes) == sorted(sounds.hashes)


def test_they_are_decoded_at_the_runs_rate_untrimmed_and_kept(folder, tmp_path, monkeypatch):
    sounds = found(folder, tmp_path)
    waveforms = sounds.decode(8000, tmp_path / "cache")
    assert len(waveforms) == 3 and waveforms.lengths.tolist() == [3200] * 3
    place = [path.name for path in sounds.paths].index("b.wav")
    samples, _ = soundfile.read(folder / "b.wav")
    assert np.sqrt((waveforms[place] ** 2).mean()) == pytest.approx(np.sqrt((samples**2).mean()), rel=0.02)
    monkeypatch.setattr("ser.data.store.waveforms.load_with_hash", lambda *args: pytest.fail("decoded a second time"))
    again = found(folder, tmp_path).decode(8000, tmp_path / "cache")
    assert np.array_equal(again[0], waveforms[0])


def test_contents_make_the_fingerprint_and_names_do_not(folder, tmp_path):
    before = found(folder, tmp_path)
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    (moved / "b.wav").rename(moved / "z.wav")
    after = found(moved, tmp_path)
    assert after.fingerprint() == before.fingerprint() and after.hashes == before.hashes
    write_tone(moved / "new.wav", 500)
    assert found(moved, tmp_path).fingerprint() != before.fingerprint()


@pytest.mark.parametrize("kind", ["missing", "empty", "file", "no_audio"])
def test_a_folder_without_recordings_is_named(tmp_path, kind):
    place = tmp_path / "noises"
    if kind == "file":
        place.write_text("x")
    elif kind != "missing":
        place.mkdir()
        if kind == "no_audio":
            (place / "x.txt").write_text("x")
    words = {"missing": "does not exist", "file": "is a file, not a folder"}.get(kind, "holds no recordings")
    with pytest.raises(UserError, match=words) as error:
        found(place, tmp_path)
    assert str(error.value).startswith(f"{WHERE}: {place}") and "WAV" in str(error.value)


def test_recordings_that_cannot_be_used_are_named_with_the_reason(folder, tmp_path):
    (folder / "broken.wav").write_bytes(b"RIFF")
    soundfile.write(folder / "silent.wav", np.zeros(4000), 16000)
    with pytest.raises(UserError, match="2 of 5 recordings cannot be used") as error:
        found(folder, tmp_path).decode(16000, tmp_path / "cache")
    assert "broken.wav: not readable" in str(error.value) and "silent.wav: silent" in str(error.value)


def test_a_home_folder_is_understood(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(found("~/my sounds é", tmp_path).paths) == 3
