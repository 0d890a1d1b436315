"""Classifiers with random weights that answer differently to different voices, and the voices."""

from functools import cache

import numpy as np
import torch

from ser.commands.composing import Composer
from ser.data.audio.prepare import AudioSettings, prepare, resampled
from ser.data.build import build_audio
from ser.data.corpora.demo_speakers import utter
from ser.data.corpora.demo_voice import SAMPLE_RATE
from ser.training.build import build_classifier
from ser.training.module import EmotionClassifier

CLASSES = ["neutral", "angry", "sad", "happy"]


@cache
def voices(sample_rate: int) -> list[np.ndarray]:
    """Six voices of unequal lengths; the last ends within a syllable, after 0.35 s."""
    spoken = [utter(actor, 1 + actor, 1, 1, 1).astype(np.float32) for actor in range(1, 7)]
    spoken[-1] = spoken[-1][2000:7600]
    return [resampled(voice, SAMPLE_RATE, sample_rate) for voice in spoken]


def untrained(*words: str, seed: int = 0, classes: list[str] = CLASSES) -> tuple[EmotionClassifier, AudioSettings]:
    """A classifier of these settings of `ser train`, its normaliser fitted to the voices."""
    config = Composer("train", ["dataset=demo", *words], ())()
    audio = build_audio(config)
    torch.manual_seed(seed)
    classifier = build_classifier(config, classes).eval().requires_grad_(False)
    clips = [torch.from_numpy(prepare(voice, audio.sample_rate, audio)) for voice in voices(audio.sample_rate)]
    width = audio.num_samples or max(map(len, clips))
    waveforms = torch.zeros(len(clips), max(width, *map(len, clips)))
    for row, clip in zip(waveforms, clips, strict=True):
        row[: len(clip)] = clip
    lengths = torch.tensor([min(width, len(clip)) for clip in clips])
    features, frames = classifier.frontend(waveforms[:, :width], lengths)
    classifier.normaliser.fit([(features, frames)])
    for _ in range(20):  # running statistics of batch normalisation
        classifier.train()(waveforms[:, :width], lengths)
    for weights in classifier.model.parameters():
        weights.add_(0.05 * torch.randn_like(weights))
    return classifier.eval(), audio


def side_by_side(waveforms: list[np.ndarray]) -> np.ndarray:
    """One batch, NaN behind the end of each."""
    batch = np.full((len(waveforms), max(map(len, waveforms))), np.nan, dtype=np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return batch
