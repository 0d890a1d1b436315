"""EMO-DB: German codes."""

from collections import Counter
from itertools import product

import pytest

from ser.data.corpora.emodb import EmoDb
from tests.tiny_corpora import write_tone

STATEMENTS = True  # are known


def write_tiny(root):
    """Four speakers, four texts, three emotions."""
    for speaker, text, (code, pitch) in product(
        ("03", "08", "09", "10"), ("a01", "a05", "b09", "b10"), (("W", 240), ("F", 280), ("L", 120))
    ):
        write_tone(root / "wav" / f"{speaker}{text}{code}a.wav", pitch + int(speaker))
    return root


def test_a_tree(tmp_path):
    scan = EmoDb(str(write_tiny(tmp_path))).scan()
    assert not scan.notes
    assert Counter(u.emotion for u in scan.utterances) == {"angry": 16, "happy": 16, "bored": 16}
    genders = {u.speaker: u.gender for u in scan.utterances}
    assert genders == {"emodb_03": "male", "emodb_08": "female", "emodb_09": "female", "emodb_10": "male"}


@pytest.mark.parametrize(
    ("name", "emotion", "text", "repetition"),
    [
        ("03a01Fa", "happy", "a01", 1), ("16b10Wb", "angry", "b10", 2), ("08a07La", "bored", "a07", 1),
        ("09b03Ed", "disgust", "b03", 4), ("14a04Ac", "fearful", "a04", 3), ("15b02Tc", "sad", "b02", 3),
        ("11A02NA", "neutral", "a02", 1),
    ],
)  # fmt: skip
def test_codes(tmp_path, name, emotion, text, repetition):
    write_tone(tmp_path / f"{name}.wav")
    (u,) = EmoDb(str(tmp_path)).scan().utterances
    assert (u.emotion, u.statement, u.repetition) == (emotion, text, repetition)


def test_five_men_and_five_women(tmp_path):
    for speaker in range(1, 20):
        (tmp_path / f"{speaker:02}a01Na.wav").write_bytes(b"")
    scan = EmoDb(str(tmp_path)).scan()
    assert Counter(u.gender for u in scan.utterances) == {"male": 5, "female": 5}
    assert scan.notes[0].startswith("9 audio files skipped (the name does not follow the grammar of emodb)")
