"""Which finished runs an ensemble averages, how they are grouped, and the ensemble's config."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.comparison.load_runs import Run, as_run, frozen, read_test, shown
from ser.errors import UserError, some
from ser.evaluation.averaging import Recording, recording_of, recordings_of
from ser.evaluation.predictions import AnyPredictions, read_predictions
from ser.runs.listing import FoundRun, find_runs
from ser.runs.members import MOST, is_ensemble
from ser.runs.seen_recordings import read_tested
from ser.runs.weights import content_of_run

LONGEST = 1000  # characters of a setting's values joined
NOTHING_LEFT = (
    "Nothing is left to score: no recording is in the test part of all of these runs; one was trained on what "
    "another tests. Name runs that share their split (several seeds with split.seed=0, several recipes), or several "
    "seeds of each fold."
)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A finished run that is averaged.

    Args:
        run: As in comparisons.
        test, val: Its predictions; None where it has no validation part.
        weights: Their content hash.
    """

    run: Run
    test: AnyPredictions
    val: AnyPredictions | None
    weights: str


def find_members(places: Sequence[str | Path]) -> tuple[list[Member], list[str]]:
    """The runs in all places, by path, and remarks on what was skipped, such as ensembles.

    Args:
        places: Run directories, folders of them, sweeps, cross-validations (their folds), or patterns.

    Raises:
        UserError: A place without a run, a run that did not finish or is damaged or named twice, fewer than two, or
            runs of different classes.
    """
    found: dict[Path, FoundRun] = {}
    remarks: list[str] = []
    for place in places:
        runs, skipped = find_runs([place])
        remarks += skipped
        for run in runs:
            if is_ensemble(run.path):
                remarks.append(f"{run.path} is an ensemble, and is left out")
            elif run.path in found:
                raise UserError(f"{run.path} is named twice, and an ensemble takes each run once.")
            else:
                found[run.path] = run
    _check(list(found.values()), remarks)
    members = [_member(found[path]) for path in sorted(found)]
    first, *others = members
    for other in others:
        if set(other.test.classes) != set(first.test.classes) or type(other.test) is not type(first.test):
            raise UserError(
                f"{first.run.path} has {some(first.test.classes)}, and {other.run.path} {some(other.test.classes)}: "
                "an ensemble needs runs of the same classes."
            )
    return members, list(dict.fromkeys(remarks))


def by_test_part(members: Sequence[Member]) -> list[list[Member]]:
    """Members grouped by shared test recordings: of several folds one group each, in order.

    Raises:
        UserError: Each run tests other recordings, or the groups are of different seeds or settings.
    """
    groups: list[tuple[set, list[Member]]] = []
    for member in members:
        tested = set(recordings_of(member.test))
        near = [group for group in groups if not group[0].isdisjoint(tested)]
        together = [other for _, others in near for other in others]
        groups = [group for group in groups if group[0].isdisjoint(tested)]
        groups.append((tested.union(*(each for each, _ in near)), [*together, member]))
    found = sorted((sorted(group, key=_place) for _, group in groups), key=_fold)
    if all(len(group) == 1 for group in found):
        raise UserError(NOTHING_LEFT)
    if len(kinds := sorted({description(group) for group in found})) > 1:
        raise UserError(f"Each fold needs the same seeds and settings, and here are: {some(kinds)}.")
    return found


def check_names(members: Sequence[Member]) -> None:
    """Refuses other recordings of one name: what one member tests, another may have been trained on.

    Members of an older version, which did not list what they tested, are not looked at.

    Raises:
        UserError: Names the first.
    """
    tested: dict[Recording, tuple[frozenset[str], Path]] = {}
    for member in members:
        for one in read_tested(member.run.path):
            name = recording_of(one.utterance.corpus, one.utterance.key)
            hashes, path = tested.setdefault(name, (one.hashes, member.run.path))
            if hashes.isdisjoint(one.hashes):
                raise UserError(
                    f"{one.utterance.key} is another recording in {member.run.path} than in {path}: they cannot be "
                    "averaged. Give the two corpora names of their own, as in dataset.of."
                )


def description(members: Sequence[Member]) -> str:
    """What distinguishes an ensemble: `seeds 0, 1, 2`; of several configurations their number, and a hash."""
    runs = [member.run for member in members]
    kinds = {run.configuration for run in runs}
    seeds = [shown(run.drawn[0]) for run in sorted(runs, key=lambda run: frozen(run.drawn[0]))]
    if len(kinds) == 1:
        return f"seeds {', '.join(seeds)}"
    configurations = "\n".join(sorted(frozen([run.configuration, run.drawn[0]]) for run in runs))
    digest = hashlib.blake2b(configurations.encode(), digest_size=3).hexdigest()
    return f"{len(runs)} runs of {len(kinds)} configurations, {digest}"


def ensemble_config(members: Sequence[Member], name: str | None = None) -> dict[str, Any]:
    """The config of an ensemble: the settings that its members share, and all values of those that differ.

    Nothing is built from it. Seed, split seed and fold are the first member's: a comparison pairs it by them.

    Args:
        members: At least one.
        name: Of the ensemble (`run.name`).
    """
    configs = [member.run.config for member in members]
    first = configs[0]
    choices = [config["choices"] for config in configs]
    groups = dict.fromkeys(group for chosen in choices for group in chosen)
    made = {group: dict.fromkeys(str(it) for chosen in choices if (it := chosen.get(group))) for group in groups}
    together = {
        **_together(configs),
        "choices": {group: "+".join(names) or None for group, names in made.items()},
        "run": {**first["run"], "name": name},
        "seed": first["seed"],
    }
    for key, empty in {"metrics": {}, "lower_is_better": []}.items():  # only metrics of all members are computed
        if len({frozen(config.get(key)) for config in configs}) > 1:
            together[key] = empty
    return {**together, "ensemble": description(members)}


def _together(values: Sequence[Any]) -> Any:
    """One value for several: nodes key by key, `0.001 + 0.01` for what differs."""
    if nodes := [value for value in values if isinstance(value, dict)]:
        keys = dict.fromkeys(key for node in nodes for key in node)
        return {key: _together([node[key] for node in nodes if key in node]) for key in keys}
    if len({frozen(value) for value in values}) == 1:
        return values[0]
    return " + ".join(dict.fromkeys(map(shown, values)))[:LONGEST]


def _check(found: Sequence[FoundRun], remarks: Sequence[str]) -> None:
    for run in found:
        if run.state == "damaged":
            raise UserError(f"{run.path} is damaged: {run.reason}")
        if run.state != "finished":
            raise UserError(
                f"The run {run.path} is not finished ({run.state}): finish it with ser train run.resume={run.path}, or "
                "name only the others."
            )
    if not 2 <= len(found) <= MOST:
        skipped = f" Skipped: {some(remarks)}." if remarks else ""
        raise UserError(f"An ensemble takes 2 to {MOST} finished runs, and here are {len(found)}.{skipped}")
    first: dict[str, FoundRun] = {}
    for run in found:
        if (same := first.setdefault(run.identity, run)) is not run:
            raise UserError(
                f"{run.path} is the same run as {same.path} (identity {run.identity}), and an ensemble takes each once."
            )


def _member(found: FoundRun) -> Member:
    try:
        test, val = read_test(found), None
        if found.metrics.get("num_val"):
            val = read_predictions(found.path / "predictions_val.csv", found.metrics["num_val"])
        run = as_run(found, test)
        if not isinstance(run.config.get("seed"), int):
            raise UserError("its config.yaml is not the config of a run.")
    except UserError as error:
        raise UserError(f"{found.path} is damaged: {error}") from error
    return Member(run, test, val, content_of_run(found.path))


def _place(member: Member) -> tuple[str, str, Path]:
    """The same for members of other folds: what their ensembles are called must not depend on the fold."""
    return member.run.configuration, frozen(member.run.drawn[0]), member.run.path


def _fold(group: Sequence[Member]) -> tuple[int, Path]:
    fold = group[0].run.drawn[2]
    return fold if isinstance(fold, int) else 0, group[0].run.path
