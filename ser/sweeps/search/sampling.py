"""Optuna's samplers and pruners, seeded for each trial."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from ser.sweeps.search.settings import Settings


class SeededByTrial(BaseSampler):
    """Another sampler, made anew for each trial with a seed of its own.

    Draws depend only on the search's seed, the trial's number and earlier trials: a continued search draws as an
    uninterrupted one, and workers that start together draw differently.

    Args:
        make: Seed → sampler.
        seed: Of the search.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int):
        self._make, self._seed = make, seed
        self._sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        digest = hashlib.blake2b(f"{self._seed} {trial.number}".encode(), digest_size=4).digest()
        self._sampler = self._make(int.from_bytes(digest, "big") % 2**31)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._sampler.after_trial(study, trial, state, values)


def build_sampler(settings: Settings) -> BaseSampler:
    """`tune.sampler`.

    Quasi-random points come from one sequence that all trials share: its seed is the same for all.
    """
    first = settings.startup_trials
    if settings.sampler == "qmc":
        return QMCSampler(scramble=True, seed=settings.seed, warn_independent_sampling=False)
    makers = {
        "tpe": lambda seed: TPESampler(n_startup_trials=first, seed=seed),
        "gp": lambda seed: GPSampler(n_startup_trials=first, seed=seed),
        "random": lambda seed: RandomSampler(seed=seed),
    }
    return SeededByTrial(makers[settings.sampler], settings.seed)


def build_pruner(settings: Settings, epochs: int, repeats: int) -> BasePruner:
    """`tune.pruner`.

    Args:
        settings: Of the search.
        epochs: Maximum epochs of a trial.
        repeats: Runs of a trial; after each but the first the running mean counts as one more epoch.
    """
    if settings.pruner == "median":
        return MedianPruner(settings.startup_trials, n_warmup_steps=settings.warmup_epochs)
    if settings.pruner == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=epochs + repeats - 1)
    return NopPruner()
