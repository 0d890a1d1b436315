"""Conditions from the command line: what they mean, what they refuse, and that nothing typed is ever executed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser.comparison.conditions import Condition
from ser.errors import UserError

RUN = {
    "model": "cnn2d", "frontend": "log_mel", "optimizer.lr": 5e-4, "model.dropout": 0.2, "seed": 3, "ema": None,
    "trainer.deterministic": True, "model.channels": [16, 32], "test/uar": 0.61, "frontend.parts.0.n_mels": 64,
    "name": "größer als", "stft@frontend.stft": "speech",
}  # fmt: skip


def holds(text, values=RUN):
    return Condition(text, "--where").holds(values)


@pytest.mark.parametrize(
    "text",
    [
        "model=cnn2d", "model==cnn2d", "model = 'cnn2d'", 'model="cnn2d"', "model!=mlp",
        "model=cnn2d and optimizer.lr<1e-3",
        "model in [mlp, cnn2d]", "model in (mlp, cnn2d)", "model not in [mlp]", "0 < seed < 4", "0<=seed<=3<4",
        "seed=3.0",
        "not model=mlp", "not (model=mlp or seed=0)", "ema=null", "ema = none", "ema=None",
        "trainer.deterministic=true",
        "trainer.deterministic", "not ema", "test/uar >= .6", "model.channels=[16,32]", "16 in model.channels",
        "frontend.parts.0.n_mels=64", "name='größer als'", "seed > -1", "- seed = -3", "missing.key=null",
        "seed=1 or seed=3 and model=cnn2d", "'log' in frontend", "stft@frontend.stft=speech", "optimizer.lr = .0005",
        "(model=cnn2d)", "\n model=cnn2d \t and\nseed=3",
    ],
)  # fmt: skip
def test_what_holds(text):
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "model=mlp", "model=CNN2D", "seed='3'", "seed=true", "trainer.deterministic=1", "seed=1 or seed=2", "ema<1",
        "ema>1",
        "ema<=null", "missing.key < 1", "not trainer.deterministic", "17 in model.channels", "1 < seed < 3",
        "seed in ema",
        "model.channels=[16]", "model.channels=16", "seed!=3", "ema", "(seed=3 or seed=4) and model=mlp",
    ],
)  # fmt: skip
def test_what_does_not_hold(text):
    assert not holds(text)


def test_a_word_on_the_right_is_a_key_only_where_a_run_has_it():
    assert holds("seed = other", {"seed": 1, "other": 1}) and not holds("seed = other", {"seed": 1})
    assert holds("other = seed", {"other": "seed"}) and not holds("other = seed", {"other": "seed", "seed": 2})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "__import__('os').system('x')", "model.upper()", "len(model)", "lambda: 1", "f'{model}'",
        "f\"{model}\"", "(x := 1)", "x := 1", "model[0]", "[x for x in model]", "{1: 2}", "{1}",
        "model if seed else 1",
        "*model", "await model", "model; seed", "import os", "model = 'a' + 'b'", "seed ** 9", "seed % 2", "~seed",
        "r'a'",
        "seed + 1", "'\\x41'", "model is None", "`ls`", "$(ls)", "seed @ 2", "...", "x.__class__.__mro__()", "del x",
        "b'a'=1", "1_000=seed", "0x10=seed", "seed<1e", "a & b", "a | b", "a && b", "model => mlp", "[]",
        "(1, 2)",
        "seed=3 and [1]", "not [1]", "", " ", "=", "model=", "=mlp", "and", "model=mlp and", "('", "model='mlp",
        "-model=1",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UserError, match="--where") as error:
        holds(text)
    assert str(error.value).endswith(".")


def test_orders_need_two_of_a_kind():
    for text in ("model < 3", "seed < 'b'", "model.channels < 3", "trainer.deterministic < 2"):
        with pytest.raises(UserError, match="cannot be compared"):
            holds(text)
    with pytest.raises(UserError, match="nothing is in the number 3"):
        holds("1 in seed")


def test_depth_and_length_have_an_end():
    for text in (
        "(" * 900 + "seed" + ")" * 900,
        "not " * 400 + "seed",
        "seed=1 or " * 500 + "seed=2",
        "-" * 1500 + "1=1",
    ):
        try:
            holds(text)
        except UserError as error:
            assert len(str(error)) < 400


def test_keys_are_what_stands_where_only_a_key_can():
    condition = Condition("model=cnn2d and 0<seed<3 and optimizer.lr=x.y or not ema and 'a' in name", "--where")
    assert condition.keys == {"model", "seed", "optimizer.lr", "x.y", "ema", "name"}


def test_unknown_keys_are_named_with_the_nearest():
    with pytest.raises(UserError, match=r"no run has the key 'optimiser.lr'. Did you mean 'optimizer.lr'\?"):
        Condition("optimiser.lr<1", "--where").check_known(RUN)
    with pytest.raises(UserError, match="Choose from: model.channels, model.dropout"):
        Condition("model.zzzzzzzzzzzzzzz=1", "--where").check_known(["model.channels", "model.dropout", "seed"])
    Condition("model=anything and seed>1", "--where").check_known(RUN)


WORDS = st.sampled_from(
    [*RUN, "mlp", "and", "or", "not", "in", "=", "==", "<", ">=", "!=", "(", ")", "[", "]", ",", "-", "1", "2.5", "'a'",
     "null", "true", "__import__", "os", ".", "lambda", ":", ":=", "f", "{", "}", "system", "is", "if", "else", "eval"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=40))
def test_any_text_is_answered_or_refused(text):
    try:
        assert holds(text) in (True, False)
    except UserError as error:
        assert str(error).startswith("--where")


@given(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(-5, 5), st.floats(-5, 5))
def test_numbers_compare_as_in_python(sign, left, right):
    right = float(f"{right:.6f}")
    expected = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right, "==": left == right,
                "!=": left != right}[sign]  # fmt: skip
    assert holds(f"seed {sign} {right:.6f}", {"seed": left}) is expected
