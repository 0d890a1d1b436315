"""A leaderboard: our recipes and published systems of one corpus and protocol, in one ranking by a figure of test.

A recipe's figure is the mean over its trainings, each of which tests the whole protocol: a run, or all folds of one
seed, pooled. Its interval resamples speakers. Two recipes are compared over the speakers that both were tested on,
whatever their seeds; a published figure, of which no predictions are known, with the interval of ours alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ser.comparison.columns import differing, label, value_of
from ser.comparison.conditions import Condition
from ser.comparison.load_runs import Gathered, Run, gather
from ser.comparison.protocols import Group, Trial, chosen, incomplete_remarks, trials_of
from ser.comparison.published import METRICS, Library, Published, read_published
from ser.comparison.signed_rank import rank_sign, signed_rank
from ser.comparison.significance import Pair, corrected, differences, resampled, speakers_of
from ser.data.splits.protocol import merged
from ser.errors import UserError, check_choice
from ser.evaluation.confidence import FEWEST_SPEAKERS, Estimate
from ser.evaluation.scores import OF_DECISIONS


@dataclass(frozen=True, slots=True)
class Choice:
    """What a leaderboard shows.

    Args:
        corpus, protocol: Names; None where the runs are of one.
        metric: `uar`, `wa` or `f1_macro`, which ranks.
        against: Part of the name of the published system that distances are measured to; None for the best.
        where: Selects runs, or None.
        published: Files of the user's with further systems.

    Raises:
        UserError: Another metric.
    """

    corpus: str | None = None
    protocol: str | None = None
    metric: str = "uar"
    against: str | None = None
    where: Condition | None = None
    published: tuple[Path, ...] = ()

    def __post_init__(self):
        check_choice("metric", self.metric, tuple(METRICS))


@dataclass(frozen=True, eq=False)
class Recipe:
    """One configuration of ours.

    Args:
        name: Its experiment, or frontend and model, and what distinguishes it from others of the same.
        trials: At least one.
        figures: `uar`, `wa`, `f1_macro`, as shares.
    """

    name: str
    trials: tuple[Trial, ...]
    figures: dict[str, Estimate]

    @property
    def runs(self) -> list[Run]:
        return [run for trial in self.trials for run in trial.runs]

    @property
    def pretrained(self) -> bool:
        """Whether it was trained on other recordings than the protocol's: before, or beside them."""
        flat = self.trials[0].runs[0].flat
        checkpoints = (flat[key] for key in flat if key.startswith("frontend.") and key.endswith(".checkpoint"))
        return bool(flat.get("init_from") or flat.get("split.train_only")) or any(checkpoints)


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """The result.

    Args:
        group: Of the runs.
        metric: That ranks.
        stamp: In what the parts of the split are disjoint.
        lines: Recipes and published systems, best first; those without the metric last.
        pairs: Each two recipes, by their places from 1, corrected for their number.
        against: The published system that distances are measured to, if there is one.
        asides: What was left out, and why.
    """

    group: Group
    metric: str
    stamp: str
    lines: tuple[Recipe | Published, ...]
    pairs: tuple[Pair, ...]
    against: Published | None
    asides: tuple[str, ...]

    @property
    def best(self) -> Recipe:
        """Our first."""
        return next(line for line in self.lines if isinstance(line, Recipe))


def leaderboard(places: Sequence[str | Path], choice: Choice) -> Leaderboard:
    """Ranks the finished runs in some places among what is published.

    Raises:
        UserError: No complete run, an unknown corpus or protocol, runs of several protocols, or a faulty list.
    """
    library = read_published(choice.published)
    gathered = gather(places, choice.where)
    classifying = [run for run in gathered.runs if not run.answered.are_numbers]
    if numbers := len(gathered.runs) - len(classifying):
        numeric = f"{numbers} runs predict numbers, and a leaderboard ranks what names a class."
        if not classifying:
            raise UserError(f"{numeric} ser compare has their figures.")
        gathered = Gathered(gathered.runs, (*gathered.remarks, f"Left out: {numeric}"))
    trials, incomplete = trials_of(classifying)
    group, asides = chosen(trials, incomplete, library, choice.corpus, choice.protocol)
    recipes = _recipes(group.trials)
    systems, others = _comparable(library, group)
    lines = sorted([*recipes, *systems], key=lambda line: (-value_in(line, choice.metric), _name(line)))
    runs = [run for recipe in recipes for run in recipe.runs]
    folds = group.facts.folds
    stamp = merged([run.protocol for run in runs], "runs", f"{folds} folds pooled" if folds else "")
    asides = (*asides, *incomplete_remarks(incomplete), *others, *gathered.remarks)
    against = _against(systems, choice)
    return Leaderboard(group, choice.metric, stamp, tuple(lines), _tested(lines, choice.metric), against, asides)


def value_in(line: Recipe | Published, metric: str) -> float:
    """A figure of a line in percent; minus infinity where it has none."""
    if isinstance(line, Published):
        return float(line.figures.get(metric, -math.inf))
    value = line.figures[metric].value
    return -math.inf if math.isnan(value) else 100 * value


def position(value: float, ours: Estimate) -> str:
    """Where a published figure lies: `above`, `inside` or `below` the interval of ours; empty where ours has none."""
    if ours.low is None:
        return ""
    return "above" if value > 100 * ours.high else "below" if value < 100 * ours.low else "inside"


def _comparable(library: Library, group: Group) -> tuple[list[Published], list[str]]:
    """The published systems of the group's protocol, and why others of its corpus are not."""
    reasons: dict[str, list[Published]] = {}
    for system in library.systems:
        if system.corpus == group.facts.corpus:
            why = library.protocol_of(system).mismatch(group.facts) or system.aside
            reasons.setdefault(why, []).append(system)
    systems = reasons.pop("", [])
    return systems, [
        f"Published and left out, since {why}: {'; '.join(f'{it.system} ({it.reference})' for it in members)}."
        for why, members in reasons.items()
    ]


def _recipes(trials: Sequence[Trial]) -> list[Recipe]:
    together: dict[str, list[Trial]] = {}
    for trial in trials:
        together.setdefault(trial.runs[0].configuration, []).append(trial)
    alike: dict[str, list[Run]] = {}
    for members in together.values():
        alike.setdefault(_kind(members[0].runs[0]), []).append(members[0].runs[0])
    recipes = []
    for members in together.values():
        run = members[0].runs[0]
        columns = differing(alike[_kind(run)])
        cells = {column: value for column in columns if (value := value_of(run, column)) is not None}
        name = f"{_kind(run)}, {label(cells)}" if cells else _kind(run)
        recipes.append(Recipe(name, tuple(members), _figures(members)))
    return recipes


def _kind(run: Run) -> str:
    return str(run.choices.get("experiment") or f"{run.choices.get('frontend')}-{run.choices.get('model')}")


def _name(line: Recipe | Published) -> str:
    return line.system if isinstance(line, Published) else line.name


def _figures(trials: Sequence[Trial]) -> dict[str, Estimate]:
    parts = [trial.answered for trial in trials]
    speakers = speakers_of(parts)
    counts = speakers.utterances(slice(None))
    return {name: speakers.estimate(resampled(parts, speakers, OF_DECISIONS[name])[0], counts) for name in METRICS}


def _tested(lines: Sequence[Recipe | Published], metric: str) -> tuple[Pair, ...]:
    """Each two recipes: the first was chosen by test, and so are the pairs with it."""
    places = [(place, line) for place, line in enumerate(lines, start=1) if isinstance(line, Recipe)]
    pairs = []
    for (first, one), (second, other) in combinations(places, 2):
        shared = _shared(one, other)
        names = one.name, other.name
        if not shared:
            pairs.append(
                Pair(first, second, names, Estimate(math.nan, remark="no test part in common"), 0, None, "", None)
            )
            continue
        difference, _, by_speaker = differences(shared, OF_DECISIONS[metric])
        count = None if by_speaker is None else len(by_speaker)
        enough = count is not None and count >= FEWEST_SPEAKERS
        test, p = (f"Wilcoxon, {count} speakers", signed_rank(by_speaker)) if enough else ("", None)
        favours = rank_sign(by_speaker) if enough else 0
        pairs.append(Pair(first, second, names, difference, len(shared), count, test, p, favours))
    return tuple(corrected(pairs))


def _shared(one: Recipe, other: Recipe) -> list[tuple]:
    """Pairs of trainings with equal test parts, each of a part as often as any other of the same recipe."""
    pairs = []
    for part in sorted({trial.answered.part for trial in one.trials} & {trial.answered.part for trial in other.trials}):
        ours, theirs = (
            [trial.answered for trial in recipe.trials if trial.answered.part == part] for recipe in (one, other)
        )
        count = math.lcm(len(ours), len(theirs))
        pairs += [(ours[i % len(ours)], theirs[i % len(theirs)]) for i in range(count)]
    return pairs


def _against(systems: Sequence[Published], choice: Choice) -> Published | None:
    """The published system that distances are measured to.

    Raises:
        UserError: None of the name, or several.
    """
    ranked = [it for it in systems if choice.metric in it.figures]
    if choice.against is None:
        return max(ranked, key=lambda it: it.figures[choice.metric], default=None)
    named = [it for it in ranked if choice.against.casefold() in it.system.casefold()]
    if len(named) != 1:
        known = "; ".join(it.system for it in ranked) or "none"
        found = "none" if not named else f"{len(named)}"
        raise UserError(
            f"--against {choice.against}: {found} of the published systems of this protocol with {choice.metric} "
            f"has it in its name. They are: {known}."
        )
    return named[0]
