"""A toy voice: syllables, intonation and voice quality from a few parameters (for the demo corpus and for tests).

Source and filter (Fant 1960): a buzz whose pitch follows a contour, plus breath, passes a time-varying spectral
envelope of vowel resonances and a tilt. The envelope is applied in short-time Fourier frames, so that one
multiplication serves buzz and breath, and formants may glide.
"""

from dataclasses import dataclass

import numpy as np

SAMPLE_RATE = 16000
_FRAME, _HOP = 512, 256  # 32 ms frames, overlapping by half: their Hann windows add up to one

# First three resonances in Hz of an adult man (Peterson and Barney 1952).
VOWELS = {
    "i": (270, 2290, 3010),
    "ih": (390, 1990, 2550),
    "ae": (660, 1720, 2410),
    "aa": (730, 1090, 2440),
    "ao": (570, 840, 2410),
    "uh": (500, 1500, 2500),
    "ay": (690, 1550, 2450),
}
_BANDWIDTHS = (80.0, 100.0, 140.0)  # Hz
_WEIGHTS = (1.0, 0.6, 0.3)


@dataclass(frozen=True, slots=True)
class Manner:
    """How an utterance is spoken.

    Args:
        pitch: Mean pitch in semitones above 100 Hz.
        swing: Depth of the pitch movement on each syllable, semitones.
        slope: Pitch change from first to last syllable, semitones.
        final: Pitch change within the last syllable, semitones.
        glide: Pitch change within each syllable, semitones.
        fade: Loudness change from first to last syllable, dB.
        onset: How early in a syllable pitch and loudness peak: 0 late, 1 at once.
        duration_s: Whole utterance, seconds.
        level_db: Loudness, dB relative to a middle one.
        tilt: Spectral slope above 500 Hz, dB per octave (negative).
        breath: Share of noise, 0 to 1.
        tremor: Pitch tremor at 6 Hz, semitones.
        roughness: Depth of a 14 Hz beat in loudness, 0 to 1.
        tract: Resonances relative to an adult man's.
    """

    pitch: float
    swing: float
    slope: float
    final: float
    glide: float
    fade: float
    onset: float
    duration_s: float
    level_db: float
    tilt: float
    breath: float
    tremor: float
    roughness: float
    tract: float


def speak(vowels: list[str], manner: Manner, rng: np.random.Generator) -> np.ndarray:
    """Synthesises one syllable per vowel.

    Args:
        vowels: Keys of `VOWELS`.
        manner: How.
        rng: Source of the breath, of small irregularities and of the length of the pauses around.

    Returns:
        Waveform (T,) float64 at 16 kHz, below full scale.
    """
    T = int(manner.duration_s * SAMPLE_RATE)
    position = _warped(np.linspace(0, len(vowels), T, endpoint=False), len(vowels), rng)  # (T,) syllables passed so far
    within = position % 1  # (T,) 0 at a syllable's start, 1 at its end
    peak = 0.85 - 0.7 * manner.onset
    arc = np.where(within < peak, within / peak, (1 - within) / (1 - peak))  # (T,) rises to 1, falls back to 0
    pitch = _pitch(position, arc, len(vowels), manner, rng)
    loudness = (0.06 + arc) * 10 ** (manner.fade * (position / len(vowels) - 0.5) / 20)
    loudness *= 1 + manner.roughness * np.sin(2 * np.pi * 14 * np.arange(T) / SAMPLE_RATE)
    source = (1 - manner.breath) * _buzz(pitch, rng) + 0.9 * manner.breath * rng.standard_normal(T)
    hiss = 0.25 * np.clip(1 - 6 * within, 0, 1) * (position > 1)  # consonants: a short noise at each syllable's start
    waveform = _shaped(source * loudness, position, vowels, manner) + 0.03 * hiss * _bright_noise(T, rng)
    waveform *= np.minimum(1, np.minimum(np.arange(T), np.arange(T)[::-1]) / 320)  # 20 ms in and out
    waveform *= 10 ** (manner.level_db / 20) * 0.09 / np.sqrt(np.mean(waveform**2))
    pauses = rng.integers(400, 1600, size=2)
    waveform = np.concatenate([np.zeros(pauses[0]), waveform, np.zeros(pauses[1])])
    return np.tanh(waveform + 2e-4 * rng.standard_normal(len(waveform)))  # room noise at -74 dBFS; no clipping


def _warped(position: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Syllables of unequal lengths."""
    lengths = 1 + 0.25 * rng.uniform(-1, 1, count)
    lengths[-1] *= 1.4  # the last one is long, as in speech
    ends = np.concatenate([[0], np.cumsum(lengths)]) * count / lengths.sum()
    return np.minimum(np.interp(position, ends, np.arange(count + 1)), count - 1e-6)


def _pitch(position: np.ndarray, arc: np.ndarray, count: int, manner: Manner, rng: np.random.Generator) -> np.ndarray:
    """Pitch (T,) in semitones above 100 Hz: a line, an arc and a glide on each syllable, a last turn, tremor."""
    accents = manner.swing * rng.uniform(0.5, 1.5, count)[position.astype(int)]
    line = manner.slope * (position / count - 0.5) + manner.glide * (position % 1 - 0.5)
    turn = manner.final * np.clip(position - (count - 1), 0, 1)
    time = np.arange(len(position)) / SAMPLE_RATE
    tremor = manner.tremor * np.sin(2 * np.pi * (6 * time + rng.uniform()))
    return manner.pitch + line + accents * (arc - 0.5) + turn + tremor


def _buzz(pitch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pulse train (T,) of unit power with all harmonics below 8 kHz, in closed form (Dirichlet kernel)."""
    jitter = np.repeat(0.15 * rng.standard_normal(len(pitch) // 80 + 1), 80)[: len(pitch)]  # semitones, each 5 ms
    f0 = 100 * 2 ** ((pitch + jitter) / 12)
    harmonics = int(0.5 * SAMPLE_RATE / f0.max())
    half = np.pi * np.cumsum(f0) / SAMPLE_RATE  # half the phase
    below = np.sin(half)
    below[np.abs(below) < 1e-9] = 1e-9
    return (np.sin((2 * harmonics + 1) * half) / below - 1) / np.sqrt(2 * harmonics)


def _bright_noise(T: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(T + 1)
    return noise[1:] - 0.95 * noise[:-1]


def _shaped(source: np.ndarray, position: np.ndarray, vowels: list[str], manner: Manner) -> np.ndarray:
    """`source` through the vowels' resonances and the tilt, frame by frame."""
    T = len(source)
    padded = np.pad(source, (_FRAME, _FRAME))
    window = np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME)  # before and after: together Hann's
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP] * window  # (L, _FRAME)
    middles = np.arange(len(frames)) * _HOP - _FRAME // 2  # (L,) samples
    at = position[np.clip(middles, 0, T - 1)]  # (L,) syllable at each frame
    centres = np.array([VOWELS[vowel] for vowel in vowels], dtype=float) * manner.tract  # (vowels, 3)
    formants = np.stack([np.interp(at, np.arange(len(vowels)) + 0.5, column) for column in centres.T], 1)  # (L, 3)
    frames = np.fft.irfft(np.fft.rfft(frames) * _envelope(formants, manner.tilt), _FRAME) * window
    return _overlapped(frames)[_FRAME : _FRAME + T]


def _overlapped(frames: np.ndarray) -> np.ndarray:
    """Sum of frames (L, _FRAME) that begin _HOP samples apart: each hop gets a part of every frame over it."""
    parts = _FRAME // _HOP
    hops = np.zeros((len(frames) + parts - 1, _HOP))
    for part in range(parts):
        hops[part : part + len(frames)] += frames[:, part * _HOP : (part + 1) * _HOP]
    return hops.reshape(-1)  # (hops, _HOP) → (T,)


def _envelope(formants: np.ndarray, tilt: float) -> np.ndarray:
    """Gain (L, bins): parallel resonances of the formants (L, 3), and a tilt above 500 Hz."""
    f = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)  # (bins,)
    resonances = np.full((len(formants), len(f)), 0.01)  # (L, bins)
    for weight, bandwidth, centres in zip(_WEIGHTS, _BANDWIDTHS, formants.T, strict=True):
        away = (f - centres[:, None]) / bandwidth  # (L, bins) distance in bandwidths
        resonances += weight / np.sqrt(1 + away * away)
    octaves = np.log2(np.maximum(f, 500) / 500)
    return resonances * 10 ** (tilt * octaves / 20) * (f > 40)
