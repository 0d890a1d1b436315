"""Features of published systems, one thread: batches through one shared transform, against librosa file by file."""

import warnings
from collections.abc import Callable

import librosa
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from scripts.benchmarks.data import recordings_of
from scripts.benchmarks.measure import Row, compare, in_turns, seconds
from ser.data.audio.prepare import AudioSettings
from ser.data.features.sources import StoredWaveforms, compute_features
from ser.data.store.hashes import hash_files
from ser.data.store.waveforms import open_store
from ser.frontends.concat import Concat
from ser.frontends.mel import Mel
from ser.frontends.mfcc import Mfcc
from ser.frontends.stft import Stft
from ser.frontends.time_stats import TimeStats
from ser.frontends.zcr_rms_chroma import ZcrRmsChroma
from ser.system.cache import cache_folder

SAMPLE_RATE = 22050
AUDIO = AudioSettings(sample_rate=SAMPLE_RATE, offset_s=0.6, trim_db=None, duration_s=2.5)
FILES = 200
TARGET = "≥ 8"


def run(rounds: int = 5) -> list[Row]:
    """Times the 162-value and the 180-value set over files of RAVDESS and compares their values."""
    name, paths = recordings_of("ravdess")
    paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:FILES]]
    waveforms = open_store(paths, hash_files(paths, cache_folder()), AUDIO, cache_folder(), name)
    source = StoredWaveforms(waveforms, np.arange(len(paths)), AUDIO.num_samples)
    clips = [np.array(waveforms[i][: AUDIO.num_samples]) for i in range(len(paths))]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [_compare(values, source, clips, rounds) for values in (162, 180)]
    finally:
        torch.set_num_threads(threads)


def _compare(values: int, source: StoredWaveforms, clips: list[np.ndarray], rounds: int) -> Row:
    frontend, reference = FRONTENDS[values](), REFERENCES[values]

    def compute() -> np.ndarray:
        batches = compute_features(source, frontend, range(len(clips)))
        return torch.cat([features for features, _ in batches])[:, :, 0].numpy()

    def by_librosa() -> np.ndarray:
        return np.stack([reference(clip) for clip in clips])

    expected = by_librosa()
    # against each value's largest in the corpus: single mel bands of single files are 1e-14
    error = (np.abs(compute() - expected).max(axis=0) / np.abs(expected).max(axis=0)).max()
    ours, theirs = in_turns(
        lambda: 1000 * seconds(compute) / len(clips), lambda: 1000 * seconds(by_librosa) / len(clips), rounds
    )
    note = f"{len(clips)} files; largest difference {error:.0e} of a value's largest"
    what = f"the {values}-value feature set, a file"
    return compare(what, "librosa, tuning=0", ours, theirs, "ms", "times as fast", TARGET, note)


def _set_162() -> TimeStats:
    """Time means of ZCR, 12 chroma, 20 MFCC, RMS and 128 mel bands."""
    stft = Stft(2048, 512)
    parts = {
        "zcr": ZcrRmsChroma(SAMPLE_RATE, stft, rms=False, chroma=False),
        "chroma": ZcrRmsChroma(SAMPLE_RATE, stft, zcr=False, rms=False),
        "mfcc": Mfcc(SAMPLE_RATE, stft, n_mfcc=20, n_mels=128),
        "rms": ZcrRmsChroma(SAMPLE_RATE, stft, zcr=False, chroma=False),
        "mel": Mel(SAMPLE_RATE, stft, n_mels=128),
    }
    return TimeStats(Concat(parts))


def _set_180() -> TimeStats:
    """Time means of 40 MFCC, 12 chroma and 128 mel bands."""
    stft = Stft(2048, 512)
    parts = {
        "mfcc": Mfcc(SAMPLE_RATE, stft, n_mfcc=40, n_mels=128),
        "chroma": ZcrRmsChroma(SAMPLE_RATE, stft, zcr=False, rms=False, chroma_power=1),
        "mel": Mel(SAMPLE_RATE, stft, n_mels=128),
    }
    return TimeStats(Concat(parts))


def _librosa_162(y: np.ndarray) -> np.ndarray:
    """As the published notebooks write it, but for `tuning=0`, which spares librosa its estimate."""
    chroma = librosa.feature.chroma_stft(S=np.abs(librosa.stft(y)) ** 2, sr=SAMPLE_RATE, tuning=0)
    parts = (
        librosa.feature.zero_crossing_rate(y),
        chroma,
        librosa.feature.mfcc(y=y, sr=SAMPLE_RATE, n_mfcc=20),
        librosa.feature.rms(y=y),
        librosa.feature.melspectrogram(y=y, sr=SAMPLE_RATE),
    )
    return np.hstack([part.mean(axis=1) for part in parts])


def _librosa_180(y: np.ndarray) -> np.ndarray:
    parts = (
        librosa.feature.mfcc(y=y, sr=SAMPLE_RATE, n_mfcc=40),
        librosa.feature.chroma_stft(S=np.abs(librosa.stft(y)), sr=SAMPLE_RATE, tuning=0),
        librosa.feature.melspectrogram(y=y, sr=SAMPLE_RATE),
    )
    return np.hstack([part.mean(axis=1) for part in parts])


FRONTENDS: dict[int, Callable[[], TimeStats]] = {162: _set_162, 180: _set_180}
REFERENCES: dict[int, Callable[[np.ndarray], np.ndarray]] = {162: _librosa_162, 180: _librosa_180}
