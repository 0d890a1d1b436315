"""Both corpora in one space of labels."""

from collections import Counter

import pytest

from ser.data.corpora.ravdess_tess import RavdessTess
from ser.errors import UserError
from ser.instantiate import build
from tests.tiny_corpora import real_corpus, write_tiny_ravdess, write_tiny_tess


@pytest.fixture
def root(tmp_path):
    write_tiny_ravdess(tmp_path / "ravdess", actors=(1, 2), song=True)
    write_tiny_tess(tmp_path / "tess")
    return tmp_path


def test_one_space_of_labels(root):
    scan = RavdessTess(str(root)).scan()
    counts = Counter(utterance.emotion for utterance in scan.utterances)
    assert counts == {"calm": 4} | dict.fromkeys(
        ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 4 + 6
    )


def test_keys_and_speakers_say_where_they_come_from(root):
    utterances = RavdessTess(str(root)).scan().utterances
    assert {(u.key.split("/")[0], u.corpus, u.speaker.split("_")[0]) for u in utterances} == {
        ("ravdess", "ravdess", "ravdess"),
        ("tess", "tess", "tess"),
    }
    assert [u.key for u in utterances] == sorted(u.key for u in utterances)
    assert all(root / u.key == u.path for u in utterances)


@pytest.mark.parametrize(
    ("calm", "calm_count", "neutral_count"), [("keep", 4, 10), ("drop", 0, 10), ("neutral", 0, 14)]
)
def test_calm(root, calm, calm_count, neutral_count):
    scan = RavdessTess(str(root), calm=calm).scan()
    counts = Counter(utterance.emotion for utterance in scan.utterances)
    assert (counts["calm"], counts["neutral"]) == (calm_count, neutral_count)
    assert any("4 calm recordings" in note for note in scan.notes) == (calm != "keep")


def test_song_and_the_notes_of_both(root):
    scan = RavdessTess(str(root), vocal_channel="both").scan()
    assert len(scan.utterances) == 32 + 12 + 42
    assert scan.notes == ()
    assert RavdessTess(str(root)).scan().notes[0].startswith("ravdess: 12 audio files skipped (song")


def test_separate_roots(root):
    together = RavdessTess(str(root)).scan()
    apart = RavdessTess(None, ravdess_root=str(root / "ravdess"), tess_root=str(root / "tess")).scan()
    assert apart == together


def test_folders_in_capitals(root):
    (root / "ravdess").rename(root / "RAVDESS")
    assert len(RavdessTess(str(root)).scan().utterances) == 74


def test_errors_name_the_right_key(root):
    with pytest.raises(UserError, match="dataset.tess_root"):
        RavdessTess(None, ravdess_root=str(root / "ravdess"))
    with pytest.raises(UserError, match=r"set dataset.tess_root=<folder>"):
        RavdessTess(str(root), tess_root=str(root / "nowhere")).scan()
    with pytest.raises(UserError, match="Did you mean 'neutral'"):
        build({"_target_": "ser.data.corpora.ravdess_tess.RavdessTess", "root": "x", "calm": "neutrl"}, "dataset")
    with pytest.raises(UserError, match="dataset.root is empty"):
        RavdessTess(None)


@pytest.mark.corpus
def test_the_real_corpora():
    ravdess, tess = real_corpus("ravdess"), real_corpus("tess")
    scan = RavdessTess(None, str(ravdess), str(tess)).scan()
    counts = Counter(utterance.emotion for utterance in scan.utterances)
    assert counts == {"neutral": 496, "calm": 192} | dict.fromkeys(
        ("happy", "sad", "angry", "fearful", "disgust", "surprised"), 592
    )
    assert len({utterance.speaker for utterance in scan.utterances}) == 26
