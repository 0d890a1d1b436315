"""RAVDESS: grammar, channels, copies, missing roots."""

import os
import shutil
from collections import Counter

import pytest
import soundfile

from ser.data.corpora.corpus import Corpus
from ser.data.corpora.ravdess import Ravdess
from ser.data.duplicates import same_recording
from ser.errors import UserError
from ser.instantiate import build
from tests.tiny_corpora import ravdess_name, real_corpus, write_tiny_ravdess, write_tone


@pytest.fixture
def root(tmp_path):
    return write_tiny_ravdess(tmp_path / "ravdess", actors=(1, 2), song=True, films=True)


def test_every_field_of_the_grammar(tmp_path):
    write_tone(tmp_path / "Actor_12" / "03-01-06-02-02-01-12.WAV")
    (utterance,) = Ravdess(str(tmp_path)).scan().utterances
    assert utterance.path == tmp_path / "Actor_12" / "03-01-06-02-02-01-12.WAV"
    assert utterance.key == "Actor_12/03-01-06-02-02-01-12.WAV"
    assert (utterance.emotion, utterance.speaker, utterance.gender) == ("fearful", "ravdess_12", "female")
    assert (utterance.intensity, utterance.statement, utterance.repetition) == ("strong", "dogs", 1)
    assert (utterance.corpus, utterance.word, utterance.part) == ("ravdess", None, None)


def test_odd_actors_are_male(root):
    genders = {(utterance.speaker, utterance.gender) for utterance in Ravdess(str(root)).scan().utterances}
    assert genders == {("ravdess_01", "male"), ("ravdess_02", "female")}


@pytest.mark.parametrize(("channel", "count"), [("speech", 32), ("song", 12), ("both", 44)])
def test_vocal_channel(root, channel, count):
    scan = Ravdess(str(root), vocal_channel=channel).scan()
    assert len(scan.utterances) == count
    assert [u.key for u in scan.utterances] == sorted(u.key for u in scan.utterances)


def test_films_are_passed_over_and_their_sound_is_noted(root):
    scan = Ravdess(str(root), "both").scan()
    assert all(utterance.path.name.startswith("03-") for utterance in scan.utterances)
    assert len(scan.notes) == 1 and scan.notes[0].startswith("2 audio files skipped (sound of a film")


def test_unknown_vocal_channel_names_the_nearest():
    with pytest.raises(UserError, match="vocal_channel=speach must be speech, song or both. Did you mean 'speech'"):
        build({"_target_": "ser.data.corpora.ravdess.Ravdess", "root": "x", "vocal_channel": "speach"}, "dataset")


def test_song_only_where_there_is_only_speech_says_so(tmp_path):
    write_tiny_ravdess(tmp_path, actors=[3])
    with pytest.raises(UserError, match=r"16 audio files skipped \(speech, and vocal_channel is song\)"):
        Ravdess(str(tmp_path), "song").scan()


@pytest.mark.parametrize(
    "stem",
    [
        "03-01-09-01-01-01-01",
        "03-01-05-01-01-01-25",
        "03-01-05-01-01-01-00",
        "03-01-05-01-01-01",
        "take 3",
        "3-1-5-1-1-1-1",
    ],
)
def test_other_audio_is_counted_and_named(root, stem):
    write_tone(root / "Actor_01" / f"{stem}.wav")
    (root / "Actor_01" / "._03-01-05-01-01-01-01.wav").write_bytes(b"macOS")
    (root / "readme.txt").write_text("no audio")
    scan = Ravdess(str(root)).scan()
    assert len(scan.utterances) == 32
    assert any(note.startswith("1 audio file skipped (the name") and f"{stem}.wav" in note for note in scan.notes)


def test_kaggle_copies_are_used_once(tmp_path):
    root = write_tiny_ravdess(tmp_path / "ravdess", actors=(1, 2), kaggle_copy=True)
    scan = Ravdess(str(root)).scan()
    assert len(scan.utterances) == 32
    assert scan.notes == ("32 second copies skipped",)
    assert all(utterance.key.startswith("Actor_") for utterance in scan.utterances)  # the shallower path


def test_a_flac_of_a_wav_is_a_copy(tmp_path):
    wav = write_tone(tmp_path / "Actor_01" / ravdess_name(5, 1), channels=2)
    samples, sample_rate = soundfile.read(wav, dtype="int16")
    flac = tmp_path / "flac" / "Actor_01" / wav.with_suffix(".flac").name
    flac.parent.mkdir(parents=True)
    soundfile.write(flac, samples, sample_rate)
    scan = Ravdess(str(tmp_path)).scan()
    assert [utterance.path for utterance in scan.utterances] == [wav]
    soundfile.write(flac, samples[:-1], sample_rate)
    assert not same_recording(wav, flac)


def test_two_recordings_with_one_name_are_an_error(tmp_path):
    first = write_tone(tmp_path / "Actor_01" / ravdess_name(5, 1), pitch=100)
    second = write_tone(tmp_path / "old" / "Actor_01" / ravdess_name(5, 1), pitch=200)
    with pytest.raises(UserError) as error:
        Ravdess(str(tmp_path)).scan()
    assert str(first) in str(error.value) and str(second) in str(error.value)


@pytest.mark.parametrize("sound", ["Actor_01", "again/Actor_01"])
@pytest.mark.parametrize("damage", ["cut off", "empty", "silent", "link", "pipe"])
def test_of_two_copies_a_damaged_one_is_left_out_and_named(tmp_path, sound, damage):
    """Whichever lies nearer to the root; the scan says why, the run stops or leaves it out (`test_recordings`)."""
    copies = {folder: tmp_path / folder / ravdess_name(5, 1) for folder in ("Actor_01", "again/Actor_01")}
    for path in copies.values():
        write_tone(path)
    kept = copies.pop(sound)
    (bad,) = copies.values()
    content = bad.read_bytes()
    bad.unlink()
    if damage == "link":
        bad.symlink_to("nowhere.wav")
    elif damage == "pipe":
        os.mkfifo(bad)
    elif damage == "silent":
        soundfile.write(bad, [0.0] * 4000, 16000)
    else:
        bad.write_bytes(content[: len(content) // 2] if damage == "cut off" else b"")
    scan = Ravdess(str(tmp_path)).scan()
    assert [utterance.path for utterance in scan.utterances] == [kept] and not scan.notes
    words = {"cut off": "truncated", "empty": "empty file", "link": "link", "pipe": "not a regular file"}
    assert scan.damaged[bad][0] == kept and words.get(damage, damage) in scan.damaged[bad][1]


def test_of_broken_files_of_one_name_each_is_told(tmp_path):
    for folder, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ravdess_name(5, 1)).write_bytes(content)
    scan = Ravdess(str(tmp_path)).scan()
    assert [path.parent.name for path in scan.damaged] == ["c"]
    assert [utterance.path.parent.name for utterance in scan.utterances] == ["a"], "decoding it will tell"


def test_equal_samples_under_two_names_are_two_recordings(tmp_path):
    take = write_tone(tmp_path / ravdess_name(3, 7))
    shutil.copy(take, tmp_path / ravdess_name(3, 7, repetition=2))
    assert len(Ravdess(str(tmp_path)).scan().utterances) == 2


def test_missing_root_says_where_what_and_how(tmp_path):
    with pytest.raises(UserError) as error:
        Ravdess(str(tmp_path / "nowhere")).scan()
    for part in (str(tmp_path / "nowhere"), "Actor_01", "10.5281/zenodo.1188976", "208 MB", "1440", "1012", "BY-NC-SA"):
        assert part in str(error.value)


def test_near_roots_are_hinted_at(tmp_path):
    write_tiny_ravdess(tmp_path / "RAVDESS", actors=[1], emotions=[1])
    with pytest.raises(UserError, match=f"dataset.root={tmp_path / 'RAVDESS'}"):
        Ravdess(str(tmp_path / "ravdess")).scan()
    with pytest.raises(UserError, match=f"if that is the corpus, set dataset.root={tmp_path / 'RAVDESS'}"):
        Ravdess(str(tmp_path / "RAVDESS" / "ravdess")).scan()


def test_an_archive_is_not_a_folder(tmp_path):
    (tmp_path / "speech.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="is a file, not a folder"):
        Ravdess(str(tmp_path / "speech.zip")).scan()


def test_an_empty_folder_has_no_recordings(tmp_path):
    with pytest.raises(UserError, match="No ravdess recordings under"):
        Ravdess(str(tmp_path)).scan()


def test_the_parent_of_the_corpus_means_the_corpus(tmp_path, root):
    write_tone(tmp_path / "tess" / "OAF_angry" / "OAF_back_angry.wav")
    assert Ravdess(str(tmp_path)).scan() == Ravdess(str(root)).scan()


def test_relative_and_home_roots(tmp_path, root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Ravdess("ravdess").scan() == Ravdess("~/ravdess").scan() == Ravdess(str(root)).scan()


def test_an_empty_root_is_an_error():
    with pytest.raises(UserError, match="dataset.root is empty"):
        Ravdess("")


def test_a_link_that_leads_back_ends(tmp_path, root):
    (root / "Actor_01" / "loop").symlink_to(root)
    (tmp_path / "linked").symlink_to(root)
    assert len(Ravdess(str(root)).scan().utterances) == 32
    assert len(Ravdess(str(tmp_path / "linked")).scan().utterances) == 32


def test_the_whole_contract(root):
    assert isinstance(Ravdess(str(root)), Corpus)
    assert len(set(Ravdess.emotions.values())) == 8


@pytest.mark.corpus
def test_the_real_corpus():
    scan = Ravdess(str(real_corpus("ravdess"))).scan()
    counts = Counter(utterance.emotion for utterance in scan.utterances)
    assert len(scan.utterances) == 1440 and not scan.notes
    assert counts.pop("neutral") == 96 and set(counts.values()) == {192} and len(counts) == 7
    assert set(Counter(utterance.speaker for utterance in scan.utterances).values()) == {60}
    speakers = {utterance.speaker: utterance.gender for utterance in scan.utterances}
    assert Counter(speakers.values()) == {"male": 12, "female": 12}
