"""The plan of a search: fixed overrides, search space, and a check that all of it can be trained."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ser.data.build import build_split
from ser.errors import UserError
from ser.sweeps.search.settings import Settings
from ser.sweeps.search.space import Space
from ser.sweeps.search.storage import Storage
from ser.system.cache import cache_folder
from ser.system.names import safe_name
from ser.training.build import build_classifier, build_learning, check_config, with_directions
from ser.training.first_weights import look_ahead
from ser.training.job import Job, find_job
from ser.training.task import task_of
from ser.training.trainer import check_trainer, num_devices

Compose = Callable[[Sequence[str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The settings of a worker; can be sent to another process.

    Args:
        compose: Overrides of one run → its config, with the fixed ones.
        defaults: Overrides → the config that `ser train` would compose of them alone.
        fixed: Overrides of all trials, as typed.
        space: The search space.
        settings: `tune.…`.
        repeats: Overrides of each run of a trial: its seed, its fold.
        epochs: Maximum epochs of a run.
        identity: Of the search: ten hexadecimal digits from the space, fixed overrides, metric and repeats.
        folder: The search's own.
        runs_dir: The folder of its runs.
        protocol: The split's stamp.
        command: As typed, without passwords.
    """

    compose: Compose
    defaults: Compose
    fixed: tuple[str, ...]
    space: Space
    settings: Settings
    repeats: tuple[tuple[str, ...], ...]
    epochs: int
    identity: str
    folder: Path
    runs_dir: Path
    protocol: str
    command: str

    @property
    def storage(self) -> Storage:
        """The study's storage."""
        return Storage(self.settings.storage, self.folder, self.settings.dead_after_s)

    @property
    def study_name(self) -> str:
        """Its name in a shared storage."""
        return f"ser-{self.identity}"

    def repeated(self) -> str:
        """The runs that a trial's value is the mean of, in words.

        `3 seeds`, `6 folds`, `2 seeds × 6 folds`; empty for a single run.
        """
        seeds = len({word for words in self.repeats for word in words if word.startswith("seed=")})
        folds = self.num_folds()
        return " × ".join(words for count, words in ((seeds, f"{seeds} seeds"), (folds, f"{folds} folds")) if count)

    def num_folds(self) -> int:
        """How many folds a trial is trained on; 0 where `tune.folds` is not given."""
        return len({word for words in self.repeats for word in words if word.startswith("split.fold=")})


def make_plan(
    compose: Compose, defaults: Compose, fixed: Sequence[str], space: Space, settings: Settings, command: str
) -> SearchPlan:
    """Checks everything that can be checked before the first trial.

    Args:
        compose, defaults, fixed, space, settings, command: Of the plan.

    Raises:
        UserError: A combination, named, that cannot be composed or built; a split without validation.
    """
    corners = space.corners()
    first, epochs = None, 1
    for corner in corners:
        with _of_combination(corner, len(corners)):
            config = compose(corner)
            _check(config)
            fresh = first is None or config["dataset"] != first.config["dataset"]
            job = find_job(config, alone=False) if fresh else first
            first = first or job
            _build(config, job)
            epochs = max(epochs, config["trainer"]["max_epochs"])
    directed = with_directions(first.config, len(first.recordings.classes), settings.metric)
    settings = replace(settings, lower_is_better=tuple(directed.get("lower_is_better", ())))
    repeats = _repeats(first, settings)
    protocols = [_protocol(compose([*corners[0], *repeat]), first) for repeat in repeats]
    about = [space.as_dict(), first.directory.identity, settings.metric, repeats]
    identity = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=5).hexdigest()
    chosen = first.config["choices"]
    readable = str(first.config["run"]["name"] or chosen.get("experiment") or chosen["dataset"])
    names = "-".join(parameter.name.split(".")[-1] for parameter in space.parameters)
    folder = settings.dir or Path("searches").absolute() / f"{safe_name(f'{readable}-{names}')}-{identity}"
    return SearchPlan(
        compose, defaults, tuple(fixed), space, settings, repeats, epochs, identity, folder,
        first.directory.path.parent, protocols[0], command,
    )  # fmt: skip


class _of_combination:
    """Names the combination in errors of the block."""

    def __init__(self, overrides: Sequence[str], combinations: int):
        self._prefix = f"With {' '.join(overrides)}: " if combinations > 1 else ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (UserError, ValueError, TypeError, RuntimeError, AssertionError)):
            raise UserError(f"{self._prefix}{error}") from error


def _check(config: dict[str, Any]) -> None:
    check_config(config)
    check_trainer(config["trainer"])
    if num_devices(config["trainer"]) > 1 or config["trainer"].get("strategy", "auto") not in ("auto", None):
        raise UserError("A search trains each trial on one device, in one process: leave out trainer=ddp.")


def _build(config: dict[str, Any], job: Job) -> None:
    task = task_of(config, job.recordings.classes)
    build_classifier(config, task.names, build_learning(config, task, np.asarray(job.recordings.labels)))


def _protocol(config: dict[str, Any], job: Job) -> str:
    split, _ = look_ahead(config, job.recordings, cache_folder())
    if not split.val:
        raise UserError("This split has no validation part, which a search needs. Give it one, e.g. split.val=0.2.")
    return split.protocol


def _repeats(job: Job, settings: Settings) -> tuple[tuple[str, ...], ...]:
    """The runs of a trial, seeds outside, folds inside."""
    folds = _folds(job, settings)
    seeds = [(f"seed={seed}",) for seed in settings.seeds] or [()]
    return tuple(seed + fold for seed in seeds for fold in ([(f"split.fold={fold}",) for fold in folds] or [()]))


def _folds(job: Job, settings: Settings) -> Sequence[int]:
    if settings.folds is None:
        return ()
    count = build_split(job.config).num_folds(job.recordings.utterances)
    if count is None:
        raise UserError(
            f"split={job.config['choices']['split']} has no folds for tune.folds={settings.folds}. Choose split=kfold, "
            "speaker_kfold, emobox or another with folds, or repeat with tune.seeds=[0,1,2]."
        )
    wanted = range(count) if settings.folds == "all" else settings.folds
    chosen = range(wanted) if isinstance(wanted, int) else wanted
    if max(chosen) >= count:
        raise UserError(f"tune.folds={settings.folds}: split={job.config['choices']['split']} has {count} folds.")
    return chosen
