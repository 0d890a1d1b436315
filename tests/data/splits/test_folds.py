"""Folds: over recordings, over speakers, over single speakers."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.build import with_one_form
from ser.data.corpora.tess import Tess
from ser.data.splits import KFold, LeaveOneSpeakerOut, SpeakerKFold, StatementSplit
from ser.errors import UserError
from tests.made_up import (
    QUICK,
    check_parts,
    corpora,
    in_two_parts,
    of_parts,
    ravdess_like,
    real_ravdess,
    seeds,
    tess_like,
    utterance,
)
from tests.tiny_corpora import real_corpus


def all_folds(make, utterances):
    """The split of every fold, after checking that the test parts divide the corpus."""
    number = make(0).num_folds(utterances)
    splits = [make(fold)(utterances) for fold in range(number)]
    assert sorted(i for split in splits for i in split.test) == list(range(len(utterances)))
    return splits


@QUICK
@given(corpora(least=30), st.integers(2, 6), st.floats(0.05, 0.3), seeds)
def test_kfold_divides_the_corpus_and_never_parts_copies(utterances, k, val, seed):
    for split in all_folds(lambda fold: KFold(k, fold, val, seed), utterances):
        check_parts(split, utterances)
        assert not in_two_parts(split, utterances)


@QUICK
@given(corpora(least=30, groups=False), st.integers(2, 6), st.floats(0.05, 0.3), seeds)
def test_kfold_is_stratified_to_within_one(utterances, k, val, seed):
    whole = Counter(u.emotion for u in utterances)
    for split in all_folds(lambda fold: KFold(k, fold, val, seed), utterances):
        assert abs(len(split.test) - len(utterances) / k) < 1 and len(split.val) == round(val * len(utterances))
        counts = Counter(utterances[i].emotion for i in split.test)
        assert all(abs(counts[emotion] - whole[emotion] / k) < 1 for emotion in whole)


@QUICK
@given(corpora(groups=False), st.integers(2, 6), st.floats(0.05, 0.4), seeds)
def test_speaker_kfold_tests_each_speaker_once_and_validates_on_others(utterances, k, val, seed):
    utterances = [replace(u, word=None) for u in utterances]
    speakers = {u.speaker for u in utterances}
    if len(speakers) < k or len(speakers) - math.ceil(len(speakers) / k) < 2:  # both are refused: tested below
        return
    for split in all_folds(lambda fold: SpeakerKFold(k, fold, val, seed), utterances):
        check_parts(split, utterances)
        assert not in_two_parts(split, utterances, "speaker")
        assert split.protocol.startswith("speaker-independent, ")


@pytest.mark.parametrize("k", [2, 3, 5, 6, 8])
def test_speaker_kfold_is_balanced_by_gender(k):
    utterances = ravdess_like()
    genders = {u.speaker: u.gender for u in utterances}
    for split in all_folds(lambda fold: SpeakerKFold(k, fold), utterances):
        _, held, tested = of_parts(split, utterances, "speaker")
        assert abs(len(tested) - 24 / k) < 1
        counts = Counter(genders[speaker] for speaker in tested)
        assert abs(counts["female"] - counts["male"]) <= 1
        assert Counter(genders[speaker] for speaker in held) == {"female": 2, "male": 2}


@QUICK
@given(corpora(groups=False), st.floats(0.05, 0.4), seeds)
def test_leave_one_speaker_out_tests_each_alone(utterances, val, seed):
    utterances = [replace(u, word=None) for u in utterances]
    speakers = sorted({u.speaker for u in utterances})
    if len(speakers) < 3:
        return
    splits = all_folds(lambda fold: LeaveOneSpeakerOut(fold, val, seed), utterances)
    assert [of_parts(split, utterances, "speaker")[2] for split in splits] == [{speaker} for speaker in speakers]
    assert not any(in_two_parts(split, utterances, "speaker") for split in splits)


@pytest.mark.parametrize("splitter", [LeaveOneSpeakerOut, lambda fold: SpeakerKFold(2, fold)])
def test_of_two_speakers_validation_is_word_disjoint(splitter):
    utterances = tess_like()
    tested = set()
    for split in all_folds(splitter, utterances):
        check_parts(split, utterances)
        assert split.protocol.endswith("validation word-disjoint within the training speaker")
        train, held, _ = of_parts(split, utterances, "word")
        assert not train & held and len(held) == 2
        tested |= of_parts(split, utterances, "speaker")[2]
    assert tested == {"tess_oaf", "tess_yaf"}
    with pytest.raises(UserError, match="alone is left to train on.*split.val=0"):
        splitter(0)([replace(u, word=None) for u in utterances])


@pytest.mark.parametrize(
    "make", [lambda **given: KFold(4, **given), lambda **given: SpeakerKFold(4, **given), LeaveOneSpeakerOut]
)
def test_folds_depend_on_the_seed_alone(make):
    utterances = ravdess_like(8)
    tests = [make(fold=1, val=val)(utterances).test for val in (0, 0.1, 0.3)]
    assert tests[0] == tests[1] == tests[2]
    assert make(fold=1)(utterances) == make(fold=1)(list(utterances))
    if make is not LeaveOneSpeakerOut:
        assert make(fold=1, seed=1)(utterances).test != tests[0]


@pytest.mark.parametrize(
    ("splitter", "last"),
    [(KFold, 4), (lambda fold: SpeakerKFold(3, fold), 2), (LeaveOneSpeakerOut, 5), (StatementSplit, 1)],
)
def test_a_fold_that_does_not_exist(splitter, last):
    with pytest.raises(UserError) as error:
        splitter(fold=7)(ravdess_like(6))
    assert str(error.value) == f"split.fold=7: this split has folds 0 to {last}."


def test_more_folds_than_there_are_members():
    with pytest.raises(UserError, match="split.k=5 folds need as many speakers.*have 4. Use split.k=4"):
        SpeakerKFold()(ravdess_like(4))
    with pytest.raises(UserError, match="split.k=2 folds need as many speakers.*have 1. Use split=kfold"):
        SpeakerKFold(2)(ravdess_like(1))
    with pytest.raises(UserError, match="split.k=5 folds need as many different recordings, and there are 3"):
        KFold()([utterance(i, content=f"c{i % 3}") for i in range(9)])
    with pytest.raises(UserError, match="needs 2 speakers, and the recordings used have 1: ravdess_01"):
        LeaveOneSpeakerOut()(ravdess_like(1))


def test_validation_that_leaves_nothing_to_train_on():
    with pytest.raises(UserError, match="The train part is empty: 60 recordings.*split.fold=0 and split.val=0.5"):
        KFold(2, val=0.5)(ravdess_like(4))


@pytest.mark.parametrize("make", [LeaveOneSpeakerOut, lambda **given: SpeakerKFold(2, **given)])
@pytest.mark.parametrize("val", [0, 0.2])
def test_a_corpus_to_train_on_alone_is_in_no_fold(make, val):
    ours, further = tess_like(), ravdess_like(6)
    utterances = (
        [it for pair in zip(ours, further, strict=False) for it in pair] + ours[len(further) :] + further[len(ours) :]
    )
    alone = make(fold=0, val=val)(ours)
    assert make(train_only="ravdess").num_folds(utterances) == make().num_folds(ours) == 2
    tested = set()
    for fold in range(2):
        split = make(fold=fold, val=val, train_only=["RAVDESS"])(utterances)
        if val:
            check_parts(split, utterances)
        train, held, test = of_parts(split, utterances, "speaker")
        assert {f"ravdess_{i:02}" for i in range(1, 7)} <= train and len(test) == 1 and test.isdisjoint(train | held)
        assert all(speaker.startswith("tess") for speaker in held | test)
        assert sum(utterances[i].corpus == "ravdess" for i in split.train) == len(further)
        assert "trained on RAVDESS too" in split.protocol and "speaker-independent" in split.protocol
        tested |= test
        if fold == 0:  # what is tested and validated is as without the other corpus
            for part in ("val", "test"):
                assert {utterances[i].key for i in getattr(split, part)} == {ours[i].key for i in getattr(alone, part)}
    assert tested == {"tess_oaf", "tess_yaf"}


def test_one_speaker_beside_a_corpus_to_train_on():
    utterances = [u for u in tess_like() if u.speaker == "tess_oaf"] + ravdess_like(3)
    make = LeaveOneSpeakerOut(val=0, train_only=["ravdess"])
    split = make(utterances)
    assert make.num_folds(utterances) == 1 and of_parts(split, utterances, "corpus") == [{"ravdess"}, set(), {"tess"}]
    with pytest.raises(UserError, match=r"Nobody is left to validate on.*split.val=0"):
        LeaveOneSpeakerOut(train_only=["ravdess"])(utterances)


def test_classes_that_nobody_tested_has_are_not_trained_on():
    utterances = tess_like() + ravdess_like(3)
    labels = [u.emotion for u in utterances]
    kept, remarks = LeaveOneSpeakerOut(train_only=["ravdess"]).usable(utterances, labels)
    lost = {u.emotion for u in ravdess_like(3)} - {u.emotion for u in tess_like()}
    assert lost and {labels[i] for i in kept} == set(labels) - lost
    assert [i for i, label in enumerate(labels) if label not in lost] == list(kept)
    assert {remark.split()[3] for remark in remarks} == lost and "left out: nobody tested has it" in remarks[0]
    kept, remarks = LeaveOneSpeakerOut(train_only=["tess"]).usable(utterances, labels)
    assert len(kept) == len(utterances) and not remarks
    numbers = [(0.1, 0.2)] * len(utterances)
    assert list(LeaveOneSpeakerOut(train_only=["ravdess"]).usable(utterances, numbers)[0]) == list(range(len(numbers)))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["tes"], r"split.train_only=tes is no corpus of the recordings used \(ravdess, tess\). Did you mean 'tess'"),
        ("ravdes", r"split.train_only=ravdes is no corpus.*Did you mean 'ravdess'.*dataset=joined"),
        (["ravdess", "tess"], "names all corpora of the recordings used.*leave one out"),
    ],
)
def test_a_corpus_to_train_on_that_there_is_not(names, words):
    with pytest.raises(UserError, match=words):
        SpeakerKFold(2, train_only=names).usable(tess_like() + ravdess_like(2), ["happy"] * 70)
    with pytest.raises(UserError, match=words):
        SpeakerKFold(2, train_only=names)(tess_like() + ravdess_like(2))


def test_a_list_that_names_the_parts_takes_no_corpus_to_train_on():
    utterances = [replace(u, part="train") for u in tess_like() + ravdess_like(2)]
    with pytest.raises(UserError, match="The list names the part of each recording, and split.train_only"):
        LeaveOneSpeakerOut(train_only=["ravdess"]).usable(utterances, [u.emotion for u in utterances])


def test_what_only_trains_is_in_no_fold_and_says_the_same_in_one_form():
    utterances = tess_like() + ravdess_like(2)
    split = LeaveOneSpeakerOut(train_only="RAVDESS")
    assert [utterances[i].corpus for i in split.in_folds(utterances)] == ["tess"] * len(tess_like())
    assert split.leaves_out and not LeaveOneSpeakerOut().leaves_out
    forms = [["RAVDESS"], "ravdess", ["ravdess", "Ravdess"]], [[], None, ()], [["tess", "a b"], ("a_b", "TESS")]
    for same in forms:
        found = {str(with_one_form({"split": {"train_only": form, "k": 2}})) for form in same}
        assert len(found) == 1, found
    assert with_one_form({"split": {"k": 2}}) == {"split": {"k": 2}}


@pytest.mark.parametrize("splitter", [SpeakerKFold, LeaveOneSpeakerOut])
def test_unknown_speakers(splitter):
    utterances = [replace(u, speaker=None) for u in ravdess_like(4)]
    with pytest.raises(UserError, match="holds speakers apart, but 60 of 60 recordings name none.*split=random"):
        splitter().num_folds(utterances)


def test_the_stamp_names_the_fold():
    utterances = [replace(u, statement=None) for u in ravdess_like(6)]
    words = [make(fold=2)(utterances).protocol for make in (KFold, LeaveOneSpeakerOut)]
    assert words == [
        "speaker-dependent, fold 3 of 5; 6 of 6 test speakers also in train",
        "speaker-independent, fold 3 of 6 (ravdess_03)",
    ]


@pytest.mark.corpus
def test_the_real_ravdess():
    """The identical pair of actor 7 stays together in each fold."""
    ravdess = real_ravdess()
    for make in (lambda fold: KFold(5, fold), lambda fold: SpeakerKFold(6, fold), LeaveOneSpeakerOut):
        for split in all_folds(make, ravdess):
            check_parts(split, ravdess)
            assert not in_two_parts(split, ravdess)
    sizes = [len(KFold(5, fold)(ravdess).test) for fold in range(5)]
    assert sum(sizes) == 1440 and max(sizes) - min(sizes) <= 2


@pytest.mark.corpus
def test_the_real_tess():
    tess = Tess(str(real_corpus("tess"))).scan().utterances
    assert [len(split.test) for split in all_folds(lambda fold: KFold(10, fold), tess)] == [280] * 10
    assert [len(split.test) for split in all_folds(LeaveOneSpeakerOut, tess)] == [1400, 1400]
