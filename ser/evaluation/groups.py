"""Figures by gender, speaker, intensity, statement and corpus, and how far the groups lie apart.

They are UAR, WA and macro F1; of numbers CCC, Pearson's correlation, MAE and RMSE.
"""

from dataclasses import dataclass

import numpy as np

from ser.evaluation.confidence import DIFFERENCE, Estimate, Speakers
from ser.evaluation.predictions import AnyPredictions
from ser.evaluation.scores import figures_of, scale_of, sums_of

DIVIDING = ("gender", "speaker", "intensity", "statement", "corpus")
MOST_GROUPS = 100  # TESS has 200 statements, of 14 recordings each


@dataclass(frozen=True, slots=True)
class Group:
    """The utterances that share a trait.

    Args:
        name: `female`, `ravdess_07`, …; `unknown` where the corpus does not say.
        count: Utterances.
        absent: Classes that do not occur in it: its UAR is a mean over the others.
        figures: `uar`, `wa`, `f1_macro`; of numbers `ccc`, `pearson`, `mae`, `rmse`.
    """

    name: str
    count: int
    absent: tuple[str, ...]
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Division:
    """A part divided by a trait.

    Args:
        trait: `gender`, `speaker`, …
        groups: By the alphabet.
        gaps: Figure → largest less smallest value. Between two groups it has an interval, in which 0 means that chance
            explains it; among more it grows with their number, even for equal groups, and has none.
        remark: Why the groups cannot be compared, or listed.
    """

    trait: str
    groups: tuple[Group, ...]
    gaps: dict[str, Estimate]
    remark: str = ""


def divide(part: AnyPredictions, speakers: Speakers) -> tuple[Division, ...]:
    """The part divided by each trait that has at least two values in it."""
    divisions = []
    for trait in DIVIDING:
        names = np.array([word or "unknown" for word in part.traits[trait]])
        found = np.unique(names).tolist()
        if len(found) > MOST_GROUPS:
            divisions.append(Division(trait, (), {}, f"{len(found)} groups: too many to list"))
        elif len(found) > 1:
            divisions.append(_division(part, speakers, trait, {name: names == name for name in found}))
    return tuple(divisions)


def _division(part: AnyPredictions, speakers: Speakers, trait: str, masks: dict[str, np.ndarray]) -> Division:
    of = figures_of(part)
    sums = {name: sums_of(part, speakers, rows) for name, rows in masks.items()}
    utterances = {name: speakers.utterances(rows) for name, rows in masks.items()}
    values = {figure: {name: compute(sums[name]) for name in masks} for figure, compute in of.items()}
    groups = []
    for name, rows in masks.items():
        figures = {
            figure: speakers.estimate(values[figure][name], utterances[name], scale_of(compute))
            for figure, compute in of.items()
        }
        groups.append(Group(name, int(rows.sum()), part.absent(rows), figures))
    differ = len({group.absent for group in groups}) > 1
    gaps = {figure: _gap(of_groups, utterances, speakers) for figure, of_groups in values.items()}
    return Division(trait, tuple(groups), gaps, "the groups have different classes" if differ else "")


def _gap(values: dict[str, np.ndarray], utterances: dict[str, np.ndarray], speakers: Speakers) -> Estimate:
    """Largest less smallest of the groups' values (1 + R,)."""
    order = sorted(values, key=lambda name: values[name][0])
    lowest, highest = order[0], order[-1]
    differences = values[highest] - values[lowest]
    if len(values) > 2:
        return Estimate(float(differences[0]), remark=f"largest less smallest of {len(values)} groups")
    # as uncertain as the group of fewer speakers: all speakers are drawn together, so pairs stay pairs
    smaller = min(utterances.values(), key=lambda of_speakers: (of_speakers > 0).sum())
    return speakers.estimate(differences, smaller, DIFFERENCE)
