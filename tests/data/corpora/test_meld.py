"""MELD: lists and folders of three parts."""

from collections import Counter
from itertools import product

import pytest

from ser.data.corpora.meld import Meld
from ser.data.splits import SpeakerSplit
from ser.errors import UserError
from tests.tiny_corpora import write_tone

STATEMENTS = False
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


def write_tiny(root):
    """In each part two dialogues of the six and a waiter, in three emotions; names begin anew in each part."""
    speakers = ("Monica", "Phoebe", "Rachel", "Chandler", "Joey", "Ross", "The Waiter")
    for part, folder in FOLDERS.items():
        rows = [HEADER]
        for turn, (dialogue, speaker, emotion) in enumerate(product((0, 1), speakers, ("anger", "joy", "neutral"))):
            made = write_tone(root / "made" / f"{part}_{turn}.wav", 120 + 10 * turn)  # each its own sound
            (root / folder).mkdir(exist_ok=True)
            made.rename(root / folder / f"dia{dialogue}_utt{turn}.wav")
            rows.append(f'{turn},"Oh, my, “God”!",{speaker},{emotion},neutral,{dialogue},{turn},8,21,"00:16:16,059",x')
        (root / f"{part}_sent_emo.csv").write_bytes("\n".join(rows).encode() + b"\n")
    return root


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path)


def test_emotions_speakers_and_genders(root):
    scan = Meld(str(root)).scan()
    assert len(scan.utterances) == 3 * 42 and not scan.notes
    assert Counter(u.emotion for u in scan.utterances) == {"angry": 42, "happy": 42, "neutral": 42}
    genders = {u.speaker: u.gender for u in scan.utterances}
    assert genders["meld_ross"] == "male" and genders["meld_rachel"] == "female" and genders["meld_the_waiter"] is None
    assert {u.part for u in scan.utterances} == {None}


def test_the_published_parts_on_request(root):
    utterances = Meld(str(root), official_parts=True).scan().utterances
    assert {(u.key.split("_")[0], u.part) for u in utterances} == {
        ("train", "train"), ("dev", "val"), ("output", "test")
    }  # fmt: skip
    split = SpeakerSplit()(utterances)
    assert {part: len(indices) for part, indices in split.parts().items()} == {"train": 42, "val": 42, "test": 42}


def test_what_no_list_names_and_no_folder_places_is_noted(root):
    write_tone(root / "train_splits" / "dia9_utt9.wav")
    write_tone(root / "dia0_utt0.wav")
    write_tone(root / FOLDERS["test"] / "final_videos_testdia0_utt0.wav")
    notes = " ".join(Meld(str(root)).scan().notes)
    assert "(not in train_sent_emo.csv): train_splits/dia9_utt9.wav" in notes
    assert "(no folder says train, dev or test): dia0_utt0.wav" in notes
    assert "(the name does not follow the grammar of meld)" in notes


def test_bytes_of_another_encoding_do_no_harm(root):
    file = root / "train_sent_emo.csv"
    file.write_bytes(file.read_bytes().replace("“God”".encode(), b"\x93God\x94"))
    assert len(Meld(str(root)).scan().utterances) == 3 * 42


def test_a_list_of_something_else(root):
    (root / "dev_sent_emo.csv").write_text("path,emotion\na.wav,joy\n")
    with pytest.raises(UserError, match="dev_sent_emo.csv is not MELD's list"):
        Meld(str(root)).scan()


def test_a_copy_without_the_lists_says_so(root):
    for file in root.glob("*.csv"):
        file.unlink()
    with pytest.raises(UserError, match="not in dev_sent_emo.csv"):
        Meld(str(root)).scan()
