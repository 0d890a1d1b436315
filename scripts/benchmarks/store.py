"""A corpus decoded, resampled and trimmed into the store by all cores, against librosa file by file."""

import tempfile
from pathlib import Path

import librosa

from scripts.benchmarks.data import recordings_of
from scripts.benchmarks.measure import Row, alone, compare, in_turns, seconds
from ser.data.audio.prepare import AudioSettings
from ser.data.store.hashes import hash_files
from ser.data.store.waveforms import open_store

AUDIO = AudioSettings(sample_rate=16000, trim_db=40.0)


def run(rounds: int = 9) -> list[Row]:  # single ones are uneven: where pages of memory come from decides
    """Times the first and the second start on each corpus."""
    return [row for corpus in ("ravdess", "tess") for row in _corpus(corpus, rounds)]


def _corpus(corpus: str, rounds: int) -> list[Row]:
    name, paths = recordings_of(corpus)

    def fill() -> float:
        with tempfile.TemporaryDirectory() as cache:
            return seconds(lambda: _open(paths, Path(cache), name))

    ours, theirs = in_turns(fill, lambda: seconds(lambda: _by_librosa(paths)), rounds)
    with tempfile.TemporaryDirectory() as cache:
        _open(paths, Path(cache), name)
        again = [seconds(lambda: _open(paths, Path(cache), name)) for _ in range(rounds)]
    return [
        compare(
            f"{name}: {len(paths)} files decoded, resampled and trimmed into the store",
            "librosa.load and librosa.effects.trim, file by file",
            ours,
            theirs,
            "s",
            "times as fast",
            "≥ 1.8",
        ),
        alone(f"{name}: the second start, from the store", again, "s", "< 0.5 s"),
    ]


def _open(paths: list[Path], cache: Path, name: str) -> None:
    open_store(paths, hash_files(paths, cache), AUDIO, cache, name)


def _by_librosa(paths: list[Path]) -> None:
    for path in paths:
        waveform, _ = librosa.load(path, sr=AUDIO.sample_rate)
        librosa.effects.trim(waveform, top_db=AUDIO.trim_db)
