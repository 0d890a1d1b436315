"""Who speaks in the demo corpus, and how emotions change their voice."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from ser.data.corpora.demo_voice import Manner, speak

SEED = 20260  # of the whole corpus; everything is a function of it and of the codes in a file's name

# Syllables of 'Kids are talking by the door' and 'Dogs are sitting by the door'.
STATEMENTS = {
    1: ["ih", "aa", "ao", "ih", "ay", "uh", "ao"],
    2: ["ao", "aa", "ih", "ih", "ay", "uh", "ao"],
}

# How each emotion (RAVDESS's codes) departs from neutral at normal intensity, in the units of `Manner`. `duration_s`
# is a factor. In the spirit of Juslin and Laukka 2003: anger loud and bright with sharp attacks, sadness low, slow,
# dark and fading, fear high and trembling, surprise rising to the end, disgust slow and rough. Aroused emotions
# resemble each other in level and differ in movement, and so do quiet ones: averages do not separate them.
_EMOTIONS = {
    1: {},
    2: {"pitch": -0.5, "swing": -0.8, "level_db": -1.5, "tilt": -0.5, "onset": -0.2, "glide": 1.0, "duration_s": 1.06},
    3: {"pitch": 1.8, "swing": 2.5, "slope": 1.0, "level_db": 1.2, "tilt": 0.5, "glide": 1.5, "duration_s": 0.95},
    4: {"pitch": -0.3, "slope": -2.0, "level_db": -1.8, "tilt": -0.6, "glide": -3.0, "fade": -8.0, "duration_s": 1.08},
    5: {"pitch": 1.5, "swing": 0.8, "level_db": 2.2, "tilt": 0.8, "onset": 0.45, "glide": -4.0, "fade": -2.0},
    6: {"pitch": 2.2, "swing": -0.8, "tremor": 1.4, "breath": 0.03, "level_db": 0.4, "fade": 3.0, "duration_s": 0.93},
    7: {"pitch": -0.6, "onset": -0.35, "roughness": 0.45, "glide": -1.0, "level_db": -0.3, "duration_s": 1.06},
    8: {"pitch": 1.8, "slope": 2.5, "final": 5.0, "onset": -0.2, "glide": 4.0, "fade": 5.0, "level_db": 0.8},
}
_NEUTRAL = {
    "swing": 1.5, "slope": -1.0, "final": -1.0, "glide": 0.0, "fade": -1.0, "onset": 0.5, "duration_s": 1.2,
    "level_db": 0.0, "tilt": -7.0, "breath": 0.1, "tremor": 0.1, "roughness": 0.0,
}  # fmt: skip
# Standard deviations: of speakers around the middle of their sex, and of takes around their speaker.
_SPEAKERS = {
    "pitch": 1.8, "swing": 0.4, "slope": 0.7, "final": 0.4, "glide": 0.5, "fade": 1.0, "onset": 0.06, "level_db": 3.0,
    "tilt": 2.0, "breath": 0.05,
}  # fmt: skip
_TAKES = {
    "pitch": 1.2, "swing": 0.6, "slope": 1.0, "final": 0.8, "glide": 0.9, "fade": 1.5, "onset": 0.1, "level_db": 1.5,
    "tilt": 0.8, "breath": 0.03, "tremor": 0.15, "roughness": 0.05,
}  # fmt: skip
_LIMITS = {
    "swing": (0.2, 12),
    "onset": (0, 1),
    "breath": (0.01, 0.5),
    "tremor": (0, 3),
    "roughness": (0, 0.8),
    "duration_s": (0.8, 1.7),
}


def codes() -> Iterator[tuple[int, int, int, int]]:
    """The 60 recordings of a speaker: emotion, intensity, statement, repetition, as RAVDESS numbers them."""
    for emotion in _EMOTIONS:
        for intensity in (1,) if emotion == 1 else (1, 2):
            for statement in STATEMENTS:
                for repetition in (1, 2):
                    yield emotion, intensity, statement, repetition


def utter(actor: int, emotion: int, intensity: int, statement: int, repetition: int) -> np.ndarray:
    """One recording, always the same: waveform (T,) at 16 kHz, below full scale."""
    rng = np.random.default_rng([SEED, actor, emotion, intensity, statement, repetition])
    return speak(STATEMENTS[statement], manner(actor, emotion, intensity, rng), rng)


def manner(actor: int, emotion: int, intensity: int, rng: np.random.Generator) -> Manner:
    """How `actor` expresses `emotion` in one take: the sex's middle + the speaker's offset + the emotion + chance."""
    speaker = np.random.default_rng([SEED, actor])
    male = actor % 2 == 1
    values = {"pitch": 3.0 if male else 13.0, "tract": (1.0 if male else 1.16) * speaker.uniform(0.95, 1.05)} | _NEUTRAL
    expressivity = speaker.uniform(0.7, 1.3) * (1.35 if intensity == 2 else 1.0)
    rate = speaker.uniform(0.9, 1.1) * rng.uniform(0.92, 1.08)
    for name, deviation in _SPEAKERS.items():
        values[name] += deviation * speaker.standard_normal()
    for name, deviation in _TAKES.items():
        values[name] += deviation * rng.standard_normal()
    for name, change in _EMOTIONS[emotion].items():
        if name == "duration_s":
            rate *= change**expressivity
        else:
            values[name] += expressivity * change
    values["duration_s"] *= rate
    for name, (low, high) in _LIMITS.items():
        values[name] = min(max(values[name], low), high)
    return Manner(**{field.name: float(values[field.name]) for field in fields(Manner)})
