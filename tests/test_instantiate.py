"""Building parts from config nodes: what may be named, what is checked, and what must never be called."""

import importlib
import pkgutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import ser
from ser.data.audio.prepare import AudioSettings
from ser.errors import UserError
from ser.frontends.mel import Mel
from ser.frontends.stft import Stft
from ser.instantiate import TRUSTED, build, check_settings, resolve
from ser.training.loggers.run_loggers import TRUSTED as LOGGERS

CONFIGS = Path(__file__).parents[1] / "configs"


def refused(target, trust=()):
    with pytest.raises(UserError) as error:
        resolve({"_target_": target}, "model", trust)
    assert f"model._target_={target}" in str(error.value)
    return str(error.value)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the user's own."""
    folder = tmp_path / "my_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text(
        "import os\nfrom os import system\nclass Part:\n    def __init__(self, size=1):\n        self.size = size\n"
        "def make(size=2):\n    return Part(size)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_package"
    for name in [name for name in sys.modules if name.startswith("my_package")]:
        del sys.modules[name]


# ---- what may be named ---------------------------------------------------------------------------------------------


def test_every_target_in_configs_is_allowed():
    def targets(node):
        if isinstance(node, dict):
            yield from [node["_target_"]] if "_target_" in node else []
            for value in node.values():
                yield from targets(value)
        elif isinstance(node, list):
            for value in node:
                yield from targets(value)

    files = [yaml.safe_load(path.read_text()) for path in CONFIGS.rglob("*.yaml")]
    for file in files:
        file.pop("hydra", None)  # whose parts Hydra builds
    found = {target for file in files for target in targets(file)}
    assert len(found) > 20
    for target in found:
        assert callable(resolve({"_target_": target}, "node", LOGGERS)), target


@pytest.mark.parametrize(
    "target",
    ["torch.nn.Linear", "torch.optim.AdamW", "torch.optim.lr_scheduler.StepLR", "ser.data.audio.prepare.AudioSettings"],
)
def test_classes_of_trusted_packages(target):
    assert isinstance(resolve({"_target_": target}, "model"), type)


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "builtins.eval", "subprocess.Popen", "pickle.loads", "shutil.rmtree",
        "torch.load", "torch.hub.load", "torch.jit.load", "torch.utils.cpp_extension.load",
        "service.run", "serious.X", "ser_extra.X", "torch.nnx.X", "torch.optimizer.X",
    ],
)  # fmt: skip
def test_what_lies_outside_names_the_way_in(target):
    assert f"trust=[{target.split('.')[0]}]" in refused(target)


@pytest.mark.parametrize(
    "target",
    [
        # what a module of ours has imported, or every module has
        "ser.data.audio.decode.Path", "ser.data.audio.decode.soundfile", "ser.data.audio.decode.soundfile.write",
        "ser.data.audio.prepare.np.load",
        "ser.data.audio.decode.struct",
        "ser.system.files.os", "ser.system.files.os.replace", "ser.runs.environment.subprocess.run",
        "ser.runs.weights.torch.load",
        "ser.runs.weights.torch", "ser.instantiate.importlib.import_module", "ser.instantiate.Any",
        "ser.data.store.waveforms.ThreadPoolExecutor", "ser.data.store.waveforms.FileLock",
        "ser.data.store.hashes.sqlite3.connect",
        "ser.data.store.waveforms.shutil.rmtree", "ser.data.audio.prepare.__builtins__",
        "ser.data.audio.prepare.__builtins__.eval", "ser.data.audio.prepare.__loader__",
        "ser.data.audio.prepare.__spec__", "ser.data.audio.prepare.__class__", "ser.__loader__", "ser.__path__",
        "ser.training.module.F",
        "torch.nn.modules.module.warnings.warn", "torch.optim.lr_scheduler.partial", "torch.nn.__class__",
        "torch.nn.modules.module.Any", "torch.nn.parallel.distributed.os.system",
        # ways around the dots
        "ser", "ser.", "ser..os.system", "ser. os.system", "ser./os.system", "ser.data.audio.prepare\x00.X",
        ".ser.audio.AudioSettings",
        "ser.data.audio.prepare.AudioSettings.__init__", "ser.data.audio.prepare.AudioSettings.__class__",
        "ser.data.audio.prepare.AudioSettings.mro",
        "ser.nowhere.X", "ser.data.audio.prepare.Nowhere", "ser.data.audio.prepare.", "torch.nn", "torch.nn.",
    ],
)  # fmt: skip
def test_ways_out_are_closed(target):
    refused(target)


@pytest.mark.parametrize(
    "target",
    [
        "ser.data.store.array_store.clear_entries", "ser.system.files.write_text", "ser.system.files.write_atomically",
        "ser.cli.main",
        "ser.__main__.main", "ser.instantiate.build", "ser.instantiate.resolve", "ser.data.audio.prepare.load",
        "ser.runs.weights.read_checkpoint", "ser.data.corpora.demo.write_demo", "torch.nn.functional.relu",
        "torch.nn.init.constant_", "torch.nn.modules.module.register_module_forward_hook",
        "torch.nn.utils.clip_grad_norm_",
    ],
)  # fmt: skip
def test_functions_are_not_for_configs(target):
    assert "ser.training.schedules" in refused(target)


def modules():
    """All of ours but the one that an extra is needed for."""
    found = [module.name for module in pkgutil.walk_packages(ser.__path__, "ser.")]
    return list(found)


def test_nothing_callable_that_any_module_of_ours_holds_leads_out():
    """Every name of every module: only classes of the trusted packages and the schedules come through."""
    allowed, schedules = 0, set()
    for module in modules():
        for name in dir(importlib.import_module(module)):
            try:
                found = resolve({"_target_": f"{module}.{name}"}, "x")
            except UserError:
                continue
            allowed += 1
            assert any(f"{found.__module__}.".startswith(f"{package}.") for package in TRUSTED)
            if not isinstance(found, type):
                assert found.__module__ == "ser.training.schedules"
                schedules.add(found.__name__)
    assert allowed > 100 and schedules == {"constant", "cosine", "one_cycle", "plateau"}


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["ser", "audio", "torch", "nn", "os", "system", "", "__init__", "load", " "]), max_size=6)
)
def test_no_dotted_name_raises_anything_else(words):
    with suppress(UserError):
        resolve({"_target_": ".".join(words)}, "x")


@pytest.mark.parametrize(
    "node", [{}, {"size": 1}, {"_target_": None}, {"_target_": 3}, {"_target_": ["a"]}, None, "x", []]
)
def test_a_node_without_a_target(node):
    with pytest.raises(UserError, match="'model' names no _target_"):
        resolve(node, "model")


# ---- trust ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trust", [["my_package"], "my_package", ("other", "my_package"), ["my_package.parts"]])
def test_the_users_own_package_once_it_is_trusted(package, trust):
    assert "run.trust=[my_package]" in refused("my_package.parts.Part")
    assert build({"_target_": "my_package.parts.Part", "size": 3}, "model", trust).size == 3
    assert build({"_target_": "my_package.parts.make"}, "model", trust).size == 2
    for target in ("my_package.parts.system", "my_package.parts.os", "my_package.parts.os.system"):
        refused(target, trust)


@pytest.mark.parametrize("trust", [None, [], "", [""], "o", ["o", "s"], ["my"]])
def test_trust_in_nobody_or_in_somebody_else(package, trust):
    refused("os.system", trust)
    refused("my_package.parts.Part", trust)


def test_an_untrusted_package_is_not_even_imported(package):
    refused("my_package.parts.Part")
    assert "my_package" not in sys.modules


# ---- settings ------------------------------------------------------------------------------------------------------

STFT = {"_target_": "ser.frontends.stft.Stft", "n_fft": 512, "win_length": 400, "hop_length": 160}
MEL = {"_target_": "ser.frontends.mel.Mel", "sample_rate": 16000, "n_mels": 40, "stft": STFT}


def message(node, where="frontend", **given):
    with pytest.raises(UserError) as error:
        build(node, where, **given)
    return str(error.value)


def test_nested_nodes_are_built_first():
    mel = build(MEL, "frontend")
    assert isinstance(mel, Mel) and isinstance(mel.stft, Stft) and mel.stft.hop_length == 160


def test_nodes_in_lists_and_dicts_are_built(package):
    node = {"_target_": "my_package.parts.Part", "size": [{"a": STFT}, 3, [STFT]]}
    first, number, (last,) = build(node, "model", [package]).size
    assert isinstance(first["a"], Stft) and number == 3 and isinstance(last, Stft)


def test_an_untrusted_target_deep_inside_is_refused():
    for inner in ({"_target_": "os.system", "command": "true"}, [{"x": {"_target_": "builtins.exec"}}]):
        assert "frontend.stft" in message({**MEL, "stft": inner})


def test_nothing_is_built_before_all_targets_of_a_node_are_known_good(tmp_path):
    node = {"_target_": "ser.nowhere.X", "part": {"_target_": "ser.also_nowhere.Y"}}
    assert "frontend._target_=ser.nowhere.X" in message(node)


def test_a_misspelt_setting_names_the_nearest():
    assert message({**MEL, "n_mel": 3}) == "frontend has no setting 'n_mel'. Did you mean 'n_mels'?"
    assert "frontend.stft has no setting 'hop'" in message({**MEL, "stft": {**STFT, "hop": 1}})
    assert "Choose from: " in message({**MEL, "zebra": 1})


def test_a_missing_setting_is_named():
    node = {key: value for key, value in MEL.items() if key not in ("sample_rate", "stft")}
    assert message(node) == "frontend needs a value for frontend.sample_rate and frontend.stft."


def test_given_arguments_are_handed_over_and_not_to_be_set():
    node = {"_target_": "ser.models.mlp.MLP", "hidden": [8]}
    given = {"num_features": 4, "num_frames": None, "num_classes": 3}
    assert build(node, "model", **given).eval()(torch.zeros(2, 4, 5), torch.tensor([5, 2])).shape == (2, 3)
    assert "model has no setting 'num_classes'" in str(
        pytest.raises(UserError, build, {**node, "num_classes": 9}, "model", **given).value
    )


def test_a_value_of_the_wrong_kind_is_told_by_its_name():
    text = message({"_target_": "torch.nn.Linear", "in_features": "many", "out_features": 2}, "model")
    assert text == "model.in_features=many must be a whole number."


def test_user_errors_of_the_part_pass_through():
    node = {"_target_": "ser.data.audio.prepare.AudioSettings", "duration_s": 1e-6}
    assert message(node, "audio").startswith("audio.duration_s=1e-06 is")
    assert isinstance(build({"_target_": "ser.data.audio.prepare.AudioSettings"}, "audio"), AudioSettings)


def test_open_ended_targets_take_any_name():
    check_settings(lambda first, **others: None, {"first": 1, "anything": 2}, "x")
    with pytest.raises(UserError, match="needs a value for x.first"):
        check_settings(lambda first, *more, **others: None, {"anything": 2}, "x")


def test_parameters_of_an_optimizer_are_not_the_users_to_name():
    check_settings(torch.optim.AdamW, {"lr": 0.1}, "optimizer", {"params": None})
    with pytest.raises(UserError, match="optimizer has no setting 'parms'") as error:
        check_settings(torch.optim.AdamW, {"parms": 0.1}, "optimizer", {"params": None})
    assert "'params'" not in str(error.value)


def test_build_leaves_the_node_as_it_was():
    before = yaml.safe_dump(MEL)
    build(MEL, "frontend")
    assert yaml.safe_dump(MEL) == before
