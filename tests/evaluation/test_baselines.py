"""The commonest class and the decision tree."""

import numpy as np
import pytest

from ser.evaluation.baselines import MOST_INPUTS, decision_tree, majority, tree_inputs
from ser.evaluation.confidence import Speakers
from ser.evaluation.scores import score_part
from tests.evaluation.simulated import made_of


def test_majority_is_the_commonest_class_of_train():
    test = made_of(np.array([0, 1, 1, 1]), np.eye(3)[[0, 0, 0, 0]], "abc")
    found = majority(np.array([0, 0, 2, 2, 2]), test)
    assert found.predicted.tolist() == [2] * 4 and found.true is test.true and found.keys == test.keys
    np.testing.assert_allclose(found.probabilities, [[0.4, 0, 0.6]] * 4)
    overall = score_part(found, Speakers.of(found)).overall
    assert overall["uar"].value == 0 and overall["auroc"].value == 0.5  # equal probabilities tell nothing apart


def blobs(count, seed, num_classes=4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, count)
    return rng.standard_normal((count, 6)) + 3 * np.eye(6)[labels], labels


def test_tree_learns_and_is_repeatable():
    inputs, labels = blobs(400, 0)
    test_inputs, test_labels = blobs(200, 1)
    test = made_of(test_labels, np.zeros((200, 4)), "abcd")
    first, again = (decision_tree(inputs, labels, test_inputs, test, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    assert score_part(first, Speakers.of(first)).overall["uar"].value > 0.6
    itself = decision_tree(inputs, labels, inputs, made_of(labels, np.zeros((400, 4)), "abcd"), seed=0)
    assert itself.right.all()


def test_tree_gives_nothing_to_a_class_that_train_lacks():
    inputs, labels = blobs(100, 0, num_classes=2)
    test = made_of(np.array([3, 0, 2]), np.zeros((3, 4)), "abcd")
    found = decision_tree(inputs, 2 * labels, inputs[:3], test, seed=0)  # classes 0 and 2
    assert (found.probabilities[:, [1, 3]] == 0).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)


def test_short_features_go_in_as_they_are():
    features = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(tree_inputs(features, np.array([4, 4])), features.reshape(2, 12))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_others_as_mean_and_deviation_of_their_valid_frames(dtype):
    features = np.random.default_rng(0).standard_normal((3, 2, 5)).astype(dtype)
    frames = np.array([5, 3, 1])
    found = tree_inputs(features, frames)
    padded = features.copy()
    for row, count in enumerate(frames):
        padded[row, :, count:] = 99  # what lies behind the valid frames does not matter
        expected = [*features[row, :, :count].mean(axis=1), *features[row, :, :count].std(axis=1)]
        np.testing.assert_allclose(found[row], expected, atol=1e-6)
    np.testing.assert_array_equal(tree_inputs(padded, frames), found)
    assert tree_inputs(np.zeros((2, 64, MOST_INPUTS)), np.full(2, MOST_INPUTS)).shape == (2, 128)
