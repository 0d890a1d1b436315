"""Several corpora as one: labels, speakers, notes, and what must not be."""

import shutil
from collections import Counter

import pytest
import soundfile

from ser.data.build import build_corpus
from ser.data.recordings import find_recordings
from ser.data.selection import Selection
from ser.data.splits import SpeakerSplit
from ser.errors import UserError
from ser.inference.finished_run import never_written
from tests.conftest import only_run
from tests.data.corpora import test_crema_d, test_emobox, test_savee
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
    (song,) = scan.notes
    assert song.startswith("ravdess: 36 audio files skipped (song")


@pytest.mark.parametrize(
    ("settings", "remarks"),
    [
        ({"emotions": ["angry", "sad"]}, []),
        ({"emotions": ["angry", "calm"]}, ["emotions that not every corpus has: calm (ravdess)"]),
        ({"merge": {"calm": "neutral"}, "emotions": ["angry", "neutral"]}, []),
        (
            {"target": "gender"},
            [
                "classes of gender that not every corpus has: female (crema_d, ravdess, tess), male (crema_d, ravdess, "
                "savee)"
            ],
        ),
        (
            {},
            [
                "emotions that not every corpus has: calm (ravdess), happy (ravdess, savee, tess), fearful (ravdess, "
                "savee, tess), disgust (ravdess, savee, tess), surprised (ravdess, savee, tess)"
            ],
        ),
    ],
    ids=str,
)
def test_classes_that_give_away_the_corpus(root, tmp_path, settings, remarks):
    """Of those that the run uses."""
    notes = find_recordings(joined(FOUR, root), Selection(**settings), tmp_path).notes
    assert [note for note in notes if "not every corpus" in note] == remarks


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
        (
            {"ravdess": None, "song": {"_target_": "ser.data.corpora.ravdess.Ravdess", "root": "x"}},
            "dataset.of has ravdess twice, as ravdess and as song",
        ),
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


def test_copies_across_corpora_are_found(ser, root, in_tmp):
    """A copy at another level in another corpus is reported; the same samples in two parts are refused."""
    (in_tmp / "data").mkdir()
    for name in ("ravdess", "savee"):
        shutil.copytree(root / name, in_tmp / "data" / name)
    original = in_tmp / "data" / "ravdess" / "Actor_01" / "03-01-05-01-01-01-01.wav"
    samples, rate = soundfile.read(original, dtype="int16")
    copy = in_tmp / "data" / "savee" / "AudioData" / "DC" / "a30.wav"
    soundfile.write(copy, samples // 2, rate)
    base = [
        "train",
        "dataset=joined",
        "dataset.of=[ravdess,savee]",
        "dataset.root=data",
        "run.dry_run=true",
        "model=mlp",
    ]
    code, out, err = ser(*base, "split=leave_one_corpus_out", "split.val=0", "split.fold=1", "trainer=cpu")
    assert code == 0, err
    found = " ".join(out.split())
    assert "savee/AudioData/DC/a30.wav ≈ ravdess/Actor_01/03-01-05-01-01-01-01.wav" in found
    assert (
        "recordings of calm left out: only ravdess has it" in found and "RAVDESS → SAVEE, fold 2 of 2 (savee)" in found
    )
    copy.write_bytes(original.read_bytes())
    code, _, err = ser(*base, "split=cross_corpus", "split.train=savee", "split.test=ravdess", "trainer=cpu")
    assert code == 2 and "hold identical samples but would be in" in err


def test_corpora_are_groups_in_the_tables_of_a_run(ser, root, in_tmp):
    """In that of its parts and in those of its figures, wherever the recordings are by then."""
    for name in ("ravdess", "savee"):
        shutil.copytree(root / name, in_tmp / "data" / name)
    of = ["dataset=joined", "dataset.of={ravdess: {root: data/ravdess}, savee: null}", "dataset.root=data"]
    quick = [
        "dataset.emotions=[angry,sad]",
        "model=mlp",
        "model.hidden=[8]",
        "trainer.max_epochs=1",
        "run.report=false",
    ]
    code, out, err = ser("train", *of, *quick, "split=random", "trainer=cpu")
    assert code == 0, err
    assert out.count("│   ravdess │") == out.count("│   savee   │") == 3  # of train, val and test
    shutil.move("data", "elsewhere")
    code, out, err = ser("evaluate", f"run={only_run(in_tmp)}", "root=elsewhere")
    assert code == 0 and "corpus ravdess" in out and "corpus savee" in out and "corpus: gap" in out, err
    assert "Without sounds" not in out and "By corpus" in (only_run(in_tmp) / "report.html").read_text()


@pytest.mark.slow
def test_corpora_are_columns_of_ser_explore(ser, root):
    code, out, err = ser("explore", "dataset=joined", "dataset.of=[ravdess,savee]", f"dataset.root={root}")
    assert code == 0 and "┃ recordings ┃ ravdess ┃ savee ┃" in out, err


def test_licences_and_data_sheets_of_all(root):
    members = joined({"ravdess": None, "crema_d": None, "lab": own(root.parent / "lab")}, root).members
    assert [(member.name, member.licence) for member in members] == [
        ("ravdess", "CC BY-NC-SA 4.0"), ("crema_d", "ODbL 1.0, contents DbCL 1.0"),
        ("lab", "not known; ask those who made the recordings"),
    ]  # fmt: skip


def test_one_of_emoboxs_beside_a_published_one(root, tmp_path):
    clone = test_emobox.write_tiny(tmp_path)
    of = {
        "savee": None,
        "talks": {"_target_": "ser.data.corpora.emobox.EmoBox", "corpus": "iemocap", "metadata": str(clone)},
    }
    scan = joined(of, root).scan()
    assert Counter(u.corpus for u in scan.utterances) == {"savee": 84, "talks": 100}
    assert {u.speaker for u in scan.utterances if u.corpus == "talks"} == {
        f"talks_{n}{s}" for n in range(1, 6) for s in "fm"
    }


@pytest.mark.parametrize("split", ["leave_one_corpus_out", "cross_corpus split.train=lab split.test=field"])
def test_numbers_of_two_lists(ser, in_tmp, split):
    """Arousal is predicted of one list after training on the other, whose ratings are others."""
    for name, pitch in (("lab", 120), ("field", 160)):
        rows = ["path,speaker,arousal"]
        for k in range(8):
            write_tone(in_tmp / name / f"{name}_{k}.wav", pitch + 10 * k)
            rows.append(f"{name}_{k}.wav,p{k % 4},{pitch / 100 + k}")
        (in_tmp / name / "list.csv").write_text("\n".join(rows) + "\n")
    of = [f"{name}: {{_target_: ser.data.corpora.csv_list.CsvList, csv: {name}/list.csv}}" for name in ("lab", "field")]
    base = [
        "dataset=joined",
        f"dataset.of={{{', '.join(of)}}}",
        "dataset.target=arousal",
        "model=mlp",
        "run.dry_run=true",
    ]
    code, out, err = ser("train", *base, *f"split={split}".split(), "trainer=cpu")
    assert code == 0 and "joined: 16 recordings" in out and "LAB → FIELD" in " ".join(out.split()), err


def test_published_corpora_know_no_numbers():
    with pytest.raises(UserError, match="dataset.target=arousal does not exist"):
        joined(["ravdess", "tess"], "x").read_numbers(["arousal"])


def test_an_untrusted_run_writes_no_demo_among_others(tmp_path):
    demo = {"_target_": "ser.data.corpora.demo.Demo", "root": str(tmp_path / "victim")}
    node = {"_target_": "ser.data.corpora.joined.Joined", "of": {"demo": demo, "tess": {"root": "x"}}}
    read = never_written(node)["of"]
    assert read["demo"] == {**demo, "root": None} and read["tess"] == {"root": "x"}
    listed = never_written({**node, "of": [demo, "tess"]})["of"]
    assert listed == [{**demo, "root": None}, "tess"]


def test_a_list_with_parts_beside_a_corpus_without_any(root, tmp_path):
    """Else what the user keeps for test would be trained on."""
    rows = ["path,emotion,speaker,split"]
    for k in range(8):
        part = ("train", "train", "val", "test")[k // 2]
        write_tone(tmp_path / "lab" / f"{k}.wav", 200 + k)
        rows.append(f"{k}.wav,{('angry', 'sad')[k % 2]},s{k // 2},{part}")
    (tmp_path / "lab.csv").write_text("\n".join(rows) + "\n")
    lab = {"_target_": "ser.data.corpora.csv_list.CsvList", "csv": f"{tmp_path}/lab.csv", "root": f"{tmp_path}/lab"}
    utterances = joined({"savee": None, "lab": lab}, root).scan().utterances
    with pytest.raises(UserError, match="8 of 92 recordings have a part .* others .of savee. have none: give all of"):
        SpeakerSplit(val=0.1)(utterances)
