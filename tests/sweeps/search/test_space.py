"""The space of a search: Hydra's grammar in, Optuna's distributions out, and values that Hydra reads as they were."""

import pickle
import random

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ser.commands.overrides import as_hydra_takes_them, parse
from ser.commands.search_space import parameter
from ser.errors import UserError
from ser.sweeps.search.space import Parameter, Space
from ser.system.config_folder import config_folder


def read(word):
    (override,) = parse(as_hydra_takes_them([word], "tune", [config_folder()]))
    return parameter(override)


@pytest.mark.parametrize(
    ("word", "distribution"),
    [
        ("optimizer.lr=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("model.dropout=interval(0,0.5)", FloatDistribution(0, 0.5)),
        ("model.width=int(interval(8,32))", IntDistribution(8, 32)),
        ("model.width=tag(int,interval(8,32))", IntDistribution(8, 32)),
        ("model.width=tag(log,int,interval(8,32))", IntDistribution(8, 32, log=True)),
        ("model.width=int(tag(log,interval(8,32)))", IntDistribution(8, 32, log=True)),
        ("batch_size=range(16,65,16)", IntDistribution(16, 64, step=16)),
        ("batch_size=range(5,1,-1)", IntDistribution(2, 5)),
        ("model.dropout=range(0.1,0.5,0.1)", FloatDistribution(0.1, 0.4, step=0.1)),
        ("model=cnn1d,cnn2d", CategoricalDistribution(("cnn1d", "cnn2d"))),
        ("model=glob(cnn?d)", CategoricalDistribution(("cnn1d", "cnn2d"))),
        ("model.hidden=choice([16],[32,16])", CategoricalDistribution(("[16]", "[32,16]"))),
        ("ema=null,0.99", CategoricalDistribution(("null", "0.99"))),
        ("seed=shuffle(range(0,3))", IntDistribution(0, 2)),
        ("seed=sort(2,1,1)", CategoricalDistribution(("1", "2"))),
    ],
)
def test_the_grammar_is_read(word, distribution):
    found = read(word)
    trial = optuna.create_study().ask()
    found.suggest(trial)
    assert trial.distributions == {found.name: distribution}
    assert pickle.loads(pickle.dumps(found)) == found  # it goes to other processes


def test_shuffled_choices_are_one_space_whenever_they_are_read():
    assert len({read("seed=shuffle(1,2,3,4,5,6)") for _ in range(20)}) == 1


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.dropout=interval(0.5,0)", "reversed"),
        ("model.dropout=interval(0.5,0.5)", "reversed or empty"),
        ("optimizer.lr=tag(log,interval(0,1))", "no logarithm of 0"),
        ("optimizer.lr=tag(logg,interval(1,2))", "Did you mean 'log'?"),
        ("batch_size=tag(log,range(1,9))", "tag(log,interval(…))"),
        ("batch_size=tag(int,interval(1.5,9))", "not whole numbers"),
        ("batch_size=range(9,1)", "holds no value"),
        ("batch_size=range(1,9,0)", "never ends"),
        ("model=glob(lstm*)", "fits no choice"),
        ("seed=glob(*)", "which this is not"),
        ("model=tag(log,choice(a,b))", "not for choices"),
        ("model.dropout=interval(0,half)", "cannot be read as key=value"),
        ("model.dropout=interval(0", "cannot be read as key=value"),
    ],
)
def test_what_cannot_be_searched_is_said(word, message):
    with pytest.raises(UserError) as refused:
        read(word)
    assert message in str(refused.value)
    assert word.partition("=")[0] in str(refused.value)


def test_hydra_reads_the_value_that_was_drawn_to_six_digits():
    words = [
        "optimizer.lr=tag(log,interval(1e-9,1e2))", "a=interval(-1,1)", "b=int(interval(-5,500))",
        "c=range(0.1,2,0.1)", "d=range(3,99,7)",
    ]  # fmt: skip
    space, rng = Space(tuple(map(read, words))), random.Random(0)
    parser = OverridesParser.create()
    for _ in range(200):
        drawn = {
            "optimizer.lr": 10 ** rng.uniform(-9, 2), "a": rng.uniform(-1, 1), "b": rng.randint(-5, 500),
            "c": 0.1 + 0.1 * rng.randrange(19), "d": 3 + 7 * rng.randrange(14),
        }  # fmt: skip
        back = {o.key_or_group: o.value() for o in parser.parse_overrides(space.overrides(drawn))}
        for name, value in drawn.items():
            assert back[name] == (value if isinstance(value, int) else pytest.approx(value, rel=1e-5)), name
            assert type(back[name]) is type(value)
        assert len(str(back["c"])) <= 3  # steps are written as people write them: 0.3, not 0.30000000000000004


def test_rounding_does_not_leave_the_interval():
    narrow = Parameter("x", "float", low=1.00000049, high=1.00000051)
    assert all(narrow.low <= float(narrow.text(value)) <= narrow.high for value in (narrow.low, narrow.high))


def test_corners_try_every_combination_of_groups_and_both_ends_of_the_rest():
    words = ["model=cnn1d,cnn2d,mlp", "frontend=mel,mfcc", "model.dropout=interval(0,0.5)", "seed=choice(1,2,3)"]
    corners = Space(tuple(map(read, words))).corners()
    groups = {tuple(word for word in corner if word[0] in "mf" and "." not in word.split("=")[0]) for corner in corners}
    assert len(groups) == 6
    tried = {word for corner in corners for word in corner}
    assert {"model.dropout=0.0", "model.dropout=0.5", "seed=1", "seed=2", "seed=3"} <= tried
    assert all(len(corner) == 4 for corner in corners)


def test_with_very_many_combinations_each_choice_is_tried():
    space = Space(tuple(Parameter(f"g{i}", "choice", tuple("abcdef"), group=True) for i in range(5)))
    corners = space.corners()
    assert len(corners) == 6
    assert {word for corner in corners for word in corner} == {f"g{i}={c}" for i in range(5) for c in "abcdef"}


def test_combinations_are_counted():
    def counted(*words):
        return Space(tuple(map(read, words))).count()

    assert counted("model=a,b", "x=range(0,10,3)", "y=int(interval(1,5))") == 2 * 4 * 5
    assert counted("model=a,b", "x=interval(0,1)") is None


def test_groups_come_first_in_the_overrides():
    space = Space((read("model.dropout=interval(0,1)"), read("model=mlp,cnn1d")))
    assert space.overrides({"model.dropout": 0.25, "model": "mlp"}) == ["model=mlp", "model.dropout=0.25"]


def test_optuna_draws_from_it():
    space = Space(tuple(map(read, ["a=range(0.1,0.5,0.1)", "b=mlp,cnn1d", "c=tag(log,int,interval(1,64))"])))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [space.suggest(study.ask()) for _ in range(30)]
    assert {space.overrides(values)[0] for values in drawn} == {"a=0.1", "a=0.2", "a=0.3", "a=0.4"}
