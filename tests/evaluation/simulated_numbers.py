"""Corpora of numbers whose truth is known; run as a module, it prints what intervals cover."""

from dataclasses import dataclass

import numpy as np

from ser.evaluation.confidence import Speakers
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.numbers import score_numbers
from ser.evaluation.prediction_files import TRAITS

EACH = 60  # utterances of a speaker


@dataclass(frozen=True)
class Truth:
    """A population of speakers, whose arousal is rated from 1 to 7, and a model of it.

    Args:
        words: What it is called.
        slope: How far predictions follow the truth, on average.
        noise: Standard deviation of the error of an utterance.
        bias: Standard deviation over speakers of a constant error.
        unlike: Standard deviation over speakers of the slope, and of their mean arousal.
    """

    words: str
    slope: float
    noise: float
    bias: float
    unlike: float


TRUTHS = (
    Truth("weak, CCC 0.38", 0.35, 0.8, 0.3, 0.1),
    Truth("middling, 0.69", 0.6, 0.55, 0.25, 0.1),
    Truth("strong, 0.91", 0.9, 0.35, 0.2, 0.05),
    Truth("speakers alike", 0.6, 0.6, 0.0, 0.0),
    Truth("speakers differ much", 0.7, 0.5, 0.6, 0.4),
)


def simulate(truth: Truth, num_speakers: int, rng: np.random.Generator) -> NumberPredictions:
    """What the model predicts of that many speakers."""
    means = 4 + rng.normal(0, truth.unlike, (num_speakers, 1))
    true = np.clip(rng.normal(means, 1.0, (num_speakers, EACH)), 1, 7)
    slopes = truth.slope + rng.normal(0, truth.unlike, (num_speakers, 1))
    biases = rng.normal(0, truth.bias, (num_speakers, 1))
    predicted = 4 + slopes * (true - 4) + biases + rng.normal(0, truth.noise, true.shape)
    speakers = np.repeat([f"speaker_{number}" for number in range(num_speakers)], EACH)
    return made_of(true.reshape(-1, 1), predicted.reshape(-1, 1), speaker=tuple(speakers.tolist()))


def made_of(true, predicted, targets=("arousal",), **traits) -> NumberPredictions:
    """Predictions from numbers (N, D), with the traits that are given."""
    words = {trait: traits.get(trait, (None,) * len(true)) for trait in TRAITS}
    keys = tuple(f"{number}.wav" for number in range(len(true)))
    return NumberPredictions(tuple(targets), keys, np.asarray(true), np.asarray(predicted), words)


def coverage(truth: Truth, corpora: int, num_speakers: int = 24, resamples: int = 500) -> dict[str, float]:
    """Share of simulated corpora whose interval holds the truth, by figure."""
    everybody, rng = simulate(truth, 20_000, np.random.default_rng(1)), np.random.default_rng(5)
    values = score_numbers(everybody, Speakers(np.zeros(len(everybody), dtype=np.int64), known=False)).overall
    hits: dict[str, list[bool]] = {name: [] for name in values}
    for number in range(corpora):
        part = simulate(truth, num_speakers, rng)
        for name, it in score_numbers(part, Speakers.of(part, resamples, seed=number)).overall.items():
            hits[name].append(it.low <= values[name].value <= it.high)
    return {name: float(np.mean(found)) for name, found in hits.items()} | {"truth": values["ccc"].value}


if __name__ == "__main__":
    for speakers in (24, 12):
        for truth in TRUTHS:
            found = coverage(truth, 2000, speakers)
            print(speakers, f"{truth.words:<22}", *(f"{name} {100 * share:.1f}" for name, share in found.items()))
