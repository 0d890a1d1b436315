"""Samplers and pruners: the ones that were asked for, with their settings, and they search."""

import optuna
import pytest
import yaml
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

from ser.sweeps.search.sampling import build_pruner, build_sampler
from ser.sweeps.search.settings import PRUNERS, SAMPLERS, Settings
from ser.sweeps.search.study import quiet
from ser.system.config_folder import config_folder

DEFAULTS = yaml.safe_load((config_folder() / "tune.yaml").read_text())["tune"]


def settings(**changed):
    return Settings.read({"tune": {**DEFAULTS, **changed}, "monitor": "val/loss"})


def searched(trials=14, **changed):
    """A study of a bowl whose bottom is at x = 0.3 with kind b."""
    quiet()
    study = optuna.create_study(sampler=build_sampler(settings(startup_trials=5, **changed)))

    def bowl(trial):
        x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", ["a", "b"])
        return (x - 0.3) ** 2 + (kind == "a")

    study.optimize(bowl, n_trials=trials)
    return [(trial.params["x"], trial.params["kind"]) for trial in study.trials], study.best_value


@pytest.mark.parametrize("name", SAMPLERS)
def test_each_sampler_searches_the_same_way_twice_and_another_way_with_another_seed(name):
    trials = 7 if name == "gp" else 14  # it fits a Gaussian process before each
    drawn, best = searched(trials, sampler=name)
    assert len(set(drawn)) == len(drawn) and best < 0.2
    assert searched(trials, sampler=name)[0] == drawn
    assert searched(5, sampler=name, seed=1)[0] != drawn[:5]


def test_what_learns_comes_nearer_than_chance():
    """Of the later half of 40 trials; chance is uniform in [0, 1]."""
    later = [x for x, _ in searched(40, sampler="tpe")[0][20:]]
    chance = [x for x, _ in searched(40, sampler="random")[0][20:]]
    assert sum(abs(x - 0.3) for x in later) < 0.7 * sum(abs(x - 0.3) for x in chance)


@pytest.mark.parametrize(("name", "kind"), [*zip(PRUNERS, (MedianPruner, HyperbandPruner, NopPruner), strict=True)])
def test_each_pruner_is_the_one_asked_for(name, kind):
    assert type(build_pruner(settings(pruner=name), epochs=9, repeats=1)) is kind


def pruned_at(pruner, curves):
    """Epoch in which each curve of a loss is given up, None where it is not."""
    quiet()
    study, ends = optuna.create_study(pruner=pruner), []
    for curve in curves:
        trial, end = study.ask(), None
        for epoch, value in enumerate(curve):
            trial.report(value, epoch)
            if trial.should_prune():
                end = epoch
                break
        study.tell(trial, None if end is not None else curve[-1], optuna.trial.TrialState.PRUNED if end else None)
        ends.append(end)
    return ends


def test_median_waits_for_startup_trials_and_warmup_epochs():
    pruner = build_pruner(settings(startup_trials=3, warmup_epochs=2), epochs=6, repeats=1)
    bad = [9.0] * 6
    assert pruned_at(pruner, [bad, [1.0] * 6, [2.0] * 6, bad, [1.5] * 6]) == [None, None, None, 2, None]


def test_hyperband_gives_up_what_is_behind():
    pruner = build_pruner(settings(pruner="hyperband"), epochs=9, repeats=1)
    curves = [[5.0 if i % 3 else 1.0] * 9 for i in range(30)]
    ends = pruned_at(pruner, curves)
    assert any(end is not None for end, curve in zip(ends, curves, strict=True) if curve[0] == 5.0)
    assert sum(end is None for end in ends) >= 5
