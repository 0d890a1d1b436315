"""A draw over speakers."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.corpora.tess import Tess
from ser.data.splits import SpeakerSplit
from ser.errors import UserError
from tests.made_up import (
    QUICK,
    check_parts,
    corpora,
    of_parts,
    ravdess_like,
    real_ravdess,
    seeds,
    tess_like,
    utterance,
)
from tests.tiny_corpora import real_corpus, write_tiny_tess


@QUICK
@given(corpora(groups=False), st.floats(0, 0.4), st.floats(0.05, 0.4), seeds)
def test_no_speaker_in_two_parts(utterances, val, test, seed):
    utterances = [replace(u, word=None) for u in utterances]
    speakers = {u.speaker for u in utterances}
    try:
        split = SpeakerSplit(val, test, seed)(utterances)
    except UserError as error:
        assert len(speakers) < 3 and "split=random" in str(error)
        return
    assert len(speakers) >= (3 if val else 2)
    check_parts(split, utterances, val_is_empty=val == 0)
    assert sum(map(len, of_parts(split, utterances, "speaker"))) == len(speakers)
    assert split.protocol.startswith("speaker-independent")


@pytest.mark.parametrize("seed", range(10))
def test_speakers_of_val_and_test_are_balanced_by_gender(seed):
    utterances = ravdess_like()
    split = SpeakerSplit(0.15, 0.15, seed)(utterances)
    genders = {u.speaker: u.gender for u in utterances}
    for speakers, each in zip(of_parts(split, utterances, "speaker"), (8, 2, 2), strict=True):
        assert Counter(genders[speaker] for speaker in speakers) == {"female": each, "male": each}


def test_every_speaker_comes_to_test_and_to_val():
    utterances = ravdess_like(8)
    splits = [SpeakerSplit(0.15, 0.15, seed)(utterances) for seed in range(40)]
    for part in ("val", "test"):
        in_part = {utterances[i].speaker for split in splits for i in split.parts()[part]}
        assert len(in_part) == 8


@pytest.mark.parametrize(
    "genders", [("female", "male", "male"), ("female", "male", None), ("female",) * 3, (None,) * 3]
)
def test_three_speakers_of_any_genders_are_one_for_each_part(genders):
    utterances = [utterance(i, "happy", f"s{i % 3}", genders[i % 3]) for i in range(9)]
    for seed in range(10):
        split = SpeakerSplit(0.15, 0.15, seed)(utterances)
        assert [len(indices) for indices in split.parts().values()] == [3, 3, 3]


def test_two_speakers_without_words():
    utterances = [utterance(i, "happy", f"s{i % 2}") for i in range(8)]
    with pytest.raises(UserError, match=r"needs 3 speakers.*have 2: s0, s1.*split=random, or split.val=0"):
        SpeakerSplit(0.2, 0.2)(utterances)
    split = SpeakerSplit(0, 0.2)(utterances)
    assert split.val == [] and len(split.train) == len(split.test) == 4


@pytest.mark.parametrize("val", [0, 0.2])
def test_one_speaker_is_too_few(val):
    with pytest.raises(UserError, match="split=random") as error:
        SpeakerSplit(val, 0.2)([utterance(i, "happy", "s0", word=f"w{i}") for i in range(8)])
    assert "have 1: s0" in str(error.value)


def test_shares_that_leave_one_speaker_who_has_no_words():
    utterances = [utterance(i, "happy", f"s{i % 3}", "female") for i in range(9)]
    with pytest.raises(UserError, match="alone is left to train on.*split.val=0"):
        SpeakerSplit(0.3, 0.6)(utterances)


def test_unknown_speakers_are_counted_and_the_remedies_named():
    utterances = [utterance(i, speaker="s0" if i else None) for i in range(5)]
    with pytest.raises(UserError, match=r"1 of 5 recordings name none \(0.wav\).*split=random") as error:
        SpeakerSplit()(utterances)
    assert "column speaker" in str(error.value) and "{speaker}" in str(error.value)


def test_copies_under_two_speakers_names_are_refused():
    utterances = ravdess_like(6)
    utterances = [replace(u, content=f"c{u.speaker}-{i}") for i, u in enumerate(utterances)]
    split = SpeakerSplit(0.15, 0.15, 0)(utterances)
    first, second = split.train[0], split.test[0]
    for i in (first, second):
        utterances[i] = replace(utterances[i], content="same")
    with pytest.raises(UserError, match="identical samples") as error:
        SpeakerSplit(0.15, 0.15, 0)(utterances)
    assert utterances[first].key in str(error.value) and utterances[second].key in str(error.value)


def check_tess(utterances, split, val):
    """One actress is tested; of the other, validation has words of its own."""
    train, held, tested = of_parts(split, utterances, "speaker")
    assert train == held and len(train) == len(tested) == 1 and train != tested
    assert "validation word-disjoint within the training speaker" in split.protocol
    train, held, _ = of_parts(split, utterances, "word")
    assert not train & held and len(held) == max(1, round(val * len(train | held)))
    return next(iter(tested))


def test_tess_is_one_actress_against_the_other(tmp_path):
    words = ["back", "bite", "dog", "ring", "sad"]
    utterances = Tess(str(write_tiny_tess(tmp_path, words, emotions=["angry", "sad"]))).scan().utterances
    tested = set()
    for seed in range(12):
        split = SpeakerSplit(0.2, 0.2, seed)(utterances)
        check_parts(split, utterances)
        tested.add(check_tess(utterances, split, 0.2))
    assert tested == {"tess_oaf", "tess_yaf"}, "both directions occur"


def test_the_stamp_of_two_speakers_says_who_is_tested():
    split = SpeakerSplit(0.2, 0.2, 0)(tess_like())
    assert split.protocol.split(";")[0] in [
        "speaker-independent, tess_oaf → tess_yaf",
        "speaker-independent, tess_yaf → tess_oaf",
    ]


@pytest.mark.corpus
def test_the_real_tess():
    utterances = Tess(str(real_corpus("tess"))).scan().utterances
    for seed in range(4):
        split = SpeakerSplit(0.15, 0.15, seed)(utterances)
        check_parts(split, utterances)
        check_tess(utterances, split, 0.15)
        assert [len(indices) for indices in split.parts().values()] == [1190, 210, 1400]


@pytest.mark.corpus
def test_the_real_ravdess():
    ravdess = real_ravdess()
    for seed in range(10):
        split = SpeakerSplit(0.15, 0.15, seed)(ravdess)
        check_parts(split, ravdess)
        assert [len(indices) for indices in split.parts().values()] == [960, 240, 240]
        for part in ("val", "test"):
            speakers = {(ravdess[i].gender, ravdess[i].speaker) for i in split.parts()[part]}
            assert Counter(gender for gender, _ in speakers) == {"female": 2, "male": 2}
