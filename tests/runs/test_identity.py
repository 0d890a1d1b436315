"""What names a run, and what does not."""

import copy
import json
import math
import re
from pathlib import Path

import hydra
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ser.runs.identity import ABSENT, counts, flatten, identity

CONFIGS = Path(__file__).parents[2] / "configs"
QUICK = settings(max_examples=200)
FINGERPRINTS = {"dataset": "0123456789abcdef"}
VARIANTS = (
    [],
    ["dataset=folder", "dataset.root=x", "dataset.pattern=y", "audio=whole", "model=cnn1d", "scheduler=plateau"],
    ["dataset=csv", "dataset.csv=x", "frontend=concat", "model=mlp", "trainer=ddp", "optimizer=sgd", "split=random"],
    ["dataset=ravdess_tess", "frontend=time_stats", "augmentation=none", "dataset.merge={calm: neutral}"],
)
UNCOUNTED = {
    "run.resume", "run.rerun", "run.dry_run", "run.name", "run.dir", "run.progress", "run.report", "run.threads",
    "run.cuda_graphs", "run.keep_features", "run.trust", "sweep.skip", "sweep.bad", "sweep.jobs_per_gpu",
    "published", "init_from", "dataset.root", "dataset.columns",
    "dataset.csv", "dataset.ravdess_root", "dataset.tess_root", "trainer.accelerator", "trainer.devices",
    "trainer.strategy", "logger.tensorboard._target_", "logger.tensorboard.folder", "logger.tensorboard.first_epoch",
}  # fmt: skip


def compose(overrides):
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = hydra.compose("train", overrides=overrides)
    return {"choices": {"model": "cnn2d"}, **OmegaConf.to_container(cfg, resolve=True)}


@pytest.fixture(scope="module")
def configs():
    return [compose(overrides) for overrides in VARIANTS]


def name(config, fingerprints=FINGERPRINTS, num_devices=1):
    return identity(config, fingerprints, num_devices)


def paths(config, prefix=()):
    """The place of every leaf, also inside lists of nodes."""
    items = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in items:
        nodes = isinstance(value, list) and any(isinstance(item, dict) for item in value)
        if (isinstance(value, dict) and value) or nodes:
            yield from paths(value, (*prefix, key))
        else:
            yield (*prefix, key)


def replaced(config, path, value):
    changed = copy.deepcopy(config)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def dotted(path):
    return ".".join(map(str, path))


values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5000), st.floats(-10, 10), st.text(max_size=5),
    st.lists(st.integers(0, 3), max_size=3),
)  # fmt: skip


def test_ten_digits(configs):
    assert all(re.fullmatch("[0-9a-f]{10}", name(config)) for config in configs)
    assert len({name(config) for config in configs}) == len(configs)


def test_the_real_keys_that_do_not_count_are_these_and_no_others(configs):
    keys = {key for config in configs for key, _ in flatten(config)}
    found = {key for key in keys if not counts(key)}
    assert {key for key in found if not key.startswith("choices.")} == UNCOUNTED | {"batch_size"}
    assert "dataset.on_bad_file" in keys and counts("dataset.on_bad_file")


def test_a_younger_setting_that_is_off_is_as_if_it_were_not_there(configs):
    """Runs of classes keep the identity that they had before there were numbers."""
    for config in configs:
        without = {**config, "loss": {key: value for key, value in config["loss"].items() if key != "numbers"}}
        assert config["loss"]["numbers"] is None and name(config) == name(without)
        assert name(replaced(config, ("loss", "numbers"), "ccc")) != name(config)


@QUICK
@given(st.data())
def test_whatever_counts_changes_it_and_nothing_else_does(configs, data):
    config = data.draw(st.sampled_from(configs))
    path = data.draw(st.sampled_from(sorted(paths(config), key=str)))
    value = data.draw(values)
    node = config
    for key in path:
        node = node[key]
    same = node == value and isinstance(node, bool) == isinstance(value, bool)
    if path == ("batch_size",):
        assume(isinstance(value, int) and not isinstance(value, bool) and value > 0)
    counted = path == ("batch_size",) or (path[0] != "choices" and dotted(path) not in UNCOUNTED)
    assert (name(replaced(config, path, value)) != name(config)) == (counted and not same), dotted(path)


@QUICK
@given(st.data())
def test_a_new_key_counts_and_its_value_too(configs, data):
    config = data.draw(st.sampled_from(configs))
    group = data.draw(st.sampled_from(["model", "frontend", "optimizer", "trainer", "dataset"]))
    first, second = data.draw(values), data.draw(values)
    assume(json.dumps(first) != json.dumps(second) and first != second)
    assert name(replaced(config, (group, "novelty"), first)) != name(config)
    assert name(replaced(config, (group, "novelty"), first)) != name(replaced(config, (group, "novelty"), second))


def reordered(node, rng):
    if isinstance(node, dict):
        keys = list(node)
        rng.shuffle(keys)
        return {key: reordered(node[key], rng) for key in keys}
    return [reordered(item, rng) for item in node] if isinstance(node, list) else node


@QUICK
@given(st.data(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(configs, data, rng):
    config = data.draw(st.sampled_from(configs))
    assert name(reordered(config, rng)) == name(config)
    assert identity(config, {"b": "2", "a": "1"}, 1) == identity(config, {"a": "1", "b": "2"}, 1)


def test_the_order_of_a_list_counts(configs):
    changed = replaced(configs[0], ("optimizer", "betas"), [0.999, 0.9])
    assert name(changed) != name(configs[0])


@QUICK
@given(st.integers(-(10**6), 10**6))
def test_equal_numbers_are_one_setting(configs, number):
    path = ("optimizer", "lr")
    whole, real = (name(replaced(configs[0], path, value)) for value in (number, float(number)))
    assert whole == real
    listed = [name(replaced(configs[0], path, [[value]])) for value in (number, float(number))]
    assert listed[0] == listed[1]


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), (1, True), (0, False), (None, "null"), ([], None), ({}, None), (1.5, "1.5"), (0, None)]
)
def test_a_number_a_text_and_a_truth_value_are_different_settings(configs, one, other):
    """Decided: a setting `'1'` reaches its part as text, where it may mean another thing than the number."""
    assert name(replaced(configs[0], ("seed",), one)) != name(replaced(configs[0], ("seed",), other))


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e300, -0.0])
def test_odd_numbers_have_an_identity(configs, value):
    changed = replaced(configs[0], ("optimizer", "lr"), value)
    assert name(changed) == name(copy.deepcopy(changed))
    assert value == 0 or name(changed) != name(configs[0])


@pytest.mark.parametrize(("devices", "batch_size"), [(1, 64), (2, 32), (4, 16), (64, 1)])
def test_batches_are_counted_over_all_devices(configs, devices, batch_size):
    one = name(replaced(configs[0], ("batch_size",), 64))
    assert name(replaced(configs[0], ("batch_size",), batch_size), num_devices=devices) == one
    assert name(replaced(configs[0], ("batch_size",), batch_size), num_devices=2 * devices) != one


def test_precision_and_accumulation_count(configs):
    for key, value in (("precision", "bf16-mixed"), ("accumulate_grad_batches", 2)):
        assert name(replaced(configs[0], ("trainer", key), value)) != name(configs[0])


@pytest.mark.parametrize("key", ABSENT)
def test_a_setting_that_is_younger_than_a_run_keeps_its_identity(key):
    node, inner = key.split(".")
    config = compose([])
    config[node].pop(inner, None)
    without = name(config)
    config[node][inner] = None
    assert name(config) == without
    config[node][inner] = "something"
    assert name(config) != without


def test_cpu_and_gpu_share_it(configs):
    moved = replaced(replaced(configs[0], ("trainer", "accelerator"), "gpu"), ("trainer", "devices"), [3])
    assert name(moved) == name(configs[0])


def test_what_paths_point_to_counts_by_its_content(configs):
    config = configs[0]
    assert name(config, {"dataset": "other"}) != name(config)
    assert name(config, {**FINGERPRINTS, "init_from": "weights"}) != name(config)
    assert name(config, {"init_from": FINGERPRINTS["dataset"]}) != name(config)


def test_a_config_written_and_read_again_is_the_same_run(configs):
    import yaml

    for config in configs:
        read = yaml.safe_load(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        assert read == config and name(read) == name(config)


def test_composing_the_same_run_in_two_ways(configs):
    typed = compose(["seed=0", "optimizer.lr=3.0e-3", "model=cnn2d", "run.dir=/elsewhere", "run.name=mine"])
    assert name(typed) == name(configs[0])
    assert name(compose(["seed=1"])) != name(configs[0]) != name(compose(["split.seed=1"]))


def test_identity_changes_nothing(configs):
    before = copy.deepcopy(configs[1])
    name(configs[1])
    assert configs[1] == before


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {}),
        ({"a": {}}, {"a": {}}),
        ({"a": [{"b": 1}, {"c": [2]}, 3]}, {"a.0.b": 1, "a.1.c": [2], "a.2": 3}),
        ({"a": [], "b": None}, {"a": [], "b": None}),
        ({1: {"b": 2}}, {"1.b": 2}),
    ],
)
def test_flatten(config, expected):
    assert dict(flatten(config)) == expected


def test_a_checkpoints_place_is_left_out_where_its_content_is_known_only(configs):
    """A frontend of a user's own may have a checkpoint too, and knows nothing of contents."""
    own, ours = (copy.deepcopy(configs[0]) for _ in range(2))
    for config in (own, ours):
        config["frontend"]["checkpoint"] = "a.pt"
    ours["frontend"]["content"] = "0123"
    moved_own, moved_ours = copy.deepcopy(own), copy.deepcopy(ours)
    for config in (moved_own, moved_ours):
        config["frontend"]["checkpoint"] = "b.pt"
    assert name(own) != name(moved_own) and name(ours) == name(moved_ours)
