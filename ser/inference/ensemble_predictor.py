"""Several trained models as one: the mean of their logits, each on the recording as prepared by its own run.

Of models that predict numbers it is the mean of the numbers.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ser.errors import UserError
from ser.inference.answers import Answers, FilePrediction, Numbers, Prediction, answers_of, found_in
from ser.inference.long_recordings import BATCH_SIZE, StreamingModel
from ser.inference.predictor import Predictor


class EnsemblePredictor(StreamingModel):
    """Predicts emotions, as `Predictor` does.

    Args:
        members: At least one, of equal classes in any order; the first one's order counts. At temperature 1.
        temperature: The mean of the logits is divided by it; 1 leaves the probabilities unchanged.
        only, unsure_below: Of `ser.inference.answers.Answers`.

    Raises:
        UserError: The members have different classes.
    """

    def __init__(
        self,
        members: Sequence[Predictor],
        temperature: float = 1.0,
        only: Sequence[str] = (),
        unsure_below: float = 0.0,
    ):
        if len({frozenset(member.classes) for member in members}) > 1:
            raise UserError("The members of this ensemble have different classes: it is damaged.")
        self._members = tuple(members)
        numbers = isinstance(members[0].answers, Numbers)
        self.answers = answers_of(numbers, members[0].classes, temperature, only, unsure_below)

    @property
    def sample_rate(self) -> int:
        """Hz: the highest that a member resamples recordings to."""
        return max(member.sample_rate for member in self._members)

    @property
    def clip_s(self) -> float | None:
        """Seconds of the longest clip of a member; None where one takes recordings whole."""
        lengths = [member.clip_s for member in self._members]
        return None if None in lengths else max(lengths)

    @property
    def workers(self) -> int:
        """Threads that compute batches."""
        return self._members[0].workers

    @property
    def channel(self) -> int | None:
        """`audio.channel` of all members.

        Raises:
            UserError: They differ.
        """
        if len(channels := {member.channel for member in self._members}) > 1:
            raise UserError("The members of this ensemble use different channels (audio.channel): none fits a stream.")
        return channels.pop()

    def __call__(self, waveform: Any, sample_rate: int) -> Prediction:
        """The emotion in one recording; arguments and errors are those of `Predictor`."""
        return Prediction(**self._averaged([member(waveform, sample_rate) for member in self._members]))

    def read(self, paths: Sequence[Path], batch_size: int = BATCH_SIZE) -> Iterator[FilePrediction]:
        """As `files`, of files alone. A file that a member cannot use has that member's reason."""
        answers = [member.read(paths, batch_size) for member in self._members]
        return map(self._answer, zip(*answers, strict=True))

    def _answer(self, of_members: Sequence[FilePrediction]) -> FilePrediction:
        path = of_members[0].path
        if reason := next((answer.error for answer in of_members if answer.error), ""):
            return FilePrediction(path, error=reason)
        return FilePrediction(path, **self._averaged(of_members))

    def window_logits(
        self, windows: Sequence[np.ndarray], sample_rate: int, views: bool = True, offset: bool = False
    ) -> np.ndarray:
        """The mean of the members' log-probabilities (N, K); see `StreamingModel`."""
        total = np.zeros((len(windows), len(self.answers.known)))
        for member in self._members:
            logits = member.window_logits(windows, sample_rate, views, offset)
            columns = [member.answers.known.index(name) for name in self.answers.known]
            total += logits[:, columns] - logsumexp(logits, axis=1, keepdims=True)
        return total / len(self._members)

    def _averaged(self, of_members: Sequence[Prediction | FilePrediction]) -> dict[str, Any]:
        """The fields of the answer, of those of the members."""
        values = [it.numbers or it.probabilities for it in of_members]
        rows = np.array([[row[name] for name in self.answers.known] for row in values])
        if isinstance(self.answers, Answers):
            rows = np.log(np.maximum(rows, np.finfo(np.float64).tiny))  # logits up to a constant
        return found_in(self.answers, rows.mean(axis=0, keepdims=True))[0]
