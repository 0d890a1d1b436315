"""IEMOCAP: labels from lists, classes, dialogues, sessions."""

from collections import Counter

import pytest

from ser.data.corpora.iemocap import Iemocap
from ser.data.splits import PublishedFolds
from ser.errors import UserError
from ser.instantiate import build
from tests.tiny_corpora import write_tone

STATEMENTS = False
CODES = ("neu", "hap", "exc", "sad", "ang", "fru", "xxx", "oth")


def write_tiny(root):
    """Five sessions, an improvised and a scripted dialogue each, in which both say each code once."""
    for session in range(1, 6):
        folder = root / f"Session{session}"
        (folder / "dialog" / "EmoEvaluation").mkdir(parents=True)
        for dialogue in (f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1b"):
            lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            for number, code in enumerate(CODES):
                for speaker in "FM":
                    turn = f"{dialogue}_{speaker}{number:03}"
                    pitch = (120 if speaker == "M" else 200) + 20 * number + session
                    write_tone(folder / "sentences" / "wav" / dialogue / f"{turn}.wav", pitch)
                    lines += [f"[{number}.0000 - {number}.9000]\t{turn}\t{code}\t[2.5000, 2.5000, 2.5000]"]
                    lines += ["C-E1:\tAnger;\t()", ""]
            (folder / "dialog" / "EmoEvaluation" / f"{dialogue}.txt").write_text("\n".join(lines))
            (folder / "dialog" / "EmoEvaluation" / f"._{dialogue}.txt").write_bytes(b"\x00\x05\x16\x07")
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("iemocap"))


def test_four_classes_by_convention(root):
    scan = Iemocap(str(root)).scan()
    assert Counter(u.emotion for u in scan.utterances) == {"neutral": 20, "happy": 40, "sad": 20, "angry": 20}
    assert sorted(note.split("(")[1].split(")")[0] for note in scan.notes) == [
        "labelled fru", "labelled oth", "labelled xxx"
    ]  # fmt: skip
    speakers = {(u.speaker, u.gender) for u in scan.utterances}
    assert speakers == {(f"iemocap_{n}{s[0]}", s) for n in range(1, 6) for s in ("female", "male")}


def test_who_speaks_is_the_second_letter(root):
    (u,) = [u for u in Iemocap(str(root)).scan().utterances if u.path.stem == "Ses01F_impro01_M000"]
    assert (u.speaker, u.gender, u.emotion) == ("iemocap_1m", "male", "neutral")


def test_all_classes_that_have_a_name(root):
    emotions = Counter(u.emotion for u in Iemocap(str(root), classes="all").scan().utterances)
    assert emotions == dict.fromkeys(("neutral", "happy", "excited", "sad", "angry", "frustrated"), 20)


@pytest.mark.parametrize(("dialogues", "word"), [("improvised", "impro"), ("scripted", "script")])
def test_one_kind_of_dialogue(root, dialogues, word):
    scan = Iemocap(str(root), dialogues=dialogues).scan()
    assert len(scan.utterances) == 50 and all(word in u.key for u in scan.utterances)


def test_five_sessions(root):
    utterances = Iemocap(str(root)).scan().utterances
    folds = [[f"{n}f", f"{n}m"] for n in range(1, 6)]
    for fold in range(5):
        split = PublishedFolds("sessions", "iemocap", folds, fold)(utterances)
        tested = {utterances[i].speaker for i in split.test}
        assert tested == {f"iemocap_{fold + 1}f", f"iemocap_{fold + 1}m"}
        assert not tested & {utterances[i].speaker for i in split.train + split.val}


def test_sessions_may_be_links(root, tmp_path):
    for session in root.iterdir():
        (tmp_path / session.name).symlink_to(session)
    assert len(Iemocap(str(tmp_path)).scan().utterances) == 100


def test_what_has_no_label_and_whole_dialogues_are_skipped(tmp_path):
    write_tiny(tmp_path)
    write_tone(tmp_path / "Session1" / "dialog" / "wav" / "Ses01F_impro01.wav")
    write_tone(tmp_path / "Session1" / "sentences" / "wav" / "Ses01F_impro02" / "Ses01F_impro02_F000.wav")
    notes = " ".join(Iemocap(str(tmp_path)).scan().notes)
    assert "1 audio file skipped (the name does not follow the grammar of iemocap): Session1/dialog/wav" in notes
    assert "1 audio file skipped (without a label" in notes


def test_a_copy_without_the_lists_says_what_is_missing(tmp_path):
    write_tone(tmp_path / "Ses01F_impro02_F000.wav")
    with pytest.raises(UserError, match="without a label in dialog/EmoEvaluation"):
        Iemocap(str(tmp_path)).scan()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"classes": "five"}, "dataset.classes=five must be four or all."),
        ({"classes": 4}, "dataset.classes=4 must be four or all."),
        ({"dialogues": "improvized"}, "must be both, improvised or scripted. Did you mean 'improvised'?"),
    ],
)
def test_settings_that_do_not_exist(setting, words):
    with pytest.raises(UserError) as error:
        build({"_target_": "ser.data.corpora.iemocap.Iemocap", "root": "x", **setting}, "dataset")
    assert words in str(error.value)
