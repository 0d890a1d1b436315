"""Python values as overrides: Hydra reads back what was given."""

from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ser.commands.python.words import in_grammar, overrides_of
from ser.errors import UserError

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).filter(lambda text: text[:1] != "~")
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False))
NAMES = st.from_regex(r"key_[a-z_0-9]{1,5}", fullmatch=True)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=5,
)


def read(word: str):
    override = OverridesParser.create().parse_override(word)
    return plain(override.value())


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return getattr(value, "text", value)  # a text in quotes


@settings(max_examples=60)
@given(VALUES)
@example("it's")
@example("a\\")
@example("\\'")
@example('C:\\data\\"x"')
@example("null")
@example("1e-3")
@example("inf")
@example("")
@example("glob(*)")
@example(["a,b", "[x]"])
@example({"very angry": "null", "1": []})
def test_hydra_reads_what_was_given(value):
    assert read(f"key={in_grammar(value, 'key')}") == value


def test_arguments_become_words():
    words = overrides_of(
        ["model=cnn2d", {"trainer.max_epochs": 3}],
        {
            "seed": np.int64(1), "optimizer": {"lr": np.float32(0.5), "betas": (0.9, 0.99)},
            "init_from": Path("runs/a b"),
            "dataset": {"merge": {"calm": "neutral"}}, "scheduler": None, "model.norm": "batch",
        },
    )  # fmt: skip
    assert words == [
        "model=cnn2d", "trainer.max_epochs=3", "seed=1", "optimizer.lr=0.5", "optimizer.betas=[0.9,0.99]",
        "init_from='runs/a b'", "dataset.merge={calm: neutral}", "scheduler=null", "model.norm=batch",
    ]  # fmt: skip


def test_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert overrides_of([], {"dataset": {"root": Path("~/data")}}) == ["dataset.root='/home/me/data'"]


@pytest.mark.parametrize("given", [3, None, b"seed=1", ["seed=1"]])
def test_other_arguments_are_refused(given):
    with pytest.raises(UserError, match="is no override"):
        overrides_of([given], {})


@pytest.mark.parametrize("value", [object(), {1, 2}, np.zeros(3), b"x", 1j])
def test_other_values_are_refused(value):
    with pytest.raises(UserError, match="seed: a .* is no setting"):
        overrides_of([], {"seed": value})
