"""One corpus trains, another is tested."""

from collections import Counter
from dataclasses import replace

import pytest

from ser.data.corpora.ravdess_tess import RavdessTess
from ser.data.recordings import find_recordings
from ser.data.selection import Selection
from ser.data.splits import CrossCorpusSplit, LeaveOneCorpusOut
from ser.errors import UserError
from tests.conftest import only_run
from tests.made_up import in_two_parts, of_parts, ravdess_like, tess_like, utterance
from tests.tiny_corpora import real_corpus

SHARED = {"angry", "happy", "neutral", "sad"}  # what `tess_like` has


def both():
    return ravdess_like() + tess_like()


def usable(splitter, utterances):
    """The utterances that the split has a use for, its division of them, and its remarks."""
    kept, remarks = splitter.usable(utterances, [u.emotion for u in utterances])
    utterances = [utterances[i] for i in kept]
    return utterances, splitter(utterances), list(remarks)


@pytest.mark.parametrize(("train", "test"), [("ravdess", "tess"), ("tess", "ravdess"), ("RAVDESS", "Tess")])
def test_corpora_with_the_emotions_they_share(train, test):
    utterances, split, remarks = usable(CrossCorpusSplit(train, test), both())
    assert [u.emotion for u in utterances if u.emotion not in SHARED] == []
    assert of_parts(split, utterances, "corpus") == [{train.lower()}, {train.lower()}, {test.lower()}]
    assert not in_two_parts(split, utterances, "speaker")
    assert sorted(split.train + split.val + split.test) == list(range(len(utterances)))
    owner = train if train.lower() == "ravdess" else test
    lost = ("calm", "fearful", "disgust", "surprised")
    assert remarks == [f"48 recordings of {name} left out: only {owner} has it" for name in lost]
    head = f"speaker-independent, {train.upper()} → {test.upper()}; validation speaker-disjoint within {train.upper()}"
    assert split.protocol == head


@pytest.mark.parametrize(
    ("train", "test"), [("tess_oaf", "tess_yaf"), ("OAF", "YAF"), ("yaf", "oaf"), ("tess_YAF", "oaf")]
)
def test_speakers_by_long_and_short_names(train, test):
    utterances, split, remarks = usable(CrossCorpusSplit(train, test), both())
    names = [f"tess_{name.lower()[-3:]}" for name in (train, test)]
    assert of_parts(split, utterances, "speaker") == [{names[0]}, {names[0]}, {names[1]}]
    train_words, held, _ = of_parts(split, utterances, "word")
    assert not train_words & held and len(held) == 2
    assert split.protocol.startswith(f"speaker-independent, {names[0]} → {names[1]}; ")
    assert split.protocol.endswith("validation word-disjoint within the training speaker")
    assert remarks == ["360 recordings left out: of neither side of the split"]


def test_a_corpus_and_a_speaker_of_the_other():
    utterances, split, _ = usable(CrossCorpusSplit("ravdess", "oaf"), both())
    assert of_parts(split, utterances, "speaker")[2] == {"tess_oaf"} and len(utterances) < len(both())


def test_without_validation():
    utterances, split, _ = usable(CrossCorpusSplit("oaf", "yaf", val=0), both())
    assert split.val == [] and len(split.train) == len(split.test) == 40
    assert split.protocol.endswith("; no validation")


def test_the_seed_decides_validation_alone():
    splits = [usable(CrossCorpusSplit("ravdess", "tess", seed=seed), both())[1] for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2] and splits[0].test == splits[2].test


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ("ravdes", "tess", ["split.train=ravdes is neither a corpus (ravdess, tess)", "Did you mean 'ravdess'?"]),
        ("ravdess", "iemocap", ["split.test=iemocap", "(ravdess_01, ravdess_02, ravdess_03, …)", "dataset=joined"]),
        ("tess", "oaf", ["split.train=tess and split.test=oaf share 40 recordings", "name two corpora"]),
        ("oaf", "tess_oaf", ["share 40 recordings"]),
    ],
)
def test_sides_that_cannot_be(train, test, words):
    for call in (lambda splitter: usable(splitter, both()), lambda splitter: splitter(both())):
        with pytest.raises(UserError) as error:
            call(CrossCorpusSplit(train, test))
        assert all(word in str(error.value) for word in words)


def test_one_side_is_no_direction():
    with pytest.raises(UserError, match="split.train and split.test are both TESS"):
        CrossCorpusSplit("TESS", "tess")


def test_a_short_name_of_two_speakers():
    utterances = [utterance(i, speaker=f"{'ab'[i % 2]}_ann", corpus="ab"[i % 2]) for i in range(4)]
    with pytest.raises(UserError, match="split.train=ann could be a_ann or b_ann: write the whole name"):
        CrossCorpusSplit("ann", "b")(utterances)


@pytest.mark.parametrize("emotions", [{"happy"}, set()])
def test_two_classes_must_be_shared(emotions):
    utterances = [u for u in both() if u.corpus == "tess" or u.emotion in emotions | {"calm", "disgust"}]
    with pytest.raises(UserError, match="need two classes in common") as error:
        usable(CrossCorpusSplit("ravdess", "tess"), utterances)
    assert "tess (neutral, happy, sad, angry)" in str(error.value)


def test_labels_count_and_not_emotions():
    utterances = both()
    labels = ["neutral" if u.emotion == "calm" else u.emotion for u in utterances]  # dataset.merge={calm: neutral}
    kept, remarks = CrossCorpusSplit("ravdess", "tess").usable(utterances, labels)
    assert "calm" in {utterances[i].emotion for i in kept} and not any("calm" in remark for remark in remarks)


def test_the_users_own_column_holds():
    utterances = [replace(u, part=("train", "val", "test")[i % 3]) for i, u in enumerate(tess_like())]
    kept, _ = CrossCorpusSplit("ravdess", "tess").usable(utterances, ["happy"] * len(utterances))
    assert list(kept) == list(range(len(utterances)))


def test_copies_across_corpora_are_refused():
    utterances = [replace(u, content=str(i)) for i, u in enumerate(both())]
    utterances[-1] = replace(utterances[-1], content="0")
    with pytest.raises(UserError, match="hold identical samples"):
        CrossCorpusSplit("ravdess", "tess", val=0)(utterances)


def three():
    """Two corpora, and a third whose name has an underscore: 4 speakers, three emotions, one of its own."""
    emotions = ("happy", "sad", "bored")
    crema = [utterance(i, emotions[i % 3], f"crema_d_{1001 + i % 4}", "fm"[i % 2], "crema_d") for i in range(24)]
    return both() + crema


def test_a_speaker_of_a_corpus_whose_name_has_an_underscore():
    utterances, split, _ = usable(CrossCorpusSplit("ravdess", "1002"), three())
    assert of_parts(split, utterances, "speaker")[2] == {"crema_d_1002"}
    utterances, split, _ = usable(CrossCorpusSplit("CREMA-D", "tess"), three())
    assert of_parts(split, utterances, "corpus") == [{"crema_d"}, {"crema_d"}, {"tess"}]


def test_each_corpus_is_left_out_once():
    kept, remarks = LeaveOneCorpusOut().usable(three(), [u.emotion for u in three()])
    utterances = [three()[i] for i in kept]
    assert {u.emotion for u in utterances} == {"happy", "sad"}
    assert "24 recordings of angry left out: only ravdess and tess have it" not in remarks and len(remarks) == 7
    assert any(remark.endswith("of bored left out: only crema_d has it") for remark in remarks)
    assert any(remark.endswith("of angry left out: only ravdess and tess have it") for remark in remarks)
    tested = []
    for fold, name in enumerate(("crema_d", "ravdess", "tess")):
        splitter = LeaveOneCorpusOut(fold=fold)
        split = splitter(utterances)
        train, val, test = of_parts(split, utterances, "corpus")
        assert test == {name} and name not in train | val and train == {"crema_d", "ravdess", "tess"} - {name}
        assert not in_two_parts(split, utterances, "speaker") and splitter.num_folds(utterances) == 3
        assert split.protocol.startswith("speaker-independent, ") and f"→ {name.upper()}, fold" in split.protocol
        assert f"fold {fold + 1} of 3 ({name})" in split.protocol
        tested += split.test
    assert sorted(tested) == list(range(len(utterances)))
    with pytest.raises(UserError, match="split.fold=3: this split has folds 0 to 2"):
        LeaveOneCorpusOut(fold=3)(utterances)


def test_what_cannot_be_left_out():
    with pytest.raises(UserError, match="needs recordings of two corpora, and these are all of tess.*dataset=joined"):
        usable(LeaveOneCorpusOut(), tess_like())
    utterances = [replace(u, emotion="bored") if u.corpus == "tess" else u for u in both()]
    with pytest.raises(UserError, match=r"tess \(bored\) need two classes in common"):
        usable(LeaveOneCorpusOut(), utterances)
    copied = [replace(u, content=str(i)) for i, u in enumerate(both())]
    copied[-1] = replace(copied[-1], content="0")
    with pytest.raises(UserError, match="hold identical samples"):
        usable(
            LeaveOneCorpusOut(val=0), [replace(u, emotion="sad" if i % 2 else "happy") for i, u in enumerate(copied)]
        )


# ---- on the command line -------------------------------------------------------------------------------------------


@pytest.fixture
def command(in_tmp, tiny_ravdess, tiny_tess):
    (in_tmp / "data").mkdir()
    (in_tmp / "data" / "ravdess").symlink_to(tiny_ravdess)
    (in_tmp / "data" / "tess").symlink_to(tiny_tess)
    return ["train", "dataset=ravdess_tess", "dataset.root=data", "split=cross_corpus", "model=mlp", "model.hidden=[8]"]


def test_it_trains_with_the_shared_emotions_and_says_so(ser, command, in_tmp):
    code, out, err = ser(*command, "trainer=cpu", "trainer.max_epochs=1", "run.report=false")
    assert code == 0, err
    assert "7 classes" in out and "12 recordings of calm left out: only ravdess has it" in out
    assert "RAVDESS → TESS" in out
    tested = (only_run(in_tmp) / "predictions.csv").read_text().splitlines()[1:]
    assert len(tested) == 42 and all(line.startswith("tess/") for line in tested)


def test_an_emotion_that_was_asked_for_is_not_left_out_silently(ser, command):
    code, _, err = ser(*command, "dataset.emotions=[calm,angry,sad]", "run.dry_run=true")
    assert code == 2 and "dataset.emotions asks for calm" in err and "only ravdess has it" in err
    code, out, err = ser(*command, "dataset.emotions=[angry,sad]", "run.dry_run=true")
    assert code == 0, err
    assert "2 classes" in out and "left out" not in out


def test_calm_may_count_as_neutral(ser, command):
    code, out, err = ser(*command, "dataset.calm=neutral", "run.dry_run=true")
    assert code == 0, err
    assert "7 classes" in out and "12 calm recordings counted as neutral" in out and "left out" not in out


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("train", "test", "sizes"), [("ravdess", "tess", [1040, 208, 2800]), ("tess", "ravdess", [1400, 1400, 1248])]
)
def test_the_real_corpora(tmp_path, train, test, sizes):
    corpus = RavdessTess(str(real_corpus("ravdess").parent), tess_root=str(real_corpus("tess")))
    splitter = CrossCorpusSplit(train, test)
    recordings = find_recordings(corpus, Selection(), tmp_path, splitter)
    assert recordings.classes == ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    assert "192 recordings of calm left out: only ravdess has it" in recordings.notes
    split = splitter(recordings.utterances)
    assert [len(indices) for indices in split.parts().values()] == sizes
    counts = Counter(recordings.utterances[i].emotion for i in split.test)
    assert set(counts) == set(recordings.classes)
