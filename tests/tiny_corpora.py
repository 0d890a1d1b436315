"""Small corpora with the true file grammar and the true corpora's quirks, written by tests into a temporary folder."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

RAVDESS_EMOTIONS = tuple(range(1, 9))
TESS_FOLDERS = {
    ("OAF", "angry"): "OAF_angry",
    ("OAF", "disgust"): "OAF_disgust",
    ("OAF", "fear"): "OAF_Fear",
    ("OAF", "happy"): "OAF_happy",
    ("OAF", "neutral"): "OAF_neutral",
    ("OAF", "ps"): "OAF_Pleasant_surprise",
    ("OAF", "sad"): "OAF_Sad",
    ("YAF", "angry"): "YAF_angry",
    ("YAF", "disgust"): "YAF_disgust",
    ("YAF", "fear"): "YAF_fear",
    ("YAF", "happy"): "YAF_happy",
    ("YAF", "neutral"): "YAF_neutral",
    ("YAF", "ps"): "YAF_pleasant_surprised",
    ("YAF", "sad"): "YAF_sad",
}
TESS_PITCH = {"neutral": 170, "sad": 150, "disgust": 185, "angry": 240, "happy": 260, "fear": 300, "ps": 330}  # Hz


def write_tone(
    path: Path, pitch: float = 150.0, sample_rate: int = 16000, duration_s: float = 0.4, channels: int = 1,
    level: float = 1.0,
):  # fmt: skip
    """A short voiced tone: ten harmonics with an attack and a decay, and a little noise; phases and noise depend on the
    file's name.

    They make each recording its own, no copy of another, as in a real corpus, and the same whenever it is written.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(path.stem.encode()).digest()[:8], "big"))
    time = np.arange(int(duration_s * sample_rate)) / sample_rate
    harmonics = [k for k in range(1, 11) if k * pitch < sample_rate / 2]
    phases = rng.uniform(0, 2 * np.pi, 10)
    tone = sum(np.sin(2 * np.pi * k * pitch * time + phases[k - 1]) / k for k in harmonics)
    envelope = np.minimum(1, np.minimum(time, time[::-1]) / 0.03)
    waveform = 0.2 * level * envelope * tone + 0.002 * rng.standard_normal(len(time))
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.stack([waveform * (1 - 0.1 * channel) for channel in range(channels)], axis=1)  # (T, channels)
    soundfile.write(path, samples if channels > 1 else samples[:, 0], sample_rate, subtype="PCM_16")
    return path


def ravdess_name(
    emotion: int, actor: int, intensity=1, statement=1, repetition=1, channel=1, modality=3, suffix=".wav"
) -> str:
    """`03-01-05-01-02-01-12.wav` for anger of actor 12, and so on."""
    codes = (modality, channel, emotion, intensity, statement, repetition, actor)
    return "-".join(f"{code:02}" for code in codes) + suffix


def write_tiny_ravdess(
    root: Path,
    actors: Iterable[int] = range(1, 7),
    emotions: Iterable[int] = RAVDESS_EMOTIONS,
    suffix: str = ".wav",
    sample_rate: int = 16000,
    kaggle_copy: bool = False,
    song: bool = False,
    films: bool = False,
    duration_s: float = 0.4,
) -> Path:
    """Each actor says both statements in each emotion once; pitch tells emotions apart. The very first file is stereo.

    Args:
        root: Becomes the folder with `Actor_01` ….
        actors: RAVDESS's numbers.
        emotions: RAVDESS's codes, 1 to 8.
        suffix: `.wav` or `.flac`.
        sample_rate: Hz.
        kaggle_copy: Every file a second time, under `audio_speech_actors_01-24/`.
        song: Also sings the first six emotions.
        films: Also a film of each actor, `.mp4`, and its sound as an audio file of modality 01.
        duration_s: Of each recording.
    """
    root.mkdir(parents=True, exist_ok=True)
    channels = 2
    for actor in actors:
        folder = root / f"Actor_{actor:02}"
        for emotion in emotions:
            pitch = (110 if actor % 2 else 190) * 2 ** ((emotion - 1) / 8 + actor / 100)
            for statement in (1, 2):
                intensity = 1 if emotion == 1 else statement
                name = ravdess_name(emotion, actor, intensity, statement, suffix=suffix)
                write_tone(folder / name, pitch, sample_rate, duration_s, channels)
                channels = 1
            if song and emotion <= 6:
                name = ravdess_name(emotion, actor, channel=2, suffix=suffix)
                write_tone(folder / name, 1.5 * pitch, sample_rate, duration_s)
        if films:
            (folder / ravdess_name(3, actor, modality=1, suffix=".mp4")).write_bytes(b"film")
            write_tone(folder / ravdess_name(3, actor, modality=1, suffix=suffix), sample_rate=sample_rate)
    if kaggle_copy:
        _copy_inside(root, "audio_speech_actors_01-24")
    return root


def write_tiny_tess(
    root: Path,
    words: Iterable[str] = ("back", "bite", "dog"),
    emotions: Iterable[str] = tuple(TESS_PITCH),
    suffix: str = ".wav",
    kaggle_copy: bool = False,
    duration_s: float = 0.4,
) -> Path:
    """Both actresses say each word in each emotion, in TESS's folders, at 24,414 Hz.

    The irregularities are TESS's own: `OAF_Fear`, `OAF_Pleasant_surprise`, `YAF_pleasant_surprised`, `OAF_Sad`, the
    file `OA_bite_neutral` where `bite` is among the words, and one file of 96 kHz.

    Args:
        root: Becomes the folder with `OAF_angry` ….
        words: Words spoken.
        emotions: TESS's words for them in file names: angry, disgust, fear, happy, neutral, ps, sad.
        suffix: `.wav` or `.flac`.
        kaggle_copy: Every file a second time, in an inner folder as Kaggle's copy has it.
        duration_s: Of each recording.
    """
    root.mkdir(parents=True, exist_ok=True)
    sample_rate = 96000
    for (actress, emotion), folder in TESS_FOLDERS.items():
        for word in words if emotion in emotions else ():
            odd = (actress, word, emotion) == ("OAF", "bite", "neutral")
            name = f"{'OA' if odd else actress}_{word}_{emotion}{suffix}"
            pitch = TESS_PITCH[emotion] * (1.1 if actress == "YAF" else 1.0)
            write_tone(root / folder / name, pitch, sample_rate, duration_s)
            sample_rate = 24414
    if kaggle_copy:
        _copy_inside(root, "TESS Toronto emotional speech set data")
    return root


def _copy_inside(root: Path, name: str) -> None:
    """All of `root` a second time, in the folder `name` inside it."""
    folders = [child for child in root.iterdir() if child.is_dir()]
    for folder in folders:
        shutil.copytree(folder, root / name / folder.name)


def real_corpus(name: str) -> Path:
    """The folder of the real `ravdess` or `tess`, under `SER_DATA` or `../shared/data` beside the repository.

    Skips the test, visibly, where it is absent.
    """
    data = Path(os.environ.get("SER_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (data / name).is_dir():
        pytest.skip(f"the real {name} is not in {data}")
    return data / name


def write_rated(root: Path, speakers: int = 12, takes: int = 8, prefix: str = "s") -> Path:
    """A list of tones with two numbers each, which can be heard: arousal by the pitch and valence by the level; both
    with a rater's noise. The list's path; its recordings lie beside it.
    """
    rng = np.random.default_rng(0)
    lines = ["path,speaker,gender,Arousal,valence"]
    for speaker in range(speakers):
        for take in range(takes):
            arousal, valence = rng.uniform(1, 7, 2)
            name = f"{prefix}{speaker:02}_{take}.wav"
            pitch = (110 + 4 * speaker) * 2 ** ((arousal - 1) / 5)
            write_tone(root / name, pitch, level=10 ** ((valence - 7) / 6))
            heard = np.array([arousal, valence]) + rng.normal(0, 0.2, 2)
            lines.append(f"{name},{prefix}{speaker},{'mf'[speaker % 2]},{heard[0]:.3f},{heard[1]:.3f}")
    (root / "rated.csv").write_text("\n".join(lines) + "\n")
    return root / "rated.csv"
