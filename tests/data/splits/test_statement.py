"""A split between sentences."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.data.splits import StatementSplit
from ser.errors import UserError
from tests.made_up import QUICK, check_parts, corpora, in_two_parts, of_parts, ravdess_like, real_ravdess, seeds


@QUICK
@given(corpora(groups=False), st.floats(0.05, 0.4), seeds)
def test_the_tested_statement_is_nowhere_else(utterances, val, seed):
    utterances = [replace(u, word=None) for u in utterances]
    number = StatementSplit().num_folds(utterances)
    statements = {u.statement for u in utterances}
    voices = [{u.speaker for u in utterances if u.statement == statement} for statement in statements]
    if number == 2 and min(map(len, voices)) == 1:  # one statement is left, said by one voice
        val = 0
    for fold in range(number):
        split = StatementSplit(fold, val, seed)(utterances)
        check_parts(split, utterances, val_is_empty=val == 0)
        if number > 2:  # validation is apart in the same sense
            assert not in_two_parts(split, utterances, "statement")
        assert "statement-independent" in split.protocol.split(";")[0]


@pytest.mark.parametrize(("fold", "tested"), [(0, "dogs"), (1, "kids")])
def test_of_two_statements_validation_is_speaker_disjoint(fold, tested):
    utterances = ravdess_like()
    split = StatementSplit(fold)(utterances)
    assert of_parts(split, utterances, "statement")[2] == {tested}
    train, held, _ = of_parts(split, utterances, "speaker")
    assert not train & held and len(held) == 4
    assert split.protocol == (
        f"speaker-dependent, statement-independent, fold {fold + 1} of 2 ({tested}); "
        "24 of 24 test speakers also in train or validation; validation speaker-disjoint"
    )


def test_one_speaker_and_two_statements():
    utterances = ravdess_like(1)
    with pytest.raises(UserError, match="ravdess_01 alone is left to train on.*split.val=0"):
        StatementSplit()(utterances)
    assert StatementSplit(val=0)(utterances).val == []


def test_statements_that_do_not_suffice():
    utterances = ravdess_like(4)
    with pytest.raises(UserError, match="needs 2 statements, and the recordings used have one, dogs"):
        StatementSplit()([u for u in utterances if u.statement == "dogs"])
    with pytest.raises(UserError, match="holds statements apart, but 60 of 60 recordings name none") as error:
        StatementSplit()([replace(u, statement=None) for u in utterances])
    assert "{statement}" in str(error.value) and "split=speaker" in str(error.value)


@pytest.mark.corpus
def test_the_real_ravdess():
    """The identical pair says one statement in one voice: it is never parted."""
    ravdess = real_ravdess()
    for fold in range(2):
        split = StatementSplit(fold)(ravdess)
        check_parts(split, ravdess)
        assert [len(indices) for indices in split.parts().values()] == [600, 120, 720]
