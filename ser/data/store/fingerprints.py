"""What two copies of a recording have in common: fingerprints to find them by, and a measure to confirm them with.

A recording becomes one word of 24 bits each 16 ms. Bit k says whether the energy of band k rose or fell against that of
band k + 1 during the last 128 ms (after Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002,
here with logarithmic energies above a floor). Gain, polarity and filters leave these signs alone, and silence around a
recording only moves them: copies share many whole words, all at one distance in time.

Everything here looks at 80 to 1900 Hz at a sample rate of 4 kHz: what every usable copy of speech still has.
"""

import math

import numpy as np
from scipy import fft

RATE = 4000  # Hz
HOP = 64  # 16 ms: frames of two copies are at most 8 ms apart, which is little against a frame's 256 ms
BITS = 24
_FRAME = 1024
_BLOCK = 2048  # frames transformed at once: 16 MB, however long a recording is
_STEP = 8  # hops between the two frames of a difference
_LOUD_DB = 35.0  # frames this far below the loudest one are background, where copies differ
_FLOOR_DB = 20.0  # energies this far below the mean of the voiced frames count as equal: noise decides nothing
_LOWEST, _HIGHEST = 80.0, 1900.0  # Hz
_WINDOW = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
# 25 bands from 300 Hz up, equally wide in pitch, by their first bins: what lies below is first to go in any filter.
_BANDS = np.round(np.geomspace(300, _HIGHEST, BITS + 2) * _FRAME / RATE).astype(int)
_PHASE_BANDS = np.geomspace(_LOWEST, _HIGHEST, 9)  # Hz: edges of the bands in which copies may differ by a phase
_LEAST_HOPS = 16  # a quarter of a second: in less, chance is coherent too
_TINY = 1e-30  # keeps silence from dividing by zero
_BIT_COUNTS = np.array([i.bit_count() for i in range(1 << BITS // 2)], dtype=np.uint8)


def narrow(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """A waveform (T,) at 4 kHz, only 80 to 1900 Hz of it and without delay: (T · 4000 / sample_rate,) float32.

    The spectrum is cut. Its length is chosen so that the new rate is exactly 4 kHz, whatever the old one: rounding
    would let two copies drift apart by a part of a cycle a second.
    """
    unit = sample_rate // math.gcd(sample_rate, RATE)  # a multiple of it is a whole number of samples at both rates
    padding = sample_rate // 8  # the cut rings; without it one end would ring into the other
    n = unit * fft.next_fast_len(-(-(len(waveform) + padding) // unit), real=True)
    m = n * RATE // sample_rate
    spectrum = fft.rfft(waveform, n)
    first, last = math.ceil(_LOWEST * n / sample_rate), int(_HIGHEST * n / sample_rate)
    kept = np.zeros(m // 2 + 1, dtype=spectrum.dtype)
    part = spectrum[first : last + 1]
    kept[first : first + len(part)] = part * (m / n)
    return fft.irfft(kept, m)[: len(waveform) * RATE // sample_rate].astype(np.float32)


def fingerprint(narrowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The words of a recording.

    Args:
        narrowed: From `narrow`, (T,).

    Returns:
        words (L,) uint32, one a hop, and voiced (L,) bool: whether both frames behind a word are loud enough for it.
    """
    padded = np.pad(narrowed, _FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::HOP]  # (L + _STEP, _FRAME)
    blocks = range(0, len(frames), _BLOCK)
    energies = np.concatenate([_band_energies(frames[start : start + _BLOCK]) for start in blocks])
    loudness = energies.sum(1)
    loud = loudness > loudness.max() * 10 ** (-_LOUD_DB / 10)
    if len(frames) <= _STEP or not loud.any():
        return np.zeros(0, np.uint32), np.zeros(0, bool)
    floor = energies[loud].mean() * 10 ** (-_FLOOR_DB / 10)
    slopes = np.diff(np.log(energies + floor))  # (L + _STEP, BITS)
    bits = np.packbits(slopes[_STEP:] > slopes[:-_STEP], axis=1, bitorder="little")  # (L, BITS / 8) bytes
    words = np.pad(bits, ((0, 0), (0, 4 - BITS // 8))).view("<u4")[:, 0]  # (L, 4) bytes → (L,)
    return words, loud[_STEP:] & loud[:-_STEP]


def _band_energies(frames: np.ndarray) -> np.ndarray:
    """Mean power (L, BITS + 1) of frames (L, _FRAME) in each band."""
    spectra = fft.rfft(frames * _WINDOW)
    return np.add.reduceat(spectra.real**2 + spectra.imag**2, _BANDS, axis=1)[:, :-1] / np.diff(_BANDS)


def bit_counts(words: np.ndarray) -> np.ndarray:
    """How many bits are set in each word.

    >>> bit_counts(np.array([0, 7, 0xFFFFFF], dtype=np.uint32)).tolist()
    [0, 3, 24]
    """
    half = BITS // 2
    return _BIT_COUNTS[words & ((1 << half) - 1)] + _BIT_COUNTS[words >> half]


def overlap(first: np.ndarray, second: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts of two sequences that lie side by side when `second` begins `lag` steps after `first`.

    >>> overlap(np.arange(5), np.arange(5), -2)
    (array([0, 1, 2]), array([2, 3, 4]))
    """
    start, other = max(0, lag), max(0, -lag)
    length = max(0, min(len(first) - start, len(second) - other))
    return first[start : start + length], second[other : other + length]


def coherence(first: np.ndarray, second: np.ndarray, lag: int) -> float:
    """How nearly one waveform is a filtered copy of the other where the two overlap, from 0 to 1.

    With spectra A and B of the overlap and inner products over the bins of eight bands k,

        Σ |⟨A_k, B_k⟩| / Σ ‖A_k‖ ‖B_k‖,  each bin weighted by |A B|^-½.

    That is correlation, but each band has a gain and a phase of its own, since a telephone line or a high-pass turns
    the phase of the voice's pitch; and half whitened, since two monotone vowels of one pitch correlate to 0.97 by their
    loudest harmonics alone.

    Args:
        first, second: From `narrow`; they overlap by a few hops at least.
        lag: Samples by which `second` begins after `first`, to within two hops.
    """
    first, second = _both_loud(*overlap(first, second, _exact_lag(first, second, lag)))
    n = fft.next_fast_len(len(first), real=True)
    a, b = fft.rfft(first, n), fft.rfft(second, n)
    weights = 1 / np.sqrt(np.abs(a * b) + _TINY)
    edges = np.round(_PHASE_BANDS * n / RATE).astype(int)
    products = (weights * a * b.conj(), weights * a * a.conj(), weights * b * b.conj())
    common, power, other = (np.abs(np.add.reduceat(product, edges, dtype=complex)[:-1]) for product in products)
    return float(common.sum() / (np.sqrt(power * other).sum() + _TINY))


def _exact_lag(first: np.ndarray, second: np.ndarray, lag: int) -> int:
    """The lag to one sample: where the cross-correlation peaks, half whitened so that no one harmonic decides."""
    reach = 2 * HOP
    start, other = max(0, lag - reach), max(0, -lag - reach)
    length = min(len(first) - start, len(second) - other) + 2 * reach
    first, second = first[start : start + length], second[other : other + length]
    n = fft.next_fast_len(len(first) + len(second), real=True)
    cross = fft.rfft(first, n) * fft.rfft(second, n).conj()
    correlation = np.abs(fft.irfft(cross / np.sqrt(np.abs(cross) + _TINY), n))
    lags = np.arange(lag - reach, lag + reach + 1)
    return int(lags[np.argmax(correlation[(lags - start + other) % n])])


def _both_loud(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two aligned waveforms without the ends where only one has sound: a copy may be cut, then padded with silence."""
    hops = np.stack([first, second])[:, : len(first) // HOP * HOP].reshape(2, -1, HOP)  # (2, whole hops, HOP)
    power = np.square(hops).mean(-1)
    loud = power >= power.max(1, keepdims=True) * 10 ** (-_LOUD_DB / 10)
    at = np.flatnonzero(loud.all(0))
    if len(at) < _LEAST_HOPS:
        return first, second
    part = slice((at[0] + 1) * HOP, at[-1] * HOP)  # not the first and last hop: within them it was cut
    return first[part], second[part]
