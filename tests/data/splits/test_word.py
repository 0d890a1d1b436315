"""A split between words."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.corpora.tess import Tess
from ser.data.splits import WordSplit
from ser.errors import UserError
from tests.made_up import QUICK, check_parts, corpora, in_two_parts, of_parts, ravdess_like, seeds, tess_like
from tests.tiny_corpora import real_corpus


@QUICK
@given(corpora(groups=False), st.floats(0, 0.4), st.floats(0.05, 0.4), seeds)
def test_no_word_in_two_parts(utterances, val, test, seed):
    words = {u.word for u in utterances}
    try:
        split = WordSplit(val, test, seed)(utterances)
    except UserError as error:
        assert len(words) < 5 and ("split=word needs" in str(error) or "part is empty" in str(error))
        return
    check_parts(split, utterances, val_is_empty=val == 0)
    assert not in_two_parts(split, utterances, "word")
    assert "word-independent" in split.protocol.split(";")[0]


def test_the_test_words_do_not_depend_on_validation():
    tests = [WordSplit(val, 0.2, 3)(tess_like()).test for val in (0, 0.1, 0.3)]
    assert tests[0] == tests[1] == tests[2]
    assert WordSplit(0.1, 0.2, 4)(tess_like()).test != tests[0]


def test_the_stamp():
    words = "speaker-dependent, word-independent; 2 of 2 test speakers also in train"
    assert WordSplit()(tess_like()).protocol == words


def test_words_that_do_not_suffice():
    with pytest.raises(UserError, match="split=word needs 3 words.*have 2: w0, w1. Use split=speaker"):
        WordSplit()(tess_like(2))
    assert WordSplit(val=0)(tess_like(2)).val == []
    with pytest.raises(UserError, match="holds words apart, but 60 of 140 recordings name none") as error:
        WordSplit()(ravdess_like(4) + tess_like())
    assert "split=statement" in str(error.value)


def test_a_copy_under_another_word_is_refused():
    utterances = [replace(u, content=str(i)) for i, u in enumerate(tess_like())]
    split = WordSplit()(utterances)
    utterances[split.val[0]] = replace(utterances[split.val[0]], content=utterances[split.test[0]].content)
    with pytest.raises(UserError, match="would be in val and test"):
        WordSplit()(utterances)


@pytest.mark.corpus
def test_the_real_tess_keeps_emotions_and_speakers_in_proportion():
    tess = Tess(str(real_corpus("tess"))).scan().utterances
    for seed in range(4):
        split = WordSplit(0.1, 0.2, seed)(tess)
        check_parts(split, tess)
        assert [len(words) for words in of_parts(split, tess, "word")] == [140, 20, 40]
        for indices in split.parts().values():
            assert len(set(Counter((tess[i].emotion, tess[i].speaker) for i in indices).values())) == 1
