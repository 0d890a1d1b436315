"""SAVEE: speakers by folder or by name, quirks."""

from collections import Counter
from itertools import product

import pytest

from ser.data.corpora.savee import Savee
from tests.tiny_corpora import write_tone

STATEMENTS = False  # which number is which sentence is not published
PITCH = {"a": 240, "d": 180, "f": 300, "h": 260, "n": 150, "sa": 120, "su": 330}


def write_tiny(root, joined=False):
    """All speakers and emotions, numbers 1 to 3; `joined` as in Kaggle's copy."""
    for speaker, (code, pitch), number in product(("DC", "JE", "JK", "KL"), PITCH.items(), (1, 2, 3)):
        name = f"{code}{number:02}.wav"
        # a tone depends on its file's name: equal names of two speakers would be one recording
        made = write_tone(root / "ALL" / f"{speaker}_{name}", pitch + ord(speaker[0]) % 10)
        if not joined:
            (root / "AudioData" / speaker).mkdir(parents=True, exist_ok=True)
            made.rename(root / "AudioData" / speaker / name)
    return root


@pytest.mark.parametrize("joined", [False, True])
def test_both_layouts_say_the_same(tmp_path, joined):
    scan = Savee(str(write_tiny(tmp_path, joined))).scan()
    assert len(scan.utterances) == 84 and not scan.notes
    emotions = ("angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
    assert Counter(u.emotion for u in scan.utterances) == dict.fromkeys(emotions, 12)
    assert Counter(u.speaker for u in scan.utterances) == dict.fromkeys(
        ("savee_dc", "savee_je", "savee_jk", "savee_kl"), 21
    )
    assert {u.gender for u in scan.utterances} == {"male"} and {u.statement for u in scan.utterances} == {None}


def test_both_layouts_together_are_one(tmp_path):
    write_tone(tmp_path / "DC" / "sa01.wav")
    (tmp_path / "ALL").mkdir()
    (tmp_path / "ALL" / "DC_sa01.wav").write_bytes((tmp_path / "DC" / "sa01.wav").read_bytes())
    scan = Savee(str(tmp_path)).scan()
    assert len(scan.utterances) == 1 and scan.notes == ("1 second copy skipped",)
    assert scan.utterances[0].emotion == "sad"


@pytest.mark.parametrize("name", ["XX/a01", "DC/s01", "DC/a31", "DC/a00", "DC_a1"])
def test_other_names_are_noted(tmp_path, name):
    write_tone(tmp_path / "DC" / "a01.wav")
    write_tone(tmp_path / f"{name}.wav")
    assert f": {name}.wav" in Savee(str(tmp_path)).scan().notes[0]
