"""The predictions of several models averaged: the mean of their logits over the recordings that all of them have.

Of numbers it is the mean of the numbers.
"""

from collections.abc import Sequence

import numpy as np

from ser.errors import UserError
from ser.evaluation.calibration import logits_of
from ser.evaluation.metrics import softmax
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.predictions import AnyPredictions, Predictions

Recording = tuple[str | None, str]


def recording_of(corpus: str | None, key: str) -> Recording:
    """(corpus, key) of an utterance, the same whether its corpus was used alone or joined with others."""
    return corpus, key.removeprefix(f"{corpus}/")


def recordings_of(part: AnyPredictions) -> tuple[Recording, ...]:
    """`recording_of` each utterance."""
    return tuple(map(recording_of, part.traits["corpus"], part.keys))


def average(parts: Sequence[AnyPredictions]) -> AnyPredictions | None:
    """softmax of the mean log-probabilities, which are logits up to a constant of the row that softmax cancels.

    Classes are matched by name. Recordings, classes and traits are those of the first part, in its order.

    Args:
        parts: Each of one model.

    Returns:
        The average over the recordings that all parts have, or None where they share none.

    Raises:
        UserError: Other classes, or another true class of the same recording.
    """
    first, *others = parts
    if not others:
        return first
    places = [{recording: row for row, recording in enumerate(recordings_of(part))} for part in parts]
    common = [recording for recording in places[0] if all(recording in place for place in places)]
    if not common:
        return None
    rows = [np.array([place[recording] for recording in common]) for place in places]
    true, are_numbers = first.true[rows[0]], isinstance(first, NumberPredictions)
    outputs = np.zeros((len(common), len(first.classes)))
    for part, at in zip(parts, rows, strict=True):
        columns = _columns(first.classes, part.classes)
        if are_numbers:
            theirs, differing = part.predicted, (true != part.true[at][:, columns]).any(axis=1)
        else:
            theirs, differing = logits_of(part), np.array(columns)[true] != part.true[at]
        if differing.any():
            name, what = common[int(differing.argmax())][1], "number" if are_numbers else "emotion"
            raise UserError(
                f"{name} has one {what} in one of the runs and another in another: they cannot be averaged."
            )
        outputs += theirs[at][:, columns] / len(parts)
    traits = {trait: tuple(words[row] for row in rows[0]) for trait, words in first.traits.items()}
    keys = tuple(key for _, key in common)
    if are_numbers:
        return NumberPredictions(first.classes, keys, true, outputs, traits)
    return Predictions(first.classes, keys, true, outputs.argmax(axis=1), softmax(outputs), traits)


def _columns(classes: Sequence[str], theirs: Sequence[str]) -> list[int]:
    """The column of each class in another model's predictions.

    Raises:
        UserError: It has other classes.
    """
    if set(classes) != set(theirs):
        raise UserError(
            f"Runs of different classes cannot be averaged: one has {', '.join(classes)}, another {', '.join(theirs)}."
        )
    return [theirs.index(name) for name in classes]
