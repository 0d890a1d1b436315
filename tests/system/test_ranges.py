"""What settings may be: every number of every part has a range, and what is out of it is refused by name."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import pytest
import pytorch_lightning as L
import torch
import yaml

from ser.cli import main
from ser.errors import UserError
from ser.frontends.stft import Stft
from ser.instantiate import check_settings, parameters_of, resolve
from ser.models.cnn1d import DenseSettings
from ser.models.conv_block import BlockSettings
from ser.runs.settings import OPTIMIZER, REFUSED, RUN, check_run_settings
from ser.system.config_folder import config_folder
from ser.system.ranges import Count, Drawn, Range, Share, check_value, in_words

HANDED_OVER = {"num_features", "num_frames", "num_classes", "total_steps", "params", "optimizer"}


def targets(node: Any) -> list[str]:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = [node["_target_"]] if isinstance(node, dict) and "_target_" in node else []
    return own + [target for value in inner for target in targets(value)]


OTHERS = ("logger", "metrics")  # classes of libraries
FILES = [yaml.safe_load(path.open()) for path in config_folder().rglob("*.yaml") if path.parent.name not in OTHERS]
PARTS = sorted({target for file in FILES for target in targets({**file, "hydra": None})})  # without Hydra's own
SETTINGS = [  # class, setting, its annotation, its range
    (part, name, parameter, OPTIMIZER.get(name) if part.__module__.startswith("torch") else None)
    for part in [*(resolve({"_target_": target}, "x") for target in PARTS), BlockSettings, DenseSettings]
    for name, parameter in parameters_of(part).items()
    if name not in HANDED_OVER and parameter.annotation is not inspect.Parameter.empty
]


def numbers(kind: Any, within: Range | None) -> list[tuple[type, Range | None]]:
    """The kinds of numbers in an annotation, with their ranges."""
    if hasattr(kind, "__metadata__"):
        return numbers(kind.__origin__, kind.__metadata__[0])
    if kind in (int, float):
        return [(kind, within)]
    return [found for member in get_args(kind) for found in numbers(member, within)]


def test_every_number_of_every_part_has_a_range():
    without = {
        (part.__name__, name)
        for part, name, parameter, within in SETTINGS
        if any(found is None for _, found in numbers(parameter.annotation, within))
    }
    any_number = {("LogMelContour", "fill_db"), ("CrossCorpusSplit", "train"), ("CrossCorpusSplit", "test")}
    assert without <= any_number | {("PublishedFolds", "speakers")}
    assert len(SETTINGS) > 100


def test_defaults_are_in_range_and_what_is_out_of_it_is_refused_by_name():
    tried = 0
    for _, name, parameter, within in SETTINGS:
        if parameter.default is not inspect.Parameter.empty:
            check_value(parameter.default, parameter.annotation, name, within)
        found = [limits for _, limits in numbers(parameter.annotation, within) if limits is not None]
        if not found or str in get_args(parameter.annotation):
            continue
        ends = [limits.low - 1 for limits in found if limits.low is not None]
        ends += [limits.high + 1 for limits in found if limits.high is not None]
        for value in (*ends, math.nan, math.inf, -math.inf, "abc", True, [[1]], 10**400):
            if value is True and bool in get_args(parameter.annotation):
                continue
            with pytest.raises(UserError, match=rf"^model\.{name}"):
                check_value(value, parameter.annotation, f"model.{name}", within)
            tried += 1
    assert tried > 400


@pytest.mark.parametrize(
    ("kind", "good", "bad", "words"),
    [
        (Count, [1, 10**9], [0, -1, 1.0, 1.5, True, "1", None, [1]], "a whole number from 1"),
        (Share, [0, 1, 0.5], [-0.1, 1.1, math.nan, True, "0.5"], "a number from 0 to 1"),
        (Annotated[float, Range(0, 1, "both")], [0.5], [0, 1], "a number in (0, 1)"),
        (Count | None, [None, 3], [0, "null"], "a whole number from 1 or null"),
        (Sequence[Count], [[], [1, 2], (3,)], [1, "12", {1: 1}, None], "a list, each a whole number from 1"),
        (tuple[float, float], [[1, 2]], [[1], [1, 2, 3], 1], "a list of 2, each a number"),
        (Annotated[Drawn, Range(-5, 5)], [1, [-5, 5]], [6, [5, -5], [1]], "a number from -5 to 5, or [smallest, lar"),
        (Mapping[str, Share], [{}, {"a": 1}], [1, [1], "a"], "a mapping, each value a number from 0 to 1"),
        (Literal["all"] | Count, ["all", 2], ["al", 0, True], "all or a whole number from 1"),
        (bool, [True, False], [1, 0, "yes", None], "true or false"),
        (str, ["a", ""], [1, None, ["a"]], "text"),
        (Stft, [Stft(512, 128)], [5, "x", None, {}], "a part with a _target_"),
        (float | torch.Tensor, [1.5], ["abc", True, [1]], "a number"),
        (Any, [1, None, "x"], [], ""),
    ],
    ids=str,
)
def test_annotations_say_what_may_be(kind, good, bad, words):
    for value in good:
        check_value(value, kind, "x")
    for value in bad:
        with pytest.raises(UserError) as error:
            check_value(value, kind, "x")
        assert str(error.value).startswith("x=") and f" must be {words}" in str(error.value)
    assert in_words(kind).startswith(words)


def test_of_a_list_and_a_mapping_the_element_is_named():
    for value, kind, where in (
        ([1, 0], Sequence[Count], "x.1=0"),
        ({"a": {"b": -1}}, dict[str, dict[str, Share]], "x.a.b=-1"),
    ):
        for known in (kind, kind | None):
            with pytest.raises(UserError, match=f"^{where} must be"):
                check_value(value, known, "x")


def _own(size: int, rate: float = 0.1, anything=None, later: "Nowhere" = None): ...  # noqa: F821


def test_a_part_of_the_users_own_gets_it_for_nothing():
    check_settings(_own, {"size": 3, "rate": 1, "anything": [1], "later": 3}, "model")
    for settings, words in (
        ({"size": 1.5}, "size=1.5 must be a whole"),
        ({"size": 1, "rate": math.nan}, "rate=nan must"),
    ):
        with pytest.raises(UserError, match=f"^model.{words}"):
            check_settings(_own, settings, "model")


def test_every_argument_of_lightnings_trainer_is_ours_allowed_or_refused():
    """A new one of Lightning's shows here, and somebody decides what it would do to a figure."""
    allowed = {key.partition(".")[2] for key in RUN if key.startswith("trainer.")}
    assert not allowed & set(REFUSED)
    assert allowed | set(REFUSED) == set(inspect.signature(L.Trainer).parameters)


def test_settings_of_a_run_in_train_yaml_are_in_range():
    for name in ("train", "tune", "evaluate", "explore"):
        check_run_settings(yaml.safe_load((config_folder() / f"{name}.yaml").read_text()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--help"], ["batch_size: 32  # utterances, on each device (a whole number from 1)", "(0, 1)"]),
        (["tune", "--help"], ["trials: 50", "(a whole number from 1)"]),
        (["show", "model=cnn1d"], ["model.blocks.0.channels", "model.dropout", "a number in [0, 1)"]),
        (["show", "frontend=log_mel"], ["frontend.stft.n_fft", "a whole number from 2 to 65536"]),
        (["show", "optimizer=adamw"], ["optimizer.lr", "a number in (0, 1000]"]),
        (["show", "trainer=auto"], ["trainer.gradient_clip_val", "a number above 0 or null"]),
        (["show", "augmentation=noise"], ["augmentation.waveform.0.snr_db", "[5, 30]", "a number from -50 to 100"]),
    ],
)
def test_help_shows_the_ranges(arguments, words, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in words)


def test_every_choice_can_be_shown(capsys):
    files = config_folder().glob("*/*.yaml")
    assert main(["show", *(f"{file.parent.name}={file.stem}" for file in files)]) == 0
    assert "split.k" in capsys.readouterr().out
