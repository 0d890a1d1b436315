"""What a model must beat: always the commonest class, and a decision tree on the run's own features; of numbers always
the mean of the training part.

Both return `Predictions` of the test part, so that they are in the same table with the same intervals.
"""

from dataclasses import replace

import numpy as np

from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.predictions import Predictions

MOST_INPUTS = 1024  # a tree sorts every input at every node: 16,384 of them take it minutes


def majority(train_labels: np.ndarray, test: Predictions) -> Predictions:
    """Always predicts the commonest class of the training part, with its class shares as probabilities.

    Args:
        train_labels: Labels (M,) of the training part.
        test: The part to predict, whose own predictions do not matter.
    """
    shares = np.bincount(train_labels, minlength=len(test.classes)) / len(train_labels)
    return _instead(test, np.tile(shares, (len(test), 1)))


def training_mean(train_numbers: np.ndarray, test: NumberPredictions) -> NumberPredictions:
    """Always predicts the mean of the training part: no constant has a smaller squared error there, and its CCC is 0.

    Args:
        train_numbers: Of the training part (M, D).
        test: The part to predict, whose own predictions do not matter.
    """
    return replace(test, predicted=np.tile(np.asarray(train_numbers).mean(axis=0), (len(test), 1)))


def decision_tree(
    train_inputs: np.ndarray, train_labels: np.ndarray, test_inputs: np.ndarray, test: Predictions, seed: int
) -> Predictions:
    """scikit-learn's `DecisionTreeClassifier` with its defaults: grown until it separates the training part.

    The base model of the third published system in `ser`'s baselines, which gives it 38.54 % on RAVDESS with a random
    split.

    Args:
        train_inputs: (M, D), from `tree_inputs`.
        train_labels: Labels (M,).
        test_inputs: (N, D).
        test: The part to predict, whose own predictions do not matter.
        seed: Of the run: ties between splits are broken at random.
    """
    from sklearn.tree import DecisionTreeClassifier  # a second to import

    tree = DecisionTreeClassifier(random_state=seed % 2**32).fit(train_inputs, train_labels)
    shares = np.zeros((len(test), len(test.classes)))
    shares[:, tree.classes_] = tree.predict_proba(test_inputs)
    return _instead(test, shares)


def tree_inputs(features: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """One row of numbers an utterance, all of equal length.

    Where all utterances are equally long and that makes at most 1024 numbers, the features as they are: contours and
    time statistics. Else the mean and standard deviation of each feature over the valid frames.

    Args:
        features: (N, F, L).
        frames: Valid frames (N,), each at least 1.

    Shape:
        (N, F·L) or (N, 2·F).
    """
    count, num_features, num_frames = features.shape
    if num_features * num_frames <= MOST_INPUTS and (frames == num_frames).all():
        return features.reshape(count, -1)  # (N, F·L)
    rows = np.empty((count, 2 * num_features))  # (N, 2·F)
    for row, utterance, valid in zip(rows, features, frames.tolist(), strict=True):  # one by one: no copy of them all
        kept = utterance[:, :valid].astype(np.float64)
        row[:num_features], row[num_features:] = kept.mean(axis=1), kept.std(axis=1)
    return rows


def _instead(test: Predictions, probabilities: np.ndarray) -> Predictions:
    return replace(test, predicted=probabilities.argmax(axis=1), probabilities=probabilities)
