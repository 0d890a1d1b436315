"""The emotions along a long recording: its speech in overlapping windows, whose answers are joined to stretches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from ser.data.audio.blocks import Block, read_blocks
from ser.data.audio.decode import BadRecording
from ser.data.corpora.audio_files import why_no_file
from ser.errors import UserError
from ser.inference.answers import Answers, FilePrediction, Numbers, check_classes
from ser.inference.find_files import find_files
from ser.inference.streaming import OverlappingWindows, Window, window_length
from ser.inference.stretches import Stretch, stretches_of
from ser.inference.voice_activity import build_detector
from ser.system.threads import computed_ahead, one_thread_each

BATCH_SIZE = 64  # recordings at once
BATCH = 16  # windows at once: small enough for two cores to share a minute of sound
NOTHING = np.empty(0, np.float32)
NO_SPEECH = "no speech was found in it"


@dataclass(frozen=True, slots=True)
class TimelineSettings:
    """How a long recording is cut and its answers are joined.

    Args:
        hop_s: Seconds from window to window, at most the window; None: half of it.
        window_s: Seconds of a window; None: as the run's clips (`audio.duration_s`), or 3 where these have any length.
        smooth_s: Each window takes the mean probabilities of the windows of the same stretch of speech whose middles
            are at most so many seconds away; None: as the hop; 0: its own alone.
        vad: `auto`, `silero`, `energy` or `none`: how pauses are found.
        views: Whether each window is answered with the run's evaluation views, as recordings are.
    """

    hop_s: float | None = None
    window_s: float | None = None
    smooth_s: float | None = None
    vad: str = "auto"
    views: bool = True


@dataclass(frozen=True, slots=True)
class FileTimeline:
    """The stretches of one file, or why there are none.

    Args:
        path: As it was named, or found in the folder that was named.
        stretches: In order of time; pauses lie between them.
        error: Why the file could not be used; else empty.
    """

    path: Path
    stretches: tuple[Stretch, ...] = ()
    error: str = ""


class StreamingModel:
    """A model that answers to files and to windows: what long recordings and live sound need of it."""

    answers: Answers | Numbers
    sample_rate: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities; or of the numbers."""
        return self.answers.classes

    @property
    def clip_s(self) -> float | None:
        """Seconds of a clip (`audio.duration_s`); None where recordings are taken whole."""
        raise NotImplementedError

    @property
    def workers(self) -> int:
        """Threads that compute."""
        raise NotImplementedError

    @property
    def channel(self) -> int | None:
        """`audio.channel`."""
        raise NotImplementedError

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
        raise NotImplementedError

    def window_logits(
        self, windows: Sequence[np.ndarray], sample_rate: int, views: bool = True, offset: bool = False
    ) -> np.ndarray:
        """Logits of windows, each prepared as a recording is; NaN where it cannot be used.

        Args:
            windows: (T,) float32 each.
            sample_rate: Hz.
            views: Average over the run's evaluation views.
            offset: Skip the run's `audio.offset_s`: each is a whole recording, and not of a stream.

        Shape:
            N windows → (N, K).
        """
        raise NotImplementedError

    def timeline(
        self,
        path: str | Path,
        hop_s: float | None = None,
        window_s: float | None = None,
        smooth_s: float | None = None,
        vad: str = "auto",
        views: bool = True,
    ) -> list[Stretch]:
        """The emotions along a recording of any length, a stretch each, pauses left out.

        Args:
            path: What libsndfile reads. It is read in blocks: memory does not grow with its length.
            hop_s, window_s, smooth_s, vad, views: Of `TimelineSettings`.

        Raises:
            UserError: The file cannot be used, holds no speech, or a setting is out of range.
        """
        found = file_timeline(self, Path(path), TimelineSettings(hop_s, window_s, smooth_s, vad, views))
        if found.error:
            raise UserError(f"{path} cannot be used: {found.error}.")
        return list(found.stretches)


def file_timeline(
    model: StreamingModel,
    path: Path,
    settings: TimelineSettings,
    on_block: Callable[[np.ndarray, int], None] | None = None,
) -> FileTimeline:
    """The stretches of one file, or the reason why there are none.

    Args:
        model: As loaded.
        path: The file.
        settings: How it is cut.
        on_block: Is given each block (n,) and its rate in Hz, for a picture.

    Raises:
        UserError: A setting is out of range.
    """
    check(settings, model)
    if reason := why_no_file(path):
        return FileTimeline(path, error=reason)

    def blocks() -> Iterator[Block]:
        for samples, sample_rate in read_blocks(path, model.channel):
            if on_block is not None:
                on_block(samples, sample_rate)
            yield samples, sample_rate

    try:
        found = tuple(stretches(model, blocks(), settings))
    except BadRecording as error:
        return FileTimeline(path, error=str(error))
    return FileTimeline(path, found, "" if found else NO_SPEECH)


def stretches(model: StreamingModel, blocks: Iterable[Block], settings: TimelineSettings) -> Iterator[Stretch]:
    """Stretches of one emotion in a stream, in order, each when the speech around it has ended.

    Args:
        model: As loaded.
        blocks: Mono samples and their rate.
        settings: How they are cut.
    """
    window_s, hop_s = check(settings, model)
    smooth_s = hop_s if settings.smooth_s is None else settings.smooth_s
    stream = OverlappingWindows(model.sample_rate, window_s, build_detector(settings.vad), hop_s)
    scored = _scored(model, _windows(stream, blocks), settings.views)
    for _, group in groupby(scored, key=lambda pair: pair[0].speech):
        windows, shares = zip(*group, strict=True)
        yield from stretches_of(windows[0].speech, windows, np.stack(shares), smooth_s, model.answers)


def check(settings: TimelineSettings, model: StreamingModel) -> tuple[float, float]:
    """Seconds of a window, and of a hop.

    Raises:
        UserError: A setting is out of range, or the model predicts numbers.
    """
    check_classes(model.answers, "A timeline")
    window_s = window_length(settings.window_s, model.clip_s)
    hop_s = window_s / 2 if settings.hop_s is None else settings.hop_s
    if not 0.05 <= hop_s <= window_s:
        raise UserError(f"hop={hop_s:g} must be from 0.05 s to the window of {window_s:g} s: nothing is left out.")
    if settings.smooth_s is not None and not 0 <= settings.smooth_s <= 3600:
        raise UserError(f"smooth={settings.smooth_s:g} must be from 0 to 3600 seconds.")
    return window_s, hop_s


def _windows(stream: OverlappingWindows, blocks: Iterable[Block]) -> Iterator[Window]:
    for samples, sample_rate in blocks:
        yield from stream.push(samples, sample_rate)
    yield from stream.finish()


def _scored(model: StreamingModel, windows: Iterator[Window], views: bool) -> Iterator[tuple[Window, np.ndarray]]:
    """Each window, without its samples, and its probabilities; batches are computed while the next blocks are read."""
    batches = iter(lambda: list(islice(windows, BATCH)), [])

    def compute(batch: list[Window]) -> np.ndarray:
        return model.window_logits([window.waveform for window in batch], model.sample_rate, views)

    with one_thread_each():
        for batch, logits in computed_ahead(batches, compute, model.workers):
            for window, shares in zip(batch, model.answers.shares(logits), strict=True):
                yield replace(window, waveform=NOTHING), shares  # which may wait for the end of an hour of speech
