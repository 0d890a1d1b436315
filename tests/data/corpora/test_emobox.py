"""EmoBox's metadata: lists, labels, speakers, folds, and its irregular corpora."""

import json
import os
from collections import Counter

import pytest
import soundfile

from ser.data.build import build_corpus
from ser.data.splits import OfficialFolds, PublishedFolds
from ser.errors import UserError
from tests.conftest import only_run
from tests.data.corpora import test_iemocap
from tests.tiny_corpora import write_tone

IEMOCAP = {"neu": "Neutral", "hap": "Happy", "ang": "Angry", "sad": "Sad", "exc": "Happy"}


def line(corpus, name, wav, emo, **more):
    """As EmoBox writes them."""
    known = {"key": f"{corpus}-{name}", "dataset": corpus, "wav": f"downloads/{corpus}/{wav}", "type": "raw"}
    return known | {"sample_rate": 16000, "num_frame": 70312.0, "task": "category", "emo": emo, "channel": 1} | more


def write(clone, corpus, folds, label_map, speakers):
    """The metadata of a corpus: folds of part → lines, and key → speaker."""
    folder = clone / "data" / corpus
    for number, parts in enumerate(folds, start=1):
        (folder / f"fold_{number}").mkdir(parents=True)
        for part, lines in parts.items():
            text = "".join(json.dumps(each) + "\n" for each in lines)
            (folder / f"fold_{number}" / f"{corpus}_{part}_fold_{number}.jsonl").write_text(text)
    (folder / "label_map.json").write_text(json.dumps(label_map, indent=4))
    stm = [f"{key} 1 {name} 0 4.3 <id={key},lang=en,spk={name},emotion=x> x\n" for key, name in speakers.items()]
    (folder / "data.seg.wrd.stm").write_text("".join(stm), encoding="utf-8")
    return clone


def write_tiny(clone):
    """IEMOCAP as EmoBox has it: five folds by session, and the recordings where it looks for them."""
    test_iemocap.write_tiny(clone / "downloads" / "iemocap")
    lines = []
    for path in sorted((clone / "downloads" / "iemocap").rglob("*.wav")):
        label = test_iemocap.CODES[int(path.stem[-3:])]
        if label in IEMOCAP:
            lines.append(
                line("iemocap", path.stem, path.relative_to(clone / "downloads" / "iemocap").as_posix(), label)
            )
    of_fold = [{"train": [], "test": []} for _ in range(5)]
    for number, fold in enumerate(of_fold, start=1):
        for each in lines:
            fold["test" if f"/Session{number}/" in each["wav"] else "train"].append(each)
    speakers = {each["key"]: each["key"].split("-")[1].split("_")[0] for each in lines}  # who wears the markers
    return write(clone, "iemocap", of_fold, IEMOCAP, speakers)


def emobox(corpus, clone, **settings):
    node = {"_target_": "ser.data.corpora.emobox.EmoBox", "corpus": corpus, "metadata": str(clone), **settings}
    return build_corpus(node, [])


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("EmoBox"))


@pytest.mark.parametrize("where", ["", "data"])
def test_iemocap_in_the_clone(clone, where):
    scan = emobox("iemocap", clone / where).scan()
    assert Counter(u.emotion for u in scan.utterances) == {"neutral": 20, "happy": 40, "sad": 20, "angry": 20}
    assert not scan.notes and {u.corpus for u in scan.utterances} == {"iemocap"}
    own = test_iemocap.Iemocap(str(clone / "downloads" / "iemocap")).scan()
    assert {(u.key, u.emotion, u.speaker, u.gender) for u in scan.utterances} == {
        (u.key, u.emotion, u.speaker, u.gender) for u in own.utterances
    }


def test_its_folds_are_the_sessions(clone):
    utterances = emobox("iemocap", clone).scan().utterances
    sessions = [[f"{n}f", f"{n}m"] for n in range(1, 6)]
    for fold in range(5):
        official = OfficialFolds(str(clone), "iemocap", fold)
        assert list(official.usable(utterances, [])[0]) == list(range(100)) and official.num_folds(utterances) == 5
        split = official(utterances)
        assert split.test == PublishedFolds("sessions", "iemocap", sessions, fold)(utterances).test
        assert f"fold {fold + 1} of 5" in split.protocol and "EmoBox's folds of iemocap" in split.protocol
        assert not {utterances[i].speaker for i in split.test} & {utterances[i].speaker for i in split.train}


def test_other_folders_and_endings(clone, tmp_path):
    for path in (clone / "downloads" / "iemocap").rglob("*.wav"):
        samples, rate = soundfile.read(path)
        (tmp_path / "mine" / path.parent.name).mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "mine" / path.parent.name / f"{path.stem}.flac", samples, rate)
    scan = emobox("iemocap", clone, root=str(tmp_path)).scan()
    assert len(scan.utterances) == 100 and scan.utterances[0].key.startswith("mine/Ses01F_impro01/")
    split = OfficialFolds(str(clone), "iemocap")(scan.utterances)
    assert {scan.utterances[i].speaker for i in split.test} == {"iemocap_1f", "iemocap_1m"}


def test_equal_names_in_several_folders(tmp_path):
    """CASIA: the folders say who speaks. A recording that is not there takes none of another."""
    lines = [line("casia", f"{n}-{who}-sad", f"{who}/sad/{n}.wav", "sad") for who in ("wang", "liu") for n in (1, 2)]
    clone = write(tmp_path, "casia", [{"train": lines[:3], "test": lines[3:]}], {"sad": "Sad"}, {
        each["key"]: each["key"].split("-")[2] for each in lines
    })  # fmt: skip
    for each in lines[:3]:
        write_tone(tmp_path / each["wav"], 100 + len(each["wav"]))
    with pytest.raises(
        UserError, match="1 of 4 recordings that EmoBox names are not below .*: downloads/casia/liu/sad"
    ):
        emobox("casia", clone).scan()
    scan = emobox("casia", clone, missing="leave_out").scan()
    assert [(u.key, u.speaker) for u in scan.utterances] == [
        ("liu/sad/1.wav", "casia_liu"), ("wang/sad/1.wav", "casia_wang"), ("wang/sad/2.wav", "casia_wang")
    ]  # fmt: skip
    assert scan.notes == ("1 of 4 recordings that EmoBox names are not there: downloads/casia/liu/sad/2.wav",)
    (tmp_path / "downloads" / "casia" / "wang").rename(tmp_path / "x")
    (tmp_path / "downloads" / "casia" / "liu" / "sad").rename(tmp_path / "downloads" / "casia" / "somebody")
    with pytest.raises(UserError, match="1.wav could be downloads/casia/wang/sad/1.wav or downloads/casia/liu/sad/1"):
        emobox("casia", clone).scan()


def test_films_parts_and_copies(tmp_path):
    """MELD: films, an official validation part, equal names in each part; a second copy is no second recording."""
    parts = {"train": "train_splits", "valid": "dev_splits_complete", "test": "output_repeated_splits_test"}
    fold = {
        part: [
            line("meld", f"dia{n}_utt0-{part}", f"{folder}/dia{n}_utt0.mp4", emotion)
            for n, emotion in enumerate(("joy", "anger"))
        ]
        for part, folder in parts.items()
    }
    speakers = {each["key"]: "The Waiter" for lines in fold.values() for each in lines}
    clone = write(tmp_path, "meld", [fold], {"joy": "Happy", "anger": "Angry"}, speakers)
    films = [tmp_path / each["wav"] for lines in fold.values() for each in lines]
    for film in films:
        film.parent.mkdir(parents=True, exist_ok=True)
        film.write_bytes(b"\0\0\0\x18ftypmp42")
    with pytest.raises(UserError, match=r"6 of 6 .*\(convert the .mp4 first, in each folder: for f in \*.mp4"):
        emobox("meld", clone).scan()
    for k, film in enumerate(films):
        write_tone(film.with_suffix(".wav"), 120 + 10 * k)
    copy = tmp_path / "downloads" / "meld" / "copy" / "train_splits"
    copy.mkdir(parents=True)
    (copy / "dia0_utt0.wav").write_bytes(films[0].with_suffix(".wav").read_bytes())
    (tmp_path / "downloads" / "meld").rename(tmp_path / "mine")
    scan = emobox("meld", clone, root=str(tmp_path / "mine")).scan()
    assert len(scan.utterances) == 6 and scan.notes == ("1 second copy skipped",)
    assert {u.speaker for u in scan.utterances} == {"meld_the_waiter"}
    split = OfficialFolds(str(clone), "meld")(scan.utterances)
    assert [scan.utterances[i].key.split("_")[0] for i in split.val] == ["dev", "dev"]
    assert {part: len(found) for part, found in split.parts().items()} == {"train": 2, "val": 2, "test": 2}


def test_pieces_of_long_files(tmp_path):
    """PAVOQUE: recordings are stretches of a long file, cut once."""
    ends = [(0.0, 0.5), (0.5, 1.25), (1.25, 2.0)]
    lines = [
        line("pavoque", f"ob{k}-sad", "pavoque-sad.flac", "poker" if k == 1 else "sad", start_time=start, end_time=end)
        for k, (start, end) in enumerate(ends)
    ]
    speakers = {each["key"]: "STEFAN-RÖTTIG" for each in lines}
    labels = {"sad": "Sad", "poker": "Poker"}
    clone = write(tmp_path, "pavoque", [{"train": lines[:2], "test": lines[2:]}], labels, speakers)
    rate = 44100
    long = [int(1000 * (1 + k * 7 // (2 * rate))) for k in range(2 * rate)]
    (tmp_path / "downloads" / "pavoque").mkdir(parents=True)
    soundfile.write(tmp_path / "downloads" / "pavoque" / "pavoque-sad.flac", [x / 32768 for x in long], rate)
    scan = emobox("pavoque", clone).scan()
    assert [u.key for u in scan.utterances] == [f"pavoque-ob{k}-sad.wav" for k in range(3)]
    assert [u.emotion for u in scan.utterances] == ["sad", "poker", "sad"]
    assert {u.speaker for u in scan.utterances} == {"pavoque_stefan_röttig"}
    for u, (start, end) in zip(scan.utterances, ends, strict=True):
        samples, found = soundfile.read(u.path, dtype="int16")
        assert found == rate and samples.tolist() == long[int(start * rate) : int(end * rate)]
    before = [u.path.stat().st_mtime_ns for u in scan.utterances]
    assert [u.path.stat().st_mtime_ns for u in emobox("pavoque", clone).scan().utterances] == before
    (other := tmp_path / "other").mkdir()
    soundfile.write(other / "pavoque-sad.flac", [x / 65536 for x in long], rate)
    os.utime(other / "pavoque-sad.flac", (1e9, 1e9))
    (quiet, *_) = emobox("pavoque", clone, root=str(other)).scan().utterances
    assert soundfile.read(quiet.path, dtype="int16")[0][0] == long[0] // 2, "another copy has pieces of its own"
    split = OfficialFolds(str(clone), "pavoque", val=0)(scan.utterances)
    assert (split.train, split.test) == ([0, 1], [2])


def test_older_lists_beside_the_official_ones(tmp_path):
    """EMO-DB's folders also hold `emodb_test_fold1.jsonl`."""
    lines = [
        line("emodb", f"03a0{k}{code}a", f"wav/03a0{k}{code}a.wav", emo)
        for k, code, emo in ((1, "W", "anger"), (2, "T", "sad"))
    ]
    clone = write(tmp_path, "emodb", [{"train": lines[:1], "test": lines[1:]}], {"anger": "Angry", "sad": "Sad"}, {})
    fold = clone / "data" / "emodb" / "fold_1"
    (fold / "emodb_test_fold1.jsonl").write_bytes((fold / "emodb_train_fold_1.jsonl").read_bytes())
    for each in lines:
        write_tone(tmp_path / each["wav"], 100 + len(each["emo"]))
    scan = emobox("emodb", clone).scan()
    assert [u.emotion for u in scan.utterances] == ["angry", "sad"]
    split = OfficialFolds(str(clone), "emodb", val=0)(scan.utterances)
    assert (split.train, split.test) == ([0], [1])


def test_labels_speakers_and_what_is_no_emotion(tmp_path):
    """Another case in the map (EMO-DB), labels that are no emotions (MSP-Podcast), no speakers (RESD)."""
    labels = {"Neutral": "Neutral", "boredem": "Boredom", "X": "No-agreement", "11": "pain, groan"}
    lines = [
        line("resd", f"{k} f.wav", f"test/{k} f.wav", emo)
        for k, emo in enumerate(("neutral", "boredem", "X", "11", "q"))
    ]
    clone = write(tmp_path, "resd", [{"train": lines[:3], "test": lines[3:]}], labels, {
        each["key"]: each["key"].removeprefix("resd-") for each in lines
    })  # fmt: skip
    for k in range(5):
        write_tone(tmp_path / "downloads" / "resd" / "test" / f"{k} f.wav", 100 + 20 * k)
    scan = emobox("resd", clone).scan()
    assert [(u.emotion, u.speaker) for u in scan.utterances] == [
        ("neutral", None), ("bored", None), ("pain_groan", None), ("q", None)
    ]  # fmt: skip
    assert scan.notes == (
        "1 recordings left out: no_agreement", "label q is not in label_map.json: used as it is",
        "4 recordings name no speaker",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        ("iemocaps", "dataset.corpus=iemocaps is none of EmoBox's in .*data. Did you mean 'iemocap'"),
        ("../iemocap", "must be the name of a corpus in EmoBox's data"),
        ("", "must be the name of a corpus"),
    ],
)
def test_corpora_that_are_not_there(clone, corpus, words):
    with pytest.raises(UserError, match=words):
        emobox(corpus, clone).scan()


def test_metadata_that_are_not_there_or_none(tmp_path):
    with pytest.raises(UserError, match="nowhere holds no metadata of EmoBox: git clone https://github.com/emo-box"):
        emobox("iemocap", tmp_path / "nowhere").scan()
    with pytest.raises(UserError, match="dataset.metadata is empty"):
        emobox("iemocap", "")
    clone = write(tmp_path, "casia", [{"train": [{"path": "secret"}]}], {"sad": "Sad"}, {})
    (tmp_path / "downloads" / "casia").mkdir(parents=True)
    with pytest.raises(
        UserError, match="line 1 is none of EmoBox's: each line has the texts key, wav and emo"
    ) as error:
        emobox("casia", clone).scan()
    assert "secret" not in str(error.value)
    (clone / "data" / "casia" / "label_map.json").write_text("[]")
    (clone / "data" / "casia" / "fold_1" / "casia_train_fold_1.jsonl").write_text(
        '{"key": "a", "wav": "a", "emo": "x"}'
    )
    with pytest.raises(UserError, match="label_map.json does not map labels to words"):
        emobox("casia", clone).scan()


def test_on_the_command_line(ser, clone, in_tmp):
    base = ["dataset=emobox", "dataset.corpus=iemocap", f"dataset.metadata={clone}/data", "model=mlp", "trainer=cpu"]
    quick = ["model.hidden=[8]", "trainer.max_epochs=1", "run.report=false"]
    code, out, err = ser("train", *base, *quick, "split=official", "split.fold=2")
    assert code == 0, err
    assert "iemocap: 100 recordings, 4 classes" in out and "fold 3 of 5" in out
    assert only_run(in_tmp).name.startswith("emobox_iemocap-")
    tested = (only_run(in_tmp) / "predictions.csv").read_text().splitlines()[1:]
    assert len(tested) == 20 and all(row.startswith("Session3/") for row in tested)
    code, _, err = ser("train", "dataset=demo", "split=official", "run.dry_run=true")
    assert code == 2 and "split=official takes the folds of EmoBox's metadata: use it with dataset=emobox" in err
