"""A trained model for use: a waveform or files in, emotions with their probabilities out."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ser.data.audio.decode import BadRecording
from ser.data.audio.prepare import AudioSettings, prepare
from ser.data.audio.prepare import load as load_recording
from ser.data.corpora.audio_files import why_no_file
from ser.errors import UserError
from ser.evaluation.metrics import softmax
from ser.inference.arrays import mono, rate
from ser.inference.find_files import find_files
from ser.inference.limits import bins_per_sample
from ser.system.machine import num_cores
from ser.training.module import EmotionClassifier

BATCH_SIZE = 64
MOST_BINS = 2**26  # of the spectrograms of a padded batch, 256 MiB: long recordings are in smaller batches
NOT_FINITE = "the model's output for it is NaN or infinite"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one recording.

    Args:
        emotion: The most probable class.
        probabilities: Of each class, in the run's order; they sum to 1.
    """

    emotion: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        """Of `emotion`."""
        return self.probabilities[self.emotion]


@dataclass(frozen=True, slots=True)
class FilePrediction:
    """The prediction for one file, or why there is none.

    Args:
        path: As it was named, or found in the folder that was named.
        emotion: The most probable class; empty where the file could not be used.
        probabilities: Of each class; empty where the file could not be used.
        error: Why it could not be used; else empty.
    """

    path: Path
    emotion: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def probability(self) -> float | None:
        """Of `emotion`; None where there is none."""
        return self.probabilities.get(self.emotion)


class Predictor:
    """Predicts the emotion in recordings.

    They are prepared as those of the run were: mono, resampled, offset, trimmed, levelled; a clip longer than the
    run's `audio.duration_s` is cut at its end, a shorter one is padded. So a test recording gets the probabilities of
    the run's predictions.csv, up to rounding. Computed in float32, whatever precision the run was trained with.

    Args:
        classifier: With its weights, in evaluation mode.
        audio: How the run prepares recordings.
        temperature: Logits are divided by it; 1 leaves the probabilities unchanged.
    """

    def __init__(self, classifier: EmotionClassifier, audio: AudioSettings, temperature: float = 1.0):
        self._classifier, self._audio, self._temperature = classifier, audio, temperature
        self._most_samples = MOST_BINS / bins_per_sample(classifier.frontend)

    @property
    def _width(self) -> int | None:
        """Samples of a clip; None where recordings are taken whole, as for several views of each."""
        return self._audio.num_samples if self._classifier.views is None else None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return tuple(self._classifier.description["classes"])

    @property
    def sample_rate(self) -> int:
        """Hz that recordings are resampled to."""
        return int(self._audio.sample_rate)

    def __call__(self, waveform: Any, sample_rate: int) -> Prediction:
        """The emotion in one recording.

        Args:
            waveform: NumPy array or tensor: floats in [-1, 1], or PCM as int8, uint8, int16 or int32, which is divided
                by its type's range. Channels are averaged, or one is taken, as `audio.channel` says.
            sample_rate: Hz; any.

        Shape:
            (T,) or (channels, T).

        Raises:
            UserError: Empty, NaN, silent, too short, of another shape or type.
        """
        try:
            clip = self._cut(prepare(mono(waveform, self._audio.channel), rate(sample_rate), self._audio))
        except BadRecording as error:
            raise UserError(f"The waveform cannot be used: {error}.") from error
        (shares,) = self._probabilities([clip])
        if shares is None:
            raise UserError(f"The waveform cannot be used: {NOT_FINITE}.")
        return Prediction(*shares)

    def files(
        self, places: str | Path | Iterable[str | Path], batch_size: int = BATCH_SIZE
    ) -> Iterator[FilePrediction]:
        """The emotion in each file, in order, as they are computed.

        Args:
            places: A file or folder, or several; folders are walked (`ser.inference.find_files`).
            batch_size: Recordings at once; changes nothing but time and memory.

        Raises:
            UserError: No recordings. A file that cannot be used does not stop it: its prediction has an `error`.
        """
        places = [places] if isinstance(places, (str, Path)) else places
        return self.read(find_files(places)[0], batch_size)

    def read(self, paths: Sequence[Path], batch_size: int = BATCH_SIZE) -> Iterator[FilePrediction]:
        """As `files`, for files only."""
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be a whole number, at least 1.")
        return self._answers(paths, batch_size)

    def _answers(self, paths: Sequence[Path], batch_size: int) -> Iterator[FilePrediction]:
        waiting: list[tuple[Path, np.ndarray | str]] = []
        longest, count = 0, 0
        for path, found in self._decoded(paths):
            length = 0 if isinstance(found, str) else len(found)
            width = self._width or max(longest, length)
            if count == batch_size or (count and width * (count + 1) > self._most_samples):
                yield from self._batch(waiting)
                waiting, longest, count = [], 0, 0
            waiting.append((path, found))
            longest, count = max(longest, length), count + (length > 0)
        yield from self._batch(waiting)

    def _decoded(self, paths: Sequence[Path]) -> Iterator[tuple[Path, np.ndarray | str]]:
        """Each file with its clip, or why it cannot be used; threads read a few files ahead."""
        workers = min(8, num_cores())
        ahead: deque[Future] = deque()
        with ThreadPoolExecutor(workers) as pool:
            try:
                for path in paths:
                    ahead.append(pool.submit(self._read, path))
                    if len(ahead) > 2 * workers:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _read(self, path: Path) -> tuple[Path, np.ndarray | str]:
        if reason := why_no_file(path):
            return path, reason
        try:
            return path, self._cut(load_recording(path, self._audio))
        except BadRecording as error:
            return path, str(error)

    def _cut(self, waveform: np.ndarray) -> np.ndarray:
        """The part that fits into a clip; the other memory is released."""
        width = self._width
        return waveform if width is None or len(waveform) <= width else waveform[:width].copy()

    def _batch(self, items: list[tuple[Path, np.ndarray | str]]) -> Iterator[FilePrediction]:
        answers = iter(self._probabilities([found for _, found in items if not isinstance(found, str)]))
        for path, found in items:
            if isinstance(found, str):
                yield FilePrediction(path, error=found)
            elif (shares := next(answers)) is None:
                yield FilePrediction(path, error=NOT_FINITE)
            else:
                yield FilePrediction(path, *shares)

    def _probabilities(self, clips: list[np.ndarray]) -> list[tuple[str, dict[str, float]] | None]:
        """The most probable class and the probability of each, for each clip; None where logits are NaN or infinite."""
        if not clips:
            return []
        logits = self._logits(clips) / self._temperature
        found = []
        for row, shares in zip(logits, softmax(logits).tolist(), strict=True):
            named = dict(zip(self.classes, shares, strict=True))
            found.append((self.classes[int(row.argmax())], named) if np.isfinite(row).all() else None)
        return found

    def _logits(self, clips: list[np.ndarray]) -> np.ndarray:
        width = self._width or max(map(len, clips))
        waveforms = np.zeros((len(clips), width), dtype=np.float32)
        for row, clip in zip(waveforms, clips, strict=True):
            row[: len(clip)] = clip
        whole = self._audio.padding_is_signal and self._width is not None
        lengths = [width if whole else len(clip) for clip in clips]
        device = self._classifier.device
        try:
            with torch.inference_mode():
                logits = self._classifier.answer(
                    torch.from_numpy(waveforms).to(device), torch.tensor(lengths, device=device)
                )
        except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "allocate" not in str(error):
                raise
            raise UserError(
                f"{len(clips)} recordings of {width} samples do not fit into the memory: lower the batch size, or cut "
                "long recordings."
            ) from error
        return logits.float().cpu().numpy().astype(np.float64)
