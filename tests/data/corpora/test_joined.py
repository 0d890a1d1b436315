"""Several corpora as one: labels, speakers, notes, and what must not be."""

from collections import Counter

import pytest

from ser.data.build import build_corpus
from ser.errors import UserError
from tests.data.corpora import test_crema_d, test_savee
from tests.tiny_corpora import write_tiny_ravdess, write_tiny_tess, write_tone

FOUR = ["ravdess", "crema_d", "tess", "savee"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folder of four tiny corpora."""
    root = tmp_path_factory.mktemp("corpora")
    write_tiny_ravdess(root / "ravdess", song=True)
    test_crema_d.write_tiny(root / "CREMA_D")
    write_tiny_tess(root / "tess")
    test_savee.write_tiny(root / "savee")
    return root


def joined(of, root=None):
    """The corpus of a config."""
    return build_corpus({"_target_": "ser.data.corpora.joined.Joined", "of": of, "root": root and str(root)}, [])


def own(root, speaker="ann"):
    """Settings of a folder of one's own, with four recordings of a speaker."""
    for k, emotion in enumerate(("angry", "sad", "angry", "sad")):
        write_tone(root / f"{speaker}_{emotion}_{k}.wav", 130 + 20 * k)
    return {"_target_": "ser.data.corpora.folder.Folder", "root": str(root), "pattern": "{speaker}_{emotion}_*"}


def test_one_space_of_labels_and_each_under_its_name(root):
    scan = joined(FOUR, root).scan()
    found = Counter(u.corpus for u in scan.utterances)
    assert found == {"ravdess": 96, "crema_d": 56, "tess": 42, "savee": 84}
    assert {u.emotion for u in scan.utterances if u.corpus == "tess"} == {
        u.emotion for u in scan.utterances if u.corpus == "savee"
    }
    assert all(u.key.startswith(f"{u.corpus}/") and u.speaker.startswith(f"{u.corpus}_") for u in scan.utterances)
    assert [u.key for u in scan.utterances] == sorted(u.key for u in scan.utterances)
    assert len({u.speaker for u in scan.utterances}) == 6 + 4 + 2 + 4
    song, remark = scan.notes
    assert song.startswith("ravdess: 36 audio files skipped (song")
    assert remark == (
        "emotions that not every corpus has: calm (ravdess), happy (ravdess, savee, tess), fearful (ravdess, savee, "
        "tess), disgust (ravdess, savee, tess), surprised (ravdess, savee, tess)"
    )


def test_settings_and_folders_of_each(root, tmp_path):
    (tmp_path / "T").symlink_to(root / "tess")
    of = {"ravdess": {"vocal_channel": "song"}, "tess": {"root": str(tmp_path / "T")}, "savee": None}
    found = Counter(u.corpus for u in joined(of, root).scan().utterances)
    assert found == {"ravdess": 36, "tess": 42, "savee": 84}
    assert joined({"savee": None, "tess": None}, root).scan() == joined(["tess", "savee"], root).scan()


def test_corpora_of_ones_own_get_the_name_they_are_given(root, tmp_path):
    (tmp_path / "list.csv").write_text("path,emotion,speaker\na.wav,joy,ann\nb.wav,anger,\n")
    write_tone(tmp_path / "a.wav", 200), write_tone(tmp_path / "b.wav", 300)
    listed = {"_target_": "ser.data.corpora.csv_list.CsvList", "csv": str(tmp_path / "list.csv")}
    scan = joined({"lab": own(tmp_path / "x"), "field": own(tmp_path / "y"), "list": listed}).scan()
    assert {(u.corpus, u.speaker) for u in scan.utterances} == {
        ("lab", "lab_ann"), ("field", "field_ann"), ("list", "list_ann"), ("list", None)
    }  # fmt: skip


def test_speakers_of_two_corpora_never_are_one(tmp_path):
    of = {"lab": own(tmp_path / "x", "b-1"), "lab_b": own(tmp_path / "y", "1")}
    assert len({u.speaker for u in joined(of).scan().utterances}) == 2
    own(tmp_path / "z" / "b_1")
    of["lab"] |= {"root": str(tmp_path / "z"), "pattern": "{speaker}/*_{emotion}_*"}
    with pytest.raises(UserError, match="The speaker lab_b_1 would be in lab and in lab_b: give them other names"):
        joined(of).scan()


def test_a_file_is_of_one_corpus(tmp_path):
    with pytest.raises(UserError, match="The file .*ann_angry_0.wav would be in again and in lab"):
        joined({"lab": own(tmp_path), "again": own(tmp_path)}).scan()


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (["ravdess"], "must name two corpora at least, each once"),
        (["ravdess", "tess", "tess"], "must name two corpora at least, each once"),
        ([], "must name two corpora at least"),
        ("ravdess", "dataset.of=ravdess must be a list"),
        (["ravdess", "cremad"], "dataset.of has cremad, which is no published corpus. Did you mean 'crema_d'?"),
        (["ravdess", "x"], "dataset.of has x, which is no published corpus. Choose from: crema_d, emodb, esd"),
        (["ravdess", "../corpus"], "which is no published corpus"),
        ({"ravdess": {"vocal_chanel": "song"}, "tess": None}, "dataset.of.ravdess has no setting 'vocal_chanel'. Did"),
        ({"ravdess": {"vocal_channel": "sing"}, "tess": None}, "dataset.of.ravdess.vocal_channel=sing must be speech"),
        ({"ravdess": None, "tess": 5}, "dataset.of.tess=5 must be"),
        ({"ravdess": None, "x": {"_target_": "ser.data.splits.KFold"}}, "dataset.of.x=.* must be"),
    ],
)
def test_what_cannot_be_joined(of, words):
    with pytest.raises(UserError, match=words):
        joined(of, "somewhere")


def test_what_is_missing_is_named_with_its_setting(root, tmp_path):
    with pytest.raises(UserError, match="dataset.root is empty, and so is dataset.of.ravdess.root"):
        joined(["ravdess", "tess"])
    with pytest.raises(UserError, match="No emodb corpus: .*set dataset.of.emodb.root=<folder>"):
        joined(["ravdess", "emodb"], root).scan()


def test_licences_and_data_sheets_of_all(root):
    members = joined({"ravdess": None, "crema_d": None, "lab": own(root.parent / "lab")}, root).members
    assert [member.licence for member in members] == [
        "CC BY-NC-SA 4.0", "ODbL 1.0, contents DbCL 1.0", "not known; ask those who made the recordings"
    ]  # fmt: skip
