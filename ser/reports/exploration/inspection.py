"""Facts of each recording of a corpus: its file as it was recorded, and what the waveform store made of it.

Everything is measured on the samples of the file, before `audio` resamples, trims or mixes them down. Levels are in
dBFS: 0 is full scale, and -100 stands for digital silence.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ser.data.audio.decode import BadRecording, FileFacts, read
from ser.data.audio.prepare import AudioSettings, to_mono, voiced_range
from ser.data.recordings import Recordings
from ser.data.store.waveforms import Waveforms
from ser.data.utterance import Utterance
from ser.system.machine import num_cores

LEAST_DB = -100.0
BLOCK = 512  # samples whose level is taken together: 32 ms at 16 kHz
FLOOR_PERCENTILE = 10  # of the blocks' levels: speech pauses at least that often
FULL_SCALE = 0.999
LEAST_CLIPPED_PEAK = 0.25  # -12 dBFS; below it three equal samples in a row are common
SILENCE_DB = 40.0  # below the loudest, where `audio.trim_db` does not say


@dataclass(frozen=True, slots=True)
class Measured:
    """Facts of one file.

    Args:
        facts: Sample rate, channels and coding.
        duration_s: Of the whole file.
        leading_s, trailing_s: Silence at its start and its end: what `audio.trim_db` cuts.
        silent_share: Share of its blocks that are `audio.trim_db` below the loudest, wherever they are.
        peak_db: The largest sample of any channel.
        rms_db: Level of what is left between the silent ends, without the DC offset.
        floor_db: Estimate of the noise floor: the level that 10 % of the blocks stay below.
        clipped: Share of its samples in flat tops (`clipped_share`).
        dc_offset: Mean of all samples; full scale is 1.
    """

    facts: FileFacts
    duration_s: float
    leading_s: float
    trailing_s: float
    silent_share: float
    peak_db: float
    rms_db: float
    floor_db: float
    clipped: float
    dc_offset: float


@dataclass(frozen=True, slots=True)
class Inspected:
    """One recording.

    Args:
        utterance: The corpus's facts, with the hash of its samples.
        emotion: Its class, after merging.
        row: Of the store.
        file: Facts of its file; None where it cannot be read.
        used_s: Seconds used in training, after offset and trimming; 0 for a bad file.
        bad: Why it cannot be used, else None.
    """

    utterance: Utterance
    emotion: str
    row: int
    file: Measured | None
    used_s: float
    bad: str | None


def inspect_recordings(
    recordings: Recordings, waveforms: Waveforms, settings: AudioSettings, progress=iter
) -> list[Inspected]:
    """Measures the chosen recordings, each file read once, several side by side.

    Args:
        recordings: Of the corpus.
        waveforms: Their store.
        settings: Those of the store.
        progress: Wraps the iterator over measured files, e.g. in a progress bar.
    """
    silence_db = SILENCE_DB if settings.trim_db is None else settings.trim_db
    paths = [recordings.paths[row] for row in recordings.chosen]
    measured = measure_all(paths, silence_db, progress, settings.channel)
    return [
        Inspected(
            utterance=replace(utterance, content=waveforms.contents[row] or None),
            emotion=recordings.classes[label],
            row=row,
            file=file,
            used_s=float(waveforms.lengths[row]) / settings.sample_rate,
            bad=waveforms.bad.get(row) or ("changed while it was measured" if file is None else None),
        )
        for utterance, label, row, file in zip(
            recordings.utterances, recordings.labels, recordings.chosen, measured, strict=True
        )
    ]


def measure_all(
    paths: Sequence[Path], silence_db: float, progress=iter, channel: int | None = None
) -> list[Measured | None]:
    """`measure` of each file, None where it cannot be read."""
    with ThreadPoolExecutor(num_cores()) as pool:
        try:
            found: Iterable[Measured | None] = pool.map(lambda path: _measure_or_none(path, silence_db, channel), paths)
            return list(progress(found))
        finally:
            pool.shutdown(cancel_futures=True)


def measure(path: Path, silence_db: float = SILENCE_DB, channel: int | None = None) -> Measured:
    """Measures a file.

    Args:
        path: The file.
        silence_db: How far below the loudest is silence.
        channel: `audio.channel`.

    Raises:
        BadRecording: It cannot be read.
    """
    samples, facts = read(path)  # (T, C)
    waveform = to_mono(samples, channel)
    levels = block_levels(waveform)
    start, end = voiced_range(waveform, silence_db)
    return Measured(
        facts=facts,
        duration_s=len(waveform) / facts.sample_rate,
        leading_s=start / facts.sample_rate,
        trailing_s=(len(waveform) - end) / facts.sample_rate,
        silent_share=float(np.mean(levels <= levels.max() - silence_db)),
        peak_db=float(decibels(np.abs(samples).max() ** 2)),
        rms_db=float(decibels(np.var(waveform[start:end], dtype=np.float64))),
        floor_db=float(np.percentile(levels, FLOOR_PERCENTILE)),
        clipped=clipped_share(samples),
        dc_offset=float(waveform.mean(dtype=np.float64)),
    )


def block_levels(waveform: np.ndarray) -> np.ndarray:
    """Level (L,) of each block of `BLOCK` samples in dBFS, without its mean: a DC offset is not taken for noise.

    Samples behind the last whole block are skipped; a waveform shorter than a block is one.
    """
    count = len(waveform) // BLOCK
    blocks = waveform[: count * BLOCK].reshape(count, BLOCK) if count else waveform[None]  # (L, BLOCK)
    return decibels(blocks.var(axis=1, dtype=np.float64))


def clipped_share(samples: np.ndarray) -> float:
    """Share of samples in flat tops: three or more in a row at full scale, or at one and the same extreme value.

    The second finds recordings that were made quieter after they had been clipped. A channel's extremes count from
    -12 dBFS on.

    Shape:
        samples (T, C).

    >>> clipped_share(np.array([[0.0], [0.5], [0.5], [0.5], [0.1]])), clipped_share(np.array([[0.0], [1.0], [0.0]]))
    (0.6, 0.0)
    """
    if len(samples) < 3:
        return 0.0
    size = np.abs(samples)
    extreme = (samples == samples.max(axis=0)) | (samples == samples.min(axis=0))
    at_top = (extreme & (size >= LEAST_CLIPPED_PEAK)) | (size >= FULL_SCALE)
    middle = at_top[:-2] & at_top[1:-1] & at_top[2:]  # (T - 2, C): the first of three
    flat = np.zeros_like(at_top)
    for shift in range(3):
        flat[shift : shift + len(middle)] |= middle
    return float(flat.mean())


def decibels(power: np.ndarray) -> np.ndarray:
    """Mean squares of any shape in dBFS, not below `LEAST_DB`.

    >>> decibels(np.array([1.0, 0.01, 0.0])).tolist()
    [0.0, -20.0, -100.0]
    """
    return 10.0 * np.log10(np.maximum(power, 10 ** (LEAST_DB / 10)))


def _measure_or_none(path: Path, silence_db: float, channel: int | None) -> Measured | None:
    try:
        return measure(path, silence_db, channel)
    except BadRecording:  # the store has the reason
        return None
