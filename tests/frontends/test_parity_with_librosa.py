"""Every frontend against librosa 0.11 itself: largest difference over librosa's largest value, at most 1e-4.

Clips are compared inside a batch with garbage behind their ends; librosa sees each clip alone.
"""

import librosa
import numpy as np
import pytest
import torch

from ser.frontends.concat import Concat
from ser.frontends.log_mel import LogMel
from ser.frontends.log_mel_contour import LogMelContour
from ser.frontends.mel import Mel
from ser.frontends.mfcc import Mfcc
from ser.frontends.spectrogram import Spectrogram
from ser.frontends.stft import Stft
from ser.frontends.time_stats import TimeStats
from ser.frontends.zcr_rms_chroma import ZcrRmsChroma

TOLERANCE = 1e-4
SPEECH, LIBROSA = Stft(n_fft=1024, hop_length=256), Stft(n_fft=2048, hop_length=512)
NARROW = Stft(n_fft=1024, hop_length=200, win_length=640, window="hamming")

pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal")


def spectral(stft: Stft) -> dict:
    return {
        "n_fft": stft.n_fft,
        "hop_length": stft.hop_length,
        "win_length": stft.win_length,
        "window": stft.window,
        "pad_mode": "constant",
    }


def only(flag: str) -> dict:
    return {name: name == flag for name in ("zcr", "rms", "chroma")}


def librosa_mel(y, rate, stft, **kwargs):
    return librosa.feature.melspectrogram(y=y, sr=rate, **spectral(stft), **kwargs)


def librosa_mfcc(y, rate, stft, deltas):
    static = librosa.feature.mfcc(y=y, sr=rate, n_mfcc=20, n_mels=128, **spectral(stft))
    slopes = [librosa.feature.delta(static, order=order, mode="nearest") for order in range(1, 1 + deltas)]
    return np.concatenate([static, *slopes])


def librosa_chroma_of_magnitude(y, rate, stft):
    magnitude = np.abs(librosa.stft(y, **spectral(stft)))
    return librosa.feature.chroma_stft(S=magnitude, sr=rate, tuning=0.0, n_fft=stft.n_fft)


def librosa_chroma(y, rate, stft):
    return librosa.feature.chroma_stft(y=y, sr=rate, tuning=0.0, **spectral(stft))


def librosa_zcr(y, stft):
    return librosa.feature.zero_crossing_rate(y, frame_length=stft.n_fft, hop_length=stft.hop_length)


def librosa_rms(y, stft):
    return librosa.feature.rms(y=y, frame_length=stft.n_fft, hop_length=stft.hop_length)


def librosa_power(y, stft):
    return np.abs(librosa.stft(y, **spectral(stft))) ** 2


# name → (our frontend, librosa's features), both of (sample rate, STFT settings)
CASES = {
    "mel": (lambda r, s: Mel(r, s, 80), lambda y, r, s: librosa_mel(y, r, s, n_mels=80)),
    "mel_edges": (
        lambda r, s: Mel(r, s, 40, f_min=80, f_max=6000),
        lambda y, r, s: librosa_mel(y, r, s, n_mels=40, fmin=80, fmax=6000),
    ),
    "log_mel": (lambda r, s: LogMel(r, s), lambda y, r, s: librosa.power_to_db(librosa_mel(y, r, s, n_mels=64))),
    "log_mel_whole_range": (
        lambda r, s: LogMel(r, s, log_floor=1e-6, top_db=None),
        lambda y, r, s: librosa.power_to_db(librosa_mel(y, r, s, n_mels=64), amin=1e-6, top_db=None),
    ),
    "mfcc": (lambda r, s: Mfcc(r, s, 20, n_mels=128), lambda y, r, s: librosa_mfcc(y, r, s, 0)),
    "mfcc_deltas_1": (lambda r, s: Mfcc(r, s, 20, deltas=1, n_mels=128), lambda y, r, s: librosa_mfcc(y, r, s, 1)),
    "mfcc_deltas_2": (lambda r, s: Mfcc(r, s, 20, deltas=2, n_mels=128), lambda y, r, s: librosa_mfcc(y, r, s, 2)),
    "zcr": (lambda r, s: ZcrRmsChroma(r, s, **only("zcr")), lambda y, r, s: librosa_zcr(y, s)),
    "rms": (lambda r, s: ZcrRmsChroma(r, s, **only("rms")), lambda y, r, s: librosa_rms(y, s)),
    "chroma_of_magnitude": (
        lambda r, s: ZcrRmsChroma(r, s, **only("chroma"), chroma_power=1),
        librosa_chroma_of_magnitude,
    ),
    "chroma": (lambda r, s: ZcrRmsChroma(r, s, **only("chroma")), lambda y, r, s: librosa_chroma(y, r, s)),
    "spectrogram": (lambda r, s: Spectrogram(s), lambda y, r, s: librosa.power_to_db(librosa_power(y, s))),
    "contour": (
        lambda r, s: LogMelContour(r, s, 128, f_max=8000),
        lambda y, r, s: librosa.power_to_db(librosa_mel(y, r, s, n_mels=128, fmax=8000)).mean(axis=0, keepdims=True),
    ),
}


def worst_errors(name, clips, collate, error, rate, stft):
    build, reference = CASES[name]
    with torch.no_grad():
        features, frames = build(rate, stft)(*collate(clips, extra=777, content=3.0))
    for clip, ours, count in zip(clips, features, frames, strict=True):
        theirs = reference(clip, rate, stft)
        ours = ours[:, :count].numpy()
        if name.startswith("chroma"):
            # Of a frame that holds rounding noise alone, the largest pitch class is a matter of chance.
            power = librosa_power(clip, stft).max(axis=0)
            loud = power > 1e-8 * power.max()
            ours, theirs = ours[:, loud], theirs[:, loud]
        # A derivative is compared on its own scale, not on that of the coefficients.
        blocks = 1 + int(name[-1]) if "deltas" in name else 1
        for our_block, their_block in zip(np.split(ours, blocks), np.split(theirs, blocks), strict=True):
            yield error(our_block, their_block)


def check(name, clips, collate, error, record, rate=16_000, stft=SPEECH):
    worst = max(worst_errors(name, clips, collate, error, rate, stft))
    record("relative_error", worst)
    assert worst <= TOLERANCE


@pytest.mark.parametrize("stft", [SPEECH, NARROW], ids=["speech", "narrow"])
@pytest.mark.parametrize("name", CASES)
def test_synthetic(name, stft, clips, collate, error, record_property):
    check(name, clips, collate, error, record_property, stft=stft)


@pytest.mark.parametrize("rate", [11_025, 22_050])
@pytest.mark.parametrize("name", [name for name in CASES if name not in {"mel_edges", "contour"}])
def test_synthetic_at_other_rates(name, rate, clips, collate, error, record_property):
    check(name, clips[:2], collate, error, record_property, rate, LIBROSA)


@pytest.mark.corpus
@pytest.mark.parametrize("name", CASES)
def test_recordings(name, recordings, collate, error, record_property):
    check(name, recordings(), collate, error, record_property)


@pytest.mark.corpus
@pytest.mark.parametrize("name", CASES)
def test_recordings_at_22050_hz(name, recordings, collate, error, record_property):
    check(name, recordings(22_050)[:3], collate, error, record_property, 22_050, LIBROSA)


def the_162() -> TimeStats:
    """Time means of ZCR 1, chroma 12, MFCC 20, RMS 1 and mel 128, the set of a published baseline."""
    rate = 22_050
    parts = {
        "zcr": ZcrRmsChroma(rate, LIBROSA, **only("zcr")),
        "chroma": ZcrRmsChroma(rate, LIBROSA, **only("chroma")),
        "mfcc": Mfcc(rate, LIBROSA, 20, n_mels=128),
        "rms": ZcrRmsChroma(rate, LIBROSA, **only("rms")),
        "mel": Mel(rate, LIBROSA, 128),
    }
    return TimeStats(Concat(parts), ["mean"])


def librosa_162(y: np.ndarray) -> list[np.ndarray]:
    rate = 22_050
    features = [
        librosa.feature.zero_crossing_rate(y),
        librosa.feature.chroma_stft(S=np.abs(librosa.stft(y)) ** 2, sr=rate, tuning=0.0),
        librosa.feature.mfcc(y=y, sr=rate, n_mfcc=20),
        librosa.feature.rms(y=y),
        librosa.feature.melspectrogram(y=y, sr=rate),
    ]
    return [feature.mean(axis=1) for feature in features]


def check_162(clips, collate, error, record):
    with torch.no_grad():
        ours, frames = the_162()(*collate(clips, extra=500, content=-3.0))
    assert ours.shape[1:] == (162, 1) and frames.tolist() == [1] * len(clips)
    worst = 0.0
    for row, clip in zip(ours, clips, strict=True):
        theirs = librosa_162(clip)
        blocks = np.split(row[:, 0].numpy(), np.cumsum([len(block) for block in theirs])[:-1])
        worst = max(worst, *(error(*pair) for pair in zip(blocks, theirs, strict=True)))
    record("relative_error", worst)
    assert worst <= TOLERANCE


def test_the_162_values_synthetic(clips, collate, error, record_property):
    # Without the noise that has a pause and the decaying chord: see the note on chroma above.
    check_162(clips[2:3], collate, error, record_property)


@pytest.mark.corpus
def test_the_162_values_of_recordings(recordings, collate, error, record_property):
    check_162(recordings(22_050), collate, error, record_property)


def test_contour_skips_frames_and_fills_short_clips(clips, collate, error):
    build = CASES["contour"][1]
    frontend = LogMelContour(16_000, SPEECH, 128, f_max=8000, skip_frames=1, fill_db=0.0)
    features, frames = frontend(*collate(clips))
    assert frames.tolist() == [features.shape[-1]] * len(clips)
    for clip, ours in zip(clips, features, strict=True):
        theirs = build(clip, 16_000, SPEECH)[:, 1:]
        filled = np.pad(theirs, ((0, 0), (0, features.shape[-1] - theirs.shape[-1])))
        assert error(ours, filled) <= TOLERANCE


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "bartlett"])
def test_windows(window):
    from scipy.signal import get_window

    from ser.frontends.stft import PowerSpectrogram

    ours = PowerSpectrogram(Stft(n_fft=512, hop_length=128, window=window)).window
    assert np.abs(ours.numpy() - get_window(window, 512)).max() < 1e-6
