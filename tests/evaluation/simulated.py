"""Corpora whose truth is known: a population of speakers, from which as many are drawn as one likes.

`python -m tests.evaluation.simulated` prints the table of coverage that `ser.evaluation.confidence` shows.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ser.evaluation.confidence import Speakers
from ser.evaluation.metrics import softmax
from ser.evaluation.predictions import TRAITS, Predictions
from ser.evaluation.scores import score_part

CLASSES = tuple("abcdefgh")
SAID = np.repeat(np.arange(8), [4, *[8] * 7])  # by each speaker, as in RAVDESS: 60 utterances, half as many neutral
LIKENESS = np.random.default_rng(99).normal(0, 0.6, (8, 8)) * (1 - np.eye(8))  # what is taken for what
FIGURES = ("uar", "wa", "f1_macro", "auroc", "top2")
EACH_CLASS = ("recall", "precision", "f1", "auroc")


@dataclass(frozen=True)
class Truth:
    """A population of speakers and a model that knows some better than others.

    Args:
        words: What it is called.
        separation: Mean distance of the true class's logit from the others, in units of their noise.
        ability: Standard deviation of that distance over speakers.
        bias: Standard deviation over speakers of each class's logit: what the model takes this speaker for.
        sharpness: Factor of all logits: how sure of itself the model is.
        failing: How much less separation a tenth of the speakers has.
    """

    words: str
    separation: float
    ability: float
    bias: float
    sharpness: float
    failing: float = 0.0


TRUTHS = (
    Truth("weak, UAR 0.39", 1.3, 0.4, 0.4, 0.8),
    Truth("middling, 0.67", 2.4, 0.6, 0.5, 1.6),
    Truth("strong, 0.97", 4.3, 0.6, 0.3, 2.0),
    Truth("speakers alike", 2.2, 0.0, 0.0, 1.6),
    Truth("speakers differ much", 2.6, 1.2, 0.9, 1.5),
    Truth("a tenth fail", 3.4, 0.4, 0.4, 1.5, failing=2.5),
)


def simulate(truth: Truth, num_speakers: int, rng: np.random.Generator) -> Predictions:
    """What the model says of that many speakers."""
    failing = truth.failing * (rng.random(num_speakers) < 0.1)
    separation = np.maximum(rng.normal(truth.separation, truth.ability, num_speakers) - failing, 0)
    logits = rng.standard_normal((num_speakers, 60, 8)) + LIKENESS[SAID]
    logits += rng.normal(0, truth.bias, (num_speakers, 1, 8))
    logits[:, np.arange(60), SAID] += separation[:, None]
    logits = truth.sharpness * logits.reshape(-1, 8)  # (S, 60, 8) → (60·S, 8)
    speakers = np.repeat([f"speaker_{number}" for number in range(num_speakers)], 60)
    return made_of(np.tile(SAID, num_speakers), logits, CLASSES, speaker=tuple(speakers.tolist()))


def made_of(true, logits, classes, **traits) -> Predictions:
    """Predictions from labels (N,) and logits (N, K), with the traits that are given."""
    words = {trait: traits.get(trait, (None,) * len(true)) for trait in TRAITS}
    keys = tuple(f"{number}.wav" for number in range(len(true)))
    return Predictions(tuple(classes), keys, true, logits.argmax(axis=1), softmax(logits), words)


@cache
def true_values(truth: Truth, num_speakers: int = 20_000) -> dict[str, float]:
    """The figures of (nearly) the whole population."""
    everybody = simulate(truth, num_speakers, np.random.default_rng(1))
    alone = Speakers(np.zeros(len(everybody), dtype=np.int64), known=False)
    return _flat(score_part(everybody, alone), lambda estimate: estimate.value)


def coverage(truth: Truth, corpora: int, num_speakers: int = 24, resamples: int = 500) -> dict[str, float]:
    """Share of simulated corpora whose interval holds the truth, by figure; of those by class, over all classes."""
    values, rng = true_values(truth), np.random.default_rng(5)
    hits: dict[str, list[bool]] = {}
    for number in range(corpora):
        part = simulate(truth, num_speakers, rng)
        scores = score_part(part, Speakers.of(part, resamples, seed=number))
        for name, estimate in _flat(scores, lambda estimate: estimate).items():
            if estimate.low is not None:  # a class that is wholly right gets no interval
                hits.setdefault(name.split("/")[0], []).append(estimate.low <= values[name] <= estimate.high)
    return {name: float(np.mean(found)) for name, found in hits.items()}


def _flat(scores, value) -> dict:
    overall = {name: value(scores.overall[name]) for name in FIGURES}
    return overall | {
        f"class {figure}/{name}": value(scores.by_class[name][figure]) for name in CLASSES for figure in EACH_CLASS
    }


if __name__ == "__main__":
    for truth in TRUTHS:
        print(f"{truth.words:<22}", *(f"{name} {100 * share:.1f}" for name, share in coverage(truth, 2000).items()))
