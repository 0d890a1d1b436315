"""Identity, over generated configs: whatever counts and only that, judged by a second, independent reading."""

import math
from fractions import Fraction
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ser.runs.identity import identity

CONFIGS = Path(__file__).parents[2] / "configs"
CONTENT = {"dataset": "0123456789abcdef"}

# ---- the second reading: written from docs/runs.md, without a look at ser/runs/identity.py -------------------------

PATH_WORDS = ("root", "path", "file", "folder", "dir", "csv")
UNCOUNTED = {
    "batch_size",  # counted over all devices, below
    "choices", "init_from", "published", "run", "sweep", "tune",
}  # fmt: skip
UNCOUNTED_OF_TRAINER = {"accelerator", "devices", "num_nodes", "strategy"}


def experiment(config, devices):
    """All that counts, as a set of (place, value) in which equal values are equal."""
    return frozenset([(("batch",), plain(config["batch_size"] * devices)), *leaves(config, ())])


def leaves(node, place):
    if isinstance(node, dict) and (node or not place):
        for key, value in node.items():
            yield from leaves(value, (*place, str(key)))
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for i, item in enumerate(node):
            yield from leaves(item, (*place, str(i)))
    elif not is_uncounted(place, node):
        yield place, plain(node)


def is_uncounted(place, value):
    if place[0] in UNCOUNTED or (place[0] == "trainer" and place[1:2] and place[1] in UNCOUNTED_OF_TRAINER):
        return len(place) <= 2 or place[0] in UNCOUNTED
    last = place[-1]
    of_a_model = place[0] in ("frontend", "model", "normaliser", "optimizer", "scheduler", "loss")
    is_number = of_a_model and isinstance(value, int | float)  # which is no path
    return last != "on_bad_file" and last.split("_")[-1] in PATH_WORDS and not is_number


def plain(value):
    if isinstance(value, list):
        return tuple(map(plain, value))
    if isinstance(value, dict):
        return ("node", *sorted((key, plain(item)) for key, item in value.items()))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__, value
    return "number", Fraction(value) if math.isfinite(value) else repr(value)


def test_the_second_reading_by_hand():
    config = {
        "batch_size": 32,
        "seed": 1.0,
        "trainer": {"devices": 2, "max_epochs": 3},
        "run": {"name": "x"},
        "a": {"root": 1},
        "model": {"root": "x", "drop_path": 0.5},
    }
    assert experiment(config, 2) == {
        (("batch",), ("number", 64)), (("seed",), ("number", 1)), (("trainer", "max_epochs"), ("number", 3)),
        (("model", "drop_path"), ("number", Fraction(1, 2))),
    }  # fmt: skip


# ---- real configs, composed from generated overrides ---------------------------------------------------------------

COUNTED = {
    "model": ["mlp", "cnn1d", "cnn2d", "cnn2d_plain"],
    "frontend": ["log_mel", "mfcc", "concat", "zcr_rms_chroma"],
    "optimizer": ["adamw", "sgd"],
    "scheduler": ["cosine", "none"],
    "split": ["speaker", "random", "kfold"],
    "audio": ["clip", "whole"],
    "dataset": ["demo", "ravdess", "tess"],
    "seed": ["0", "1", "1.0", "'1'"],
    "optimizer.lr": ["0.001", "1e-3", "1.0e-3", "1", "1.0", "2"],
    "model.dropout": ["0", "0.0", "0.1", "0.10"],
    "batch_size": ["16", "32"],
    "ema": ["null", "0.9"],
    "monitor": ["val/uar", "val/loss"],
    "early_stopping.patience": ["null", "3"],
    "trainer.max_epochs": ["3", "30"],
    "trainer.precision": ["32-true", "bf16-mixed"],
    "loss.class_weights": ["none", "balanced"],
    "dataset.emotions": ["null", "[angry,neutral]", "[neutral,angry]"],
    "dataset.merge": ["null", "{calm: neutral}"],
    "split.seed": ["0", "5"],
}
OTHER = {
    "run.name": ["null", "mine", "yours"],
    "run.dir": ["runs", "/elsewhere"],
    "run.threads": ["null", "1", "2"],
    "run.progress": ["true", "false"],
    "run.report": ["auto", "false"],
    "run.rerun": ["true", "false"],
    "run.cuda_graphs": ["auto", "off"],
    "run.keep_features": ["auto", "never"],
    "trainer.accelerator": ["cpu", "auto"],
    "run.trust": ["[]", "[mine]"],
    "run.resume": ["null", "runs/x"],
    "run.dry_run": ["true", "false"],
    "sweep.jobs_per_gpu": ["1", "2"],
}


def some_of(choices, most):
    keys = st.lists(st.sampled_from(sorted(choices)), unique=True, max_size=most)
    return keys.flatmap(lambda names: st.tuples(*(st.sampled_from([f"{n}={v}" for v in choices[n]]) for n in names)))


@pytest.fixture(scope="module")
def compose():
    """Composes train.yaml with overrides, as plain data."""
    GlobalHydra.instance().clear()
    known = {}
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):

        def composed(overrides):
            if overrides not in known:
                cfg = hydra.compose("train", overrides=list(overrides))
                known[overrides] = OmegaConf.to_container(cfg, resolve=True)
            return known[overrides]

        yield composed


def devices_of(config):
    from ser.training.trainer import num_devices

    return num_devices(config["trainer"])


def name(config):
    return identity(config, CONTENT, devices_of(config))


def same_experiment(one, other):
    return experiment(one, devices_of(one)) == experiment(other, devices_of(other))


def examples(count):
    return settings(max_examples=count, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def composed_pairs(compose, data):
    """Two commands that share most of what they say, in another order, with other settings that do not count."""
    shared = data.draw(some_of(COUNTED, 4))
    taken = {word.split("=")[0] for word in shared}
    free = {key: values for key, values in COUNTED.items() if key not in taken}
    first, second = data.draw(some_of(free, 2)), data.draw(some_of(free, 2))
    one = compose((*shared, *first))
    other = compose((*data.draw(st.permutations([*shared, *second])), *data.draw(some_of(OTHER, 3))))
    return one, other


@pytest.mark.slow
@examples(60)
@given(st.data())
def test_composed_configs_share_it_exactly_where_nothing_that_counts_differs(compose, data):
    one, other = composed_pairs(compose, data)
    assert (name(one) == name(other)) == same_experiment(one, other)


@pytest.mark.slow
def test_each_value_that_counts_gives_its_own(compose):
    """One key at a time, from the default: exactly the equal ones are equal."""
    for key, values in COUNTED.items():
        composed = [compose((f"{key}={value}",)) for value in values]
        for i, one in enumerate(composed):
            for j, other in enumerate(composed[:i]):
                where = f"{key}: {values[i]} and {values[j]}"
                assert (name(one) == name(other)) == same_experiment(one, other), where
    assert len({name(compose((f"model={value}",))) for value in COUNTED["model"]}) == 4


@pytest.mark.slow
def test_no_value_of_what_does_not_count_changes_it(compose):
    names = {name(compose((f"{key}={value}",))) for key, values in OTHER.items() for value in values}
    assert names == {name(compose(()))}


def test_devices_and_batch_are_one_setting(compose):
    single = compose(("batch_size=64",))
    for devices, batch in ((2, 32), (4, 16), (8, 8)):
        spread = compose((f"batch_size={batch}", "trainer=ddp", f"trainer.devices={devices}"))
        counted = {**spread, "trainer": {**single["trainer"], "devices": devices, "strategy": "ddp"}}
        assert name(counted) == name(single)
        assert (name(spread) == name(single)) == same_experiment(spread, single)


# ---- any nested config ---------------------------------------------------------------------------------------------

KEYS = ["lr", "width", "root", "noise_folder", "on_bad_file", "csv", "rootless", "profile", "devices", "strategy",
        "name", "choices", "trainer", "dataset", "run", "sweep", "csv_root", "layers"]  # fmt: skip
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0, 1e16]),
)
plain_values = st.one_of(st.none(), st.booleans(), numbers, st.sampled_from(["", "1", "1.0", "true", "null", "a"]))
trees = st.recursive(
    st.one_of(plain_values, st.lists(plain_values, max_size=2)),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
        st.lists(st.dictionaries(st.sampled_from(KEYS), plain_values, min_size=1, max_size=2), min_size=1, max_size=2),
    ),
    max_leaves=8,
)
flat_configs = st.dictionaries(st.sampled_from(KEYS), trees, max_size=4)
batches = st.sampled_from([(1, 64), (2, 32), (1, 32), (4, 16)])


def changed(data, node):
    """The tree with some of its values written otherwise, moved, or changed."""
    if isinstance(node, dict):
        keys = data.draw(st.permutations(list(node)))
        return {key: changed(data, node[key]) for key in keys}
    if isinstance(node, list):
        return [changed(data, item) for item in node]
    how = data.draw(st.sampled_from(["same"] * 6 + ["as float", "as text", "as int", "other"]))
    if how == "as float" and isinstance(node, int) and not isinstance(node, bool) and abs(node) < 2**53:
        return float(node)
    if how == "as int" and isinstance(node, (bool, float)) and math.isfinite(node) and node == int(node):
        return int(node)
    return str(node) if how == "as text" else data.draw(plain_values) if how == "other" else node


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(flat_configs, batches, batches, st.data())
def test_any_two_trees(tree, batch, other_batch, data):
    other = changed(data, tree)
    one = {**tree, "batch_size": batch[1]}
    two = {**other, "batch_size": other_batch[1]}
    same = experiment(one, batch[0]) == experiment(two, other_batch[0])
    assert (identity(one, CONTENT, batch[0]) == identity(two, CONTENT, other_batch[0])) == same
