"""CREMA-D: grammar, quirks."""

from collections import Counter
from itertools import product

import pytest

from ser.data.corpora.crema_d import CremaD
from tests.tiny_corpora import write_tone

STATEMENTS = True  # are known


def write_tiny(root):
    """Four actors, four sentences, three emotions, one of them at three levels; one name that lacks a letter."""
    for actor, sentence, (code, pitch) in product(
        (1001, 1002, 1040, 1091), ("IEO", "DFA", "ITH", "WSI"), (("ANG", 240), ("NEU", 150), ("SAD", 120))
    ):
        levels = ("LO", "MD", "HI") if (sentence, code) == ("IEO", "ANG") else ("XX",)
        for level in ("X",) if (actor, sentence, code) == (1040, "ITH", "SAD") else levels:
            write_tone(root / "AudioWAV" / f"{actor}_{sentence}_{code}_{level}.wav", pitch + actor % 7)
    return root


def test_emotions_speakers_genders_and_levels(tmp_path):
    scan = CremaD(str(write_tiny(tmp_path))).scan()
    assert len(scan.utterances) == 4 * (4 * 3 + 2) and not scan.notes
    assert Counter(u.emotion for u in scan.utterances) == {"angry": 24, "neutral": 16, "sad": 16}
    genders = {u.speaker: u.gender for u in scan.utterances}
    assert genders == {
        "crema_d_1001": "male", "crema_d_1002": "female", "crema_d_1040": "male", "crema_d_1091": "female"
    }  # fmt: skip
    assert Counter(u.intensity for u in scan.utterances) == {None: 44, "low": 4, "medium": 4, "high": 4}
    assert {u.statement for u in scan.utterances} == {"ieo", "dfa", "ith", "wsi"}


def test_all_actors_are_in_the_grammar_43_of_them_women(tmp_path):
    for actor in range(999, 1094):
        (tmp_path / f"{actor}_DFA_HAP_XX.wav").write_bytes(b"")
    scan = CremaD(str(tmp_path)).scan()
    assert Counter(u.gender for u in scan.utterances) == {"female": 43, "male": 48}
    assert "4 audio files skipped" in scan.notes[0]


def test_a_corrected_name_is_no_second_recording(tmp_path):
    write_tone(tmp_path / "1040_ITH_SAD_X.wav")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "1040_ITH_SAD_XX.wav").write_bytes((tmp_path / "1040_ITH_SAD_X.wav").read_bytes())
    scan = CremaD(str(tmp_path)).scan()
    assert len(scan.utterances) == 1 and scan.notes == ("1 second copy skipped",)


@pytest.mark.parametrize("name", ["1001_DFA_ANG", "1001_XYZ_ANG_XX", "1001_DFA_SUR_XX", "1001_DFA_ANG_ZZ"])
def test_other_names_are_noted(tmp_path, name):
    write_tiny(tmp_path)
    write_tone(tmp_path / f"{name}.wav")
    assert f"the grammar of crema_d): {name}.wav" in CremaD(str(tmp_path)).scan().notes[0]
