"""ESD: numbers, folders, languages."""

from collections import Counter
from itertools import product

import pytest

from ser.data.corpora.esd import Esd
from ser.errors import UserError
from ser.instantiate import build
from tests.tiny_corpora import write_tone

STATEMENTS = True  # are known
FOLDERS = ("Neutral", "Angry", "Happy", "Sad", "Surprise")


def write_tiny(root):
    """Two speakers of each language, four sentences in three emotions, in the folders of the publication."""
    for speaker, (number, emotion), sentence in product((1, 4, 11, 15), enumerate(FOLDERS[:3]), (1, 2, 349, 350)):
        part = {1: "train", 2: "evaluation"}.get(sentence, "")
        name = f"{speaker:04}_{350 * number + sentence:06}.wav"
        write_tone(root / f"{speaker:04}" / emotion / part / name, 120 + 90 * number + speaker)
    (root / "0011" / "0011.txt").write_bytes(b"\xff\xfe0\x00")
    return root


def test_emotions_sentences_and_genders(tmp_path):
    scan = Esd(str(write_tiny(tmp_path))).scan()
    assert len(scan.utterances) == 48 and not scan.notes
    assert Counter(u.emotion for u in scan.utterances) == {"neutral": 16, "angry": 16, "happy": 16}
    said = ("en_001", "en_002", "en_349", "en_350", "zh_001", "zh_002", "zh_349", "zh_350")
    assert Counter(u.statement for u in scan.utterances) == dict.fromkeys(said, 6)
    genders = {u.speaker: u.gender for u in scan.utterances}
    assert genders == {"esd_0001": "female", "esd_0004": "male", "esd_0011": "male", "esd_0015": "female"}


@pytest.mark.parametrize(("language", "speakers"), [("english", {"0011", "0015"}), ("mandarin", {"0001", "0004"})])
def test_one_language(tmp_path, language, speakers):
    scan = Esd(str(write_tiny(tmp_path)), language).scan()
    assert {u.speaker[4:] for u in scan.utterances} == speakers
    assert scan.notes[0].startswith("24 audio files skipped (") and f"language is {language}" in scan.notes[0]


@pytest.mark.parametrize(
    ("language", "words"), [("englisch", "Did you mean 'english'"), (1, "must be both, english or mandarin")]
)
def test_a_language_that_is_not_there(language, words):
    with pytest.raises(UserError, match=f"dataset.language={language} .*{words}"):
        build({"_target_": "ser.data.corpora.esd.Esd", "root": "x", "language": language}, "dataset")


@pytest.mark.parametrize(
    ("number", "emotion"),
    [(1, "neutral"), (350, "neutral"), (351, "angry"), (701, "happy"), (1400, "sad"), (1401, "surprised")],
)
def test_without_folders_the_number_says_the_emotion(tmp_path, number, emotion):
    write_tone(tmp_path / f"0020_{number:06}.wav")
    assert [u.emotion for u in Esd(str(tmp_path)).scan().utterances] == [emotion]


def test_half_the_speakers_of_each_language_are_women(tmp_path):
    for speaker in range(22):
        (tmp_path / f"{speaker:04}_000001.wav").write_bytes(b"")
    (tmp_path / "0001_001751.wav").write_bytes(b"")
    scan = Esd(str(tmp_path)).scan()
    found = Counter((u.statement[:2], u.gender) for u in scan.utterances)
    assert set(found.values()) == {5} and len(found) == 4
    assert scan.notes[0].startswith("3 audio files skipped (the name does not follow the grammar of esd)")
