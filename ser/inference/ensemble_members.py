"""Which finished runs an ensemble averages, which of them belong together, and the config that says what it is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.comparison.load_runs import Run, as_run, frozen, read_test, shown
from ser.errors import UserError, some
from ser.evaluation.averaging import recordings_of
from ser.evaluation.predictions import Predictions, read_predictions
from ser.runs.listing import FoundRun, find_runs
from ser.runs.members import MOST, is_ensemble
from ser.runs.weights import content_of_run

LONGEST = 1000  # characters of what the members' settings are together
NOTHING_LEFT = (
    "Nothing is left to score: no recording is in the test part of all of these runs, for what one tests another was "
    "trained on. Name runs that share their split (several seeds with split.seed=0, several recipes), or several seeds "
    "of each fold."
)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A finished run that is averaged.

    Args:
        run: As it is compared.
        test, val: Its predictions; None where it has no validation part.
        weights: Their content hash.
    """

    run: Run
    test: Predictions
    val: Predictions | None
    weights: str


def find_members(places: Sequence[str | Path]) -> tuple[list[Member], list[str]]:
    """The runs in all places, by path, and remarks on what was skipped; ensembles are.

    Args:
        places: Run directories, folders of them, sweeps, cross-validations (their folds), or patterns.

    Raises:
        UserError: A place without a run, a run that did not finish or is damaged or named twice, fewer than two, or
            runs of different classes.
    """
    found: dict[Path, FoundRun] = {}
    remarks: list[str] = []
    for place in places:
        runs, passed_over = find_runs([place])
        remarks += passed_over
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
        if set(other.test.classes) != set(first.test.classes):
            raise UserError(
                f"{first.run.path} knows {some(first.test.classes)}, and {other.run.path} {some(other.test.classes)}: "
                "an ensemble takes runs of the same classes."
            )
    return members, list(dict.fromkeys(remarks))


def by_test_part(members: Sequence[Member]) -> list[list[Member]]:
    """Members in groups that test the same recordings, at least some: of several folds one group each, in their order.

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
    found = sorted((sorted(group, key=lambda member: member.run.path) for _, group in groups), key=_fold)
    if all(len(group) == 1 for group in found):
        raise UserError(NOTHING_LEFT)
    if len(kinds := sorted({description(group) for group in found})) > 1:
        raise UserError(f"Each fold needs the same seeds and settings, and here are: {some(kinds)}.")
    return found


def description(members: Sequence[Member]) -> str:
    """What tells an ensemble from others: `seeds 0, 1, 2`; of several configurations how many, and a hash of them."""
    runs = [member.run for member in members]
    kinds = {run.configuration for run in runs}
    seeds = [shown(run.drawn[0]) for run in sorted(runs, key=lambda run: frozen(run.drawn[0]))]
    if len(kinds) == 1:
        return f"seeds {', '.join(seeds)}"
    told = "\n".join(sorted(frozen([run.configuration, run.drawn[0]]) for run in runs))
    return (
        f"{len(runs)} runs of {len(kinds)} configurations, {hashlib.blake2b(told.encode(), digest_size=3).hexdigest()}"
    )


def ensemble_config(members: Sequence[Member], name: str | None = None) -> dict[str, Any]:
    """What the config of an ensemble says: the settings that its members share, and of those that differ all values.

    Nothing is built from it. Seed, and what is drawn, are those of the first member: by them a comparison pairs it.

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
    for key, none in {"metrics": {}, "lower_is_better": []}.items():  # of metrics that not all have, none is computed
        if len({frozen(config.get(key)) for config in configs}) > 1:
            together[key] = none
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
                "name the others alone."
            )
    if not 2 <= len(found) <= MOST:
        passed_over = f" Passed over: {some(remarks)}." if remarks else ""
        raise UserError(f"An ensemble takes 2 to {MOST} finished runs, and here are {len(found)}.{passed_over}")
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


def _fold(group: Sequence[Member]) -> tuple[int, Path]:
    fold = group[0].run.drawn[2]
    return fold if isinstance(fold, int) else 0, group[0].run.path
