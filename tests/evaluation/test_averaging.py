"""Averaged predictions: by hand, by name, and only of what all have."""

from dataclasses import replace

import numpy as np
import pytest

from ser.errors import UserError
from ser.evaluation.averaging import average, recordings_of
from ser.evaluation.predictions import TRAITS, Predictions

CLASSES = ("angry", "happy", "sad")


def part(logits: np.ndarray, keys: str, classes: tuple[str, ...] = CLASSES) -> Predictions:
    """One letter a recording, whose class is that of the letter's place in the alphabet."""
    true = np.array([classes.index(CLASSES[ord(key) % 3]) for key in keys])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    traits = dict.fromkeys(TRAITS, tuple(keys)) | {"corpus": ("made",) * len(keys)}
    return Predictions(classes, tuple(keys), true, logits.argmax(axis=1), shares, traits)


def test_it_is_the_softmax_of_the_mean_of_logits_whatever_the_order_of_rows_and_classes():
    one, two, three = np.random.default_rng(0).normal(0, 2, (3, 4, 3))
    shuffled = part(two[[2, 0, 3, 1]], "cadb")
    renamed = part(three[:, [2, 0, 1]], "abcd", ("sad", "angry", "happy"))
    found = average([part(one, "abcd"), shuffled, renamed])
    mean = (one + two + three) / 3
    np.testing.assert_allclose(found.probabilities, np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True), atol=1e-12)
    assert found.predicted.tolist() == mean.argmax(axis=1).tolist()
    assert found.keys == tuple("abcd") and found.true.tolist() == [CLASSES.index(CLASSES[ord(k) % 3]) for k in "abcd"]
    assert found.traits["speaker"] == tuple("abcd")


def test_only_what_all_have():
    logits = np.random.default_rng(1).normal(size=(3, 3))
    one, two = part(logits, "abc"), part(logits, "cxb")
    found = average([one, two])
    assert found.keys == ("b", "c")
    elsewhere = replace(two, traits={**two.traits, "corpus": ("other",) * 3})
    assert average([one, elsewhere]) is None, "the same name in another corpus is another recording"
    assert average([one]) is one


def test_a_recording_of_a_corpus_alone_and_joined_with_others_is_one():
    alone = part(np.random.default_rng(2).normal(size=(2, 3)), "ab")
    joined = replace(alone, keys=("made/a", "made/b"))
    assert recordings_of(joined) == recordings_of(alone) == (("made", "a"), ("made", "b"))
    assert len(average([alone, joined])) == 2


def test_a_class_of_probability_zero_stays_finite():
    sure = part(np.array([[0.0, -2000.0, -2000.0]]), "a")
    assert np.isfinite(average([sure, sure]).probabilities).all()


def test_what_cannot_be_averaged():
    logits = np.zeros((1, 3))
    with pytest.raises(UserError, match="different classes cannot be averaged: one has angry, happy, sad"):
        average([part(logits, "a"), replace(part(logits, "a"), classes=("angry", "happy", "calm"))])
    with pytest.raises(UserError, match="a has one emotion in one of the runs and another in another"):
        average([part(logits, "a"), replace(part(logits, "a"), true=np.array([0]))])
