"""A trained model for use: a waveform or files in, emotions with their probabilities, or numbers, out."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ser.data.audio.decode import BadRecording
from ser.data.audio.prepare import AudioSettings, prepare
from ser.data.audio.prepare import load as load_recording
from ser.data.corpora.audio_files import why_no_file
from ser.data.targets import predicts_numbers
from ser.errors import UserError
from ser.inference.answers import FilePrediction, Prediction, answers_of, found_in
from ser.inference.arrays import mono, rate
from ser.inference.limits import bins_per_sample
from ser.inference.long_recordings import BATCH_SIZE, StreamingModel
from ser.system.machine import num_cores
from ser.system.memory import is_out_of_memory
from ser.system.threads import computed_ahead, one_thread_each
from ser.training.module import EmotionClassifier

MOST_BINS = 2**26  # of the spectrograms of a padded batch, 256 MiB: long recordings are in smaller batches
Read = tuple[Path, np.ndarray | str]  # a file, and its clip or why it cannot be used
NOT_FINITE = "the model's output for it is NaN or infinite"


class Predictor(StreamingModel):
    """Predicts the emotion in recordings, or the numbers that its run was trained to predict.

    They are prepared as those of the run were: mono, resampled, offset, trimmed, levelled; a clip longer than the
    run's `audio.duration_s` is cut at its end, a shorter one is padded. So a test recording gets the probabilities of
    the run's predictions.csv, up to rounding. Computed in float32, whatever precision the run was trained with.

    Args:
        classifier: With its weights, in evaluation mode.
        audio: How the run prepares recordings.
        temperature, only, unsure_below: Of `ser.inference.answers.Answers`.
    """

    def __init__(
        self,
        classifier: EmotionClassifier,
        audio: AudioSettings,
        temperature: float = 1.0,
        only: Sequence[str] = (),
        unsure_below: float = 0.0,
    ):
        self._classifier, self._audio = classifier, audio
        config, known = classifier.description["config"], classifier.description["classes"]
        self.answers = answers_of(predicts_numbers(config), known, temperature, only, unsure_below)
        self._most_samples = MOST_BINS / bins_per_sample(classifier.frontend)

    @property
    def _width(self) -> int | None:
        """Samples of a clip; None where recordings are taken whole, as for several views of each."""
        return self._audio.num_samples if self._classifier.views is None else None

    @property
    def sample_rate(self) -> int:
        """Hz that recordings are resampled to."""
        return int(self._audio.sample_rate)

    @property
    def clip_s(self) -> float | None:
        """Seconds of a clip; None where recordings are taken whole."""
        return self._audio.duration_s

    @property
    def workers(self) -> int:
        """Threads that compute batches: a batch of long recordings takes memory in each."""
        return min(4, num_cores()) if self._classifier.device.type == "cpu" else 1

    @property
    def channel(self) -> int | None:
        """`audio.channel`."""
        return self._audio.channel

    def __call__(self, waveform: Any, sample_rate: int) -> Prediction:
        """The emotion in one recording, or the numbers.

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
        (found,) = self._found([clip])
        if found is None:
            raise UserError(f"The waveform cannot be used: {NOT_FINITE}.")
        return Prediction(**found)

    def read(self, paths: Sequence[Path], batch_size: int = BATCH_SIZE) -> Iterator[FilePrediction]:
        """As `files`, for files only."""
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size} must be a whole number, at least 1.")
        return self._answers(paths, batch_size)

    def window_logits(
        self, windows: Sequence[np.ndarray], sample_rate: int, views: bool = True, offset: bool = False
    ) -> np.ndarray:
        """Logits (N, K) of windows of a stream; see `StreamingModel`."""
        # the offset skips the silence before speech
        audio = self._audio if offset else replace(self._audio, offset_s=0.0)
        logits, clips = np.full((len(windows), len(self.answers.known)), np.nan), {}
        for i, window in enumerate(windows):
            with suppress(BadRecording):  # silent, or too short
                clips[i] = prepare(window, sample_rate, audio)
        if clips:
            logits[list(clips)] = self._logits(list(clips.values()), views)
        return logits

    def _answers(self, paths: Sequence[Path], batch_size: int) -> Iterator[FilePrediction]:
        """Threads read a few files ahead, and compute a few batches ahead."""
        reading = computed_ahead(paths, self._read, min(8, num_cores()))
        batches = self._batches((read for _, read in reading), batch_size)
        with one_thread_each():
            for _, rows in computed_ahead(batches, self._batch, self.workers):
                yield from rows

    def _batches(self, files: Iterable[Read], batch_size: int) -> Iterator[list[Read]]:
        """At most so many recordings, fewer of long ones."""
        waiting: list[Read] = []
        longest, count = 0, 0
        for path, found in files:
            length = 0 if isinstance(found, str) else len(found)
            width = self._width or max(longest, length)
            if count == batch_size or (count and width * (count + 1) > self._most_samples):
                yield waiting
                waiting, longest, count = [], 0, 0
            waiting.append((path, found))
            longest, count = max(longest, length), count + (length > 0)
        yield waiting

    def _read(self, path: Path) -> Read:
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

    def _batch(self, items: list[Read]) -> list[FilePrediction]:
        answers = iter(self._found([found for _, found in items if not isinstance(found, str)]))
        rows = []
        for path, found in items:
            if isinstance(found, str):
                rows.append(FilePrediction(path, error=found))
            elif (answer := next(answers)) is None:
                rows.append(FilePrediction(path, error=NOT_FINITE))
            else:
                rows.append(FilePrediction(path, **answer))
        return rows

    def _found(self, clips: list[np.ndarray]) -> list[dict[str, Any] | None]:
        """The fields of each clip's prediction; None where outputs are NaN or infinite."""
        return found_in(self.answers, self._logits(clips)) if clips else []

    def _logits(self, clips: list[np.ndarray], views: bool = True) -> np.ndarray:
        """Logits (N, K) of clips; `views`: averaged over the run's evaluation views, where it has some."""
        views = views and self._classifier.views is not None
        fixed = None if views else self._audio.num_samples
        width = fixed or max(map(len, clips))
        waveforms, lengths = np.zeros((len(clips), width), dtype=np.float32), []
        for row, clip in zip(waveforms, clips, strict=True):
            clip = clip[:width]
            row[: len(clip)] = clip
            lengths.append(width if fixed and self._audio.padding_is_signal else len(clip))
        device = self._classifier.device
        try:
            with torch.inference_mode():
                answer = self._classifier.answer if views else self._classifier
                logits = answer(torch.from_numpy(waveforms).to(device), torch.tensor(lengths, device=device))
        except (MemoryError, RuntimeError) as error:
            full = isinstance(error, MemoryError) or is_out_of_memory(error) or "allocate" in str(error)  # on the CPU
            if not full:
                raise
            raise UserError(
                f"{len(clips)} recordings of {width} samples do not fit into the memory: lower the batch size, or cut "
                "long recordings."
            ) from error
        return logits.float().cpu().numpy().astype(np.float64)
