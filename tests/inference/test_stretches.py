"""Answers of windows become stretches: the nearest window counts, neighbours are smoothed, equal ones are joined."""

import numpy as np
import pytest

from ser.errors import UserError
from ser.inference.answers import Answers
from ser.inference.streaming import Speech, Window
from ser.inference.stretches import stretches_of

ANSWERS = Answers(("angry", "happy", "sad"))


def found(shares, smooth_s=0.0, answers=ANSWERS, end=None):
    """Windows of 2 s, one second apart, from 10 s on."""
    windows = [Window(None, 10.0 + k, 12.0 + k, np.empty(0)) for k in range(len(shares))]
    speech = Speech(10.0, windows[-1].end if end is None else end)
    return list(stretches_of(speech, windows, np.array(shares, dtype=float), smooth_s, answers))


def test_neighbours_of_one_emotion_are_joined():
    rows = found([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]])
    assert [(row.start, row.end, row.emotion) for row in rows] == [(10, 12.5, "angry"), (12.5, 14, "sad")]
    assert rows[0].probability == pytest.approx((1.5 * 0.8 + 1.0 * 0.6) / 2.5)
    assert sum(rows[0].probabilities.values()) == pytest.approx(1) and rows[1].probability == pytest.approx(0.8)


def test_smoothing_takes_the_mean_of_windows_that_are_near():
    shares = [[0.9, 0.1, 0], [0.4, 0.6, 0], [0.9, 0.1, 0], [0.9, 0.1, 0]]
    assert len(found(shares)) == 3
    (row,) = found(shares, smooth_s=1.0)
    assert (row.start, row.end, row.emotion) == (10, 15, "angry")
    expected = [0.65, 2.2 / 3, 2.2 / 3, 0.9]
    assert row.probability == pytest.approx(np.average(expected, weights=[1.5, 1, 1, 1.5]))


def test_windows_that_cannot_be_used_count_for_nothing():
    nothing = [np.nan] * 3
    (row,) = found([nothing, [0.8, 0.1, 0.1], nothing])
    assert (row.start, row.end, row.emotion) == (10, 14, "angry")
    assert found([nothing, nothing]) == []


def test_unsure_where_no_probability_reaches_the_limit():
    shares = [[0.45, 0.35, 0.2], [0.35, 0.45, 0.2], [0.9, 0.1, 0]]
    rows = found(shares, answers=Answers(ANSWERS.known, unsure_below=0.5))
    assert [row.emotion for row in rows] == ["unsure", "angry"] and rows[0].probability < 0.5 < rows[1].probability


def test_only_some_classes_at_a_temperature():
    logits = np.array([[2.0, 1.0, 0.0], [0.0, np.nan, 1.0]])
    answers = Answers(("angry", "happy", "sad"), temperature=2.0, only=("sad", "angry"))
    assert answers.classes == ("angry", "sad")
    shares = answers.shares(logits)
    np.testing.assert_allclose(shares[0], np.exp([1, 0]) / np.exp([1, 0]).sum())
    assert answers.named(shares[0])[0] == "angry" and answers.named(shares[1]) is None
    for wrong, words in (
        ({"only": ("angri", "sad")}, "Did you mean 'angry'"),
        ({"only": ("sad",)}, "at least two classes"),
        ({"unsure_below": 1.5}, "must be a probability"),
    ):
        with pytest.raises(UserError, match=words):
            Answers(("angry", "happy", "sad"), **wrong)
