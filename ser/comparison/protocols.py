"""Which runs were tested by the same protocol, judged by what they tested, and the one of them that is asked for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ser.comparison.load_runs import NOT_TESTED, Answered, Run, frozen
from ser.comparison.published import Facts, Library, Protocol
from ser.data.splits.protocol import fold_of
from ser.data.splits.published import bare_speaker
from ser.errors import UserError, did_you_mean


@dataclass(frozen=True, eq=False)
class Trial:
    """A training that tests the whole protocol: a run, or all folds of one seed.

    Args:
        runs: In the order of the folds.
        answered: Their predictions, pooled.
        facts: Their protocol.
    """

    runs: tuple[Run, ...]
    answered: Answered
    facts: Facts


@dataclass(frozen=True, eq=False)
class Group:
    """Trials of one protocol.

    Args:
        name: Of the published protocol that they follow, else of the choice of `split`.
        protocol: The published one, or None.
        trials: At least one.
    """

    name: str
    protocol: Protocol | None
    trials: tuple[Trial, ...]

    @property
    def facts(self) -> Facts:
        """By which all of them were tested."""
        return self.trials[0].facts

    @property
    def label(self) -> str:
        """`ravdess, emobox, 8 emotions (84 runs)`."""
        count = sum(len(trial.runs) for trial in self.trials)
        emotions = f"{len(self.facts.emotions)} classes"
        return f"{self.facts.corpus}, {self.name}, {emotions} ({count} run{'s' * (count != 1)})"


def trials_of(runs: Sequence[Run]) -> tuple[list[Trial], list[list[Run]]]:
    """The trials, and the folds of cross-validations that lack some.

    Args:
        runs: Finished.
    """
    seeds: dict[str, list[Run]] = {}
    for run in runs:
        seeds.setdefault(frozen([run.configuration, run.drawn[:2]]), []).append(run)
    trials, incomplete = [], []
    for members in seeds.values():
        folds = {_fold(run): run for run in members}  # a repeated fold counts once
        if any(folds[_fold(run)].answered.part != run.answered.part for run in members):
            incomplete.append(members)
            continue
        ordered = [folds[fold] for fold in sorted(folds)]
        if len({count for _, count in folds}) > 1 or len(folds) < max(folds)[1]:
            incomplete.append(ordered)
            continue
        answered = Answered.pooled([run.answered for run in ordered])
        if len(set(answered.recordings)) < len(answered.recordings):
            incomplete.append(ordered)  # folds that test a recording twice are not of one cross-validation
        else:
            trials.append(Trial(tuple(ordered), answered, _facts(ordered, answered)))
    return trials, incomplete


def incomplete_remarks(incomplete: Sequence[Sequence[Run]]) -> list[str]:
    """Why some runs are left out, a sentence each."""
    return [f"{folds[0].path.name} is left out: {_why_incomplete(folds)}." for folds in incomplete]


def _fold(run: Run) -> tuple[int, int]:
    """Its number, from 1, and of how many."""
    return fold_of(run.protocol) or (0, 1)


def _why_incomplete(folds: Sequence[Run]) -> str:
    counts = {count for _, count in map(_fold, folds)}
    if len(counts) > 1 or len(folds) >= max(counts):  # all are there, and are tested on what they should not be
        return "its folds are not of one cross-validation"
    return f"of its cross-validation {len(folds)} of {max(counts)} folds are finished"


def chosen(
    trials: Sequence[Trial], incomplete: Sequence[Sequence[Run]], library: Library, corpus: str | None, name: str | None
) -> tuple[Group, list[str]]:
    """The group that is asked for, and a remark on each other.

    Args:
        trials, incomplete: From `trials_of`.
        library: What is published.
        corpus, name: Of the corpus and the protocol; None where there is only one.

    Raises:
        UserError: There is none, or there are several.
    """
    groups = _grouped(trials, library)
    if not groups:
        raise UserError(f"No recipe is complete. {' '.join(incomplete_remarks(incomplete[:3]))}")
    wanted = _named("--corpus", corpus, groups, lambda group: {group.facts.corpus})
    wanted = _named("--protocol", name, wanted, lambda group: {group.name, group.facts.split})
    if name is not None and any(group.name == name and group.protocol for group in wanted):
        wanted = [group for group in wanted if group.name == name and group.protocol]
    if len(wanted) > 1:
        raise UserError(
            f"These runs are of {len(wanted)} protocols: {'; '.join(group.label for group in wanted)}. Choose one with "
            "--corpus and --protocol, or by its settings with --where."
        )
    group, others = _of_one_test(wanted[0])
    for other in groups:
        if other is not wanted[0]:
            why = group.protocol.mismatch(other.facts) if group.protocol else ""
            others.append(f"Left out: {other.label}. The protocol {group.name} is another{why and f': {why}'}.")
    return group, others


def _named(option, asked, groups: list[Group], names) -> list[Group]:
    if asked is None:
        return groups
    found = [group for group in groups if asked in names(group)]
    if not found:
        known = sorted(set().union(*map(names, groups)))
        raise UserError(f"{option} {asked}: no complete run is of it. {did_you_mean(asked, known)}")
    return found


def _facts(runs: Sequence[Run], answered: Answered) -> Facts:
    corpus = " + ".join(sorted({corpus for corpus, _ in answered.recordings}))
    heads = [run.protocol.partition(";")[0] for run in runs]
    known = all("speaker-" in head for head in heads)
    apart = all("speaker-independent" in head for head in heads) if known else None
    folds = len(runs) if fold_of(runs[0].protocol) else None
    tested = frozenset(frozenset(bare_speaker(name, corpus) for name in run.answered.speakers) for run in runs)
    split = str(runs[0].choices.get("split"))
    listed = tested if apart and folds else None
    return Facts(corpus, answered.classes, len(answered.true), folds, apart, listed, split, runs[0].flat)


def _grouped(trials: Sequence[Trial], library: Library) -> list[Group]:
    """By the published protocol that they follow; others by dataset, classes and split."""
    groups: dict[str, list[Trial]] = {}
    followed: dict[str, Protocol | None] = {}
    for trial in trials:
        run = trial.runs[0]
        protocol = next((it for it in library.protocols if not it.mismatch(trial.facts)), None)
        settings = {key: value for key, value in run.settings.items() if key.startswith(("dataset.", "split."))}
        others = {key: value for key, value in settings.items() if key not in NOT_TESTED}
        key = frozen([trial.facts.corpus, protocol.name if protocol else [others, trial.answered.classes]])
        groups.setdefault(key, []).append(trial)
        followed[key] = protocol
    names = {key: it.name if it else groups[key][0].facts.split for key, it in followed.items()}
    return [Group(names[key], followed[key], tuple(members)) for key, members in groups.items()]


def _of_one_test(group: Group) -> tuple[Group, list[str]]:
    """Without trials whose folds tested other recordings than those of most."""
    if group.facts.folds is None:
        return group, []
    (most, _), *_ = Counter(trial.answered.part for trial in group.trials).most_common(1)
    kept = tuple(trial for trial in group.trials if trial.answered.part == most)
    left = [trial.runs[0].path.name for trial in group.trials if trial.answered.part != most]
    remarks = [f"{name} is left out: it was tested on other recordings than {len(kept)} others." for name in left]
    return Group(group.name, group.protocol, kept), remarks
