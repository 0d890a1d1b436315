"""A division that somebody has written down."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ser.data.splits import ListedSplit
from ser.errors import UserError
from ser.instantiate import build
from tests.conftest import only_run
from tests.made_up import check_parts, in_two_parts, of_parts, ravdess_like, tess_like, utterance


def write(file, utterances, part_of):
    """A CSV that names each utterance's part; None leaves it out."""
    rows = [f"downloads/{u.key},{part_of(u)}" for u in utterances if part_of(u)]
    file.write_text("\n".join(["path,split", *rows]) + "\n")
    return str(file)


def by_speaker(test, val=()):
    return lambda u: "test" if u.speaker in test else "val" if u.speaker in val else "train"


def usable(splitter, utterances):
    return splitter.usable(utterances, [u.emotion for u in utterances])


def test_parts_are_those_of_the_file(tmp_path):
    utterances = ravdess_like(6)
    splitter = ListedSplit(write(tmp_path / "mine.csv", utterances, by_speaker({"ravdess_01"}, {"ravdess_02"})))
    split = splitter(utterances)
    check_parts(split, utterances)
    assert of_parts(split, utterances, "speaker")[1:] == [{"ravdess_02"}, {"ravdess_01"}]
    words = "speaker-independent; 2 of 2 test statements also in train; parts named by mine.csv"
    assert split.protocol == words
    kept, remarks = usable(splitter, utterances)
    assert list(kept) == list(range(len(utterances))) and not remarks
    assert splitter.num_folds(utterances) is None


def test_what_a_file_does_not_hold_apart_is_counted(tmp_path):
    utterances = ravdess_like(4)
    splitter = ListedSplit(
        write(tmp_path / "mine.csv", utterances, lambda u: ("train", "test", "val")[int(u.key[:-4]) % 3])
    )
    assert splitter(utterances).protocol.startswith("speaker-dependent; ")


# ---- validation where the file names none --------------------------------------------------------------------------


def test_of_unheard_test_speakers_validation_is_speaker_disjoint(tmp_path):
    utterances = ravdess_like(8)
    file = write(tmp_path / "mine.csv", utterances, by_speaker({"ravdess_01", "ravdess_02"}))
    split = ListedSplit(file)(utterances)
    check_parts(split, utterances)
    assert not in_two_parts(split, utterances, "speaker")
    assert len(of_parts(split, utterances, "speaker")[1]) == 2  # a woman and a man
    assert ListedSplit(file, seed=1)(utterances).test == split.test


def test_of_one_training_speaker_validation_is_word_disjoint(tmp_path):
    utterances = tess_like()
    split = ListedSplit(write(tmp_path / "mine.csv", utterances, by_speaker({"tess_yaf"})))(utterances)
    check_parts(split, utterances)
    assert "validation word-disjoint within the training speaker; parts named by mine.csv" in split.protocol


def test_of_unheard_words_validation_is_word_disjoint(tmp_path):
    utterances = tess_like()
    file = write(tmp_path / "mine.csv", utterances, lambda u: "test" if u.word < "w4" else "train")
    split = ListedSplit(file, val=0.3)(utterances)
    assert not in_two_parts(split, utterances, "word") and len(of_parts(split, utterances, "word")[1]) == 2


def test_of_another_statement_validation_is_speaker_disjoint(tmp_path):
    utterances = ravdess_like(6)
    file = write(tmp_path / "mine.csv", utterances, lambda u: "test" if u.statement == "kids" else "train")
    split = ListedSplit(file)(utterances)
    train, held, _ = of_parts(split, utterances, "speaker")
    assert not train & held and "validation speaker-disjoint" in split.protocol


@pytest.mark.parametrize("forget_speakers", [False, True])
def test_where_test_has_nothing_apart_validation_is_stratified(tmp_path, forget_speakers):
    utterances = [replace(u, speaker=None) for u in ravdess_like(6)] if forget_speakers else ravdess_like(6)
    file = write(tmp_path / "mine.csv", utterances, lambda u: "test" if int(u.key[:-4]) % 4 == 0 else "train")
    split = ListedSplit(file, val=0.2)(utterances)
    check_parts(split, utterances)
    assert len(split.val) == round(0.2 * (len(split.val) + len(split.train)))
    assert "validation" not in split.protocol
    assert ListedSplit(file, val=0)(utterances).val == []


# ---- files that do not fit -----------------------------------------------------------------------------------------


def test_names_without_a_recording_are_refused_or_ignored(tmp_path):
    utterances = ravdess_like(4)
    file = write(tmp_path / "mine.csv", utterances, by_speaker({"ravdess_01"}, {"ravdess_02"}))
    used = [u for u in utterances if u.emotion != "calm"]  # dataset.emotions
    with pytest.raises(UserError) as error:
        usable(ListedSplit(file), used)
    assert "names 8 recordings that are not among those used: downloads/" in str(error.value)
    assert "split.unknown=ignore" in str(error.value) and file in str(error.value)
    splitter = ListedSplit(file, unknown="ignore")
    kept, remarks = usable(splitter, used)
    assert list(kept) == list(range(len(used)))
    assert remarks == ["8 names in mine.csv skipped: not among the recordings used"]
    check_parts(splitter(used), used)


def test_recordings_without_a_part_are_refused_or_left_out(tmp_path):
    utterances = ravdess_like(6)
    parts = by_speaker({"ravdess_01"}, {"ravdess_02"})
    file = write(tmp_path / "mine.csv", utterances, lambda u: parts(u) if u.emotion != "calm" else None)
    for call in (usable, ListedSplit.__call__):
        with pytest.raises(UserError) as error:
            call(ListedSplit(file), utterances)
        assert "names no part for 12 of 90 recordings: " in str(error.value)
        assert "split.missing=leave_out" in str(error.value)
    splitter = ListedSplit(file, missing="leave_out")
    kept, remarks = usable(splitter, utterances)
    assert {utterances[i].emotion for i in range(90)} - {utterances[i].emotion for i in kept} == {"calm"}
    assert remarks == ["12 recordings left out: not named in mine.csv"]
    split = splitter(utterances)
    assert len(split.train + split.val + split.test) == 78


def test_the_list_of_another_dataset(tmp_path):
    file = write(tmp_path / "mine.csv", [utterance("other"), utterance("more")], lambda u: "train")
    for unknown in ("stop", "ignore"):
        with pytest.raises(UserError, match="names no recording of this dataset, but downloads/other.wav"):
            usable(ListedSplit(file, unknown=unknown, missing="leave_out"), ravdess_like(4))


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_that_is_not_named(tmp_path, part):
    utterances = ravdess_like(4)
    file = write(tmp_path / "mine.csv", utterances, lambda u: "val" if u.speaker == "ravdess_01" else part)
    with pytest.raises(UserError, match="mine.csv names no recording for"):
        ListedSplit(file)(utterances)


def test_copies_in_two_parts_are_refused(tmp_path):
    utterances = [replace(u, content=str(i)) for i, u in enumerate(ravdess_like(4))]
    file = write(tmp_path / "mine.csv", utterances, by_speaker({"ravdess_01"}, {"ravdess_02"}))
    utterances[-1] = replace(utterances[-1], content="0")
    with pytest.raises(UserError, match="hold identical samples but would be in train and test"):
        ListedSplit(file)(utterances)


def test_a_list_of_recordings_that_has_its_own_division(tmp_path):
    utterances = [replace(u, part="train") for u in ravdess_like(4)]
    with pytest.raises(UserError, match="split.file names another division: remove one"):
        usable(ListedSplit(write(tmp_path / "mine.csv", utterances, by_speaker(()))), utterances)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"file": ""}, "split.file is empty"),
        ({"file": "x.csv", "missing": "leave"}, "split.missing=leave must be stop or leave_out. Did you mean"),
        ({"file": "x.csv", "unknown": "skip"}, "split.unknown=skip must be stop or ignore"),
    ],
)
def test_settings_that_do_not_exist(settings, words):
    with pytest.raises(UserError, match=words):
        build({"_target_": "ser.data.splits.ListedSplit", **settings}, "split")


# ---- EmoBox --------------------------------------------------------------------------------------------------------


def write_emobox(folder, utterances, folds):
    """`folds` are the speakers tested in each; EmoBox has no validation."""
    for number, tested in enumerate(folds, start=1):
        (folder / f"fold_{number}").mkdir(parents=True)
        for part in ("train", "test"):
            lines = [json.dumps({"key": f"made_up-{u.key}", "wav": f"downloads/{u.key}", "emo": u.emotion})
                     for u in utterances if (u.speaker in tested) == (part == "test")]  # fmt: skip
            (folder / f"fold_{number}" / f"made_up_{part}_fold_{number}.jsonl").write_text("\n".join(lines))
    return str(folder)


def test_the_folds_of_emobox(tmp_path):
    utterances = ravdess_like(6)
    folds = [{"ravdess_01", "ravdess_02"}, {"ravdess_03", "ravdess_04"}, {"ravdess_05", "ravdess_06"}]
    folder = write_emobox(tmp_path / "made_up", utterances, folds)
    assert ListedSplit(folder).num_folds(utterances) == 3
    for fold, tested in enumerate(folds):
        split = ListedSplit(folder, fold)(utterances)
        check_parts(split, utterances)
        assert of_parts(split, utterances, "speaker")[2] == tested
        assert not in_two_parts(split, utterances, "speaker")
        assert split.protocol.startswith(f"speaker-independent, fold {fold + 1} of 3; ")
    assert ListedSplit(f"{folder}/fold_2")(utterances).test == ListedSplit(folder, 1)(utterances).test
    with pytest.raises(UserError, match="split.fold=3: this split has folds 0 to 2."):
        ListedSplit(folder, 3)(utterances)
    with pytest.raises(UserError, match="split.fold=1, but .* is one division without folds"):
        ListedSplit(f"{folder}/fold_2", 1)(utterances)


# ---- identity ------------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_what_the_file_says(tmp_path):
    utterances = ravdess_like(4)
    file = Path(write(tmp_path / "mine.csv", utterances, by_speaker({"ravdess_01"})))
    name = ListedSplit(str(file)).fingerprint()
    header, *rows = file.read_text().splitlines()
    file.write_text("\r\n".join([header, *reversed(rows)]))
    assert ListedSplit(str(file)).fingerprint() == name  # order and line ends make no difference
    file.write_text("\n".join([header, *rows[:-1], rows[-1].replace("train", "test")]))
    assert ListedSplit(str(file)).fingerprint() != name


# ---- on the command line -------------------------------------------------------------------------------------------


def test_it_trains_on_the_parts_of_a_file(ser, quick, in_tmp, tiny_ravdess):
    stems = sorted(path.stem for path in tiny_ravdess.rglob("*.wav"))
    rows = [f"{stem}.wav,{'test' if stem.endswith('01') else 'train'}" for stem in stems]
    (in_tmp / "mine.csv").write_text("\n".join(["file,part", *rows]))
    command = [*(word for word in quick if word != "split=random"), "split=file", "trainer.max_epochs=1"]
    code, out, err = ser(*command, "split.file=mine.csv")
    assert code == 0, err
    assert "parts named by mine.csv" in out and "speaker-independent" in out
    assert len((only_run(in_tmp) / "predictions.csv").read_text().splitlines()) == 1 + 16
    code, _, err = ser(*command, "run.dry_run=true")
    assert code == 2 and "split.file" in err
    code, _, err = ser(*command, "split.file=elsewhere.csv", "run.dry_run=true")
    assert code == 2 and "There is no split file" in err and "elsewhere.csv" in err
    (in_tmp / "mine.csv").write_text("\n".join(["file,part", *rows[:-1]]))
    code, _, err = ser(*command, "split.file=mine.csv", "run.dry_run=true")
    assert code == 2 and "split.missing=leave_out" in err


def test_a_bad_file_that_is_skipped_is_no_mistake_of_the_list(ser, quick, in_tmp):
    from tests.tiny_corpora import write_tiny_ravdess

    root = write_tiny_ravdess(in_tmp / "ravdess", actors=range(1, 5))
    paths = sorted(root.rglob("*.wav"))
    rows = [f"{path.name},{'test' if path.stem.endswith('01') else 'train'}" for path in paths]
    (in_tmp / "mine.csv").write_text("\n".join(["path,split", *rows]))
    paths[-1].write_bytes(b"")
    command = [*(word for word in quick if word != "split=random"), "split=file", "split.file=mine.csv"]
    code, out, err = ser(*command, f"dataset.root={root}", "dataset.on_bad_file=skip", "run.dry_run=true")
    assert code == 0, err
    assert f"1 bad file left out: 1 empty file ({paths[-1].parent.name}/{paths[-1].name})" in " ".join(out.split())
