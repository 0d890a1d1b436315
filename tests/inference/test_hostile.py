"""Runs and checkpoints that a stranger made: nothing in them is executed, nothing exhausts the machine."""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

import ser
from ser.data.corpora.corpus import Corpus
from ser.errors import UserError
from ser.inference.limits import MOST_BYTES, bins_per_sample
from ser.inference.source import check_model, find_source
from ser.instantiate import build


@pytest.fixture(scope="module")
def good(run) -> dict:
    """A checkpoint as it lies in a run."""
    return torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)


@pytest.fixture
def canary(tmp_path) -> Path:
    """A file that is made by whoever executes what he should not."""
    return tmp_path / "executed"


def saved(tmp_path: Path, checkpoint: dict) -> Path:
    path = tmp_path / "hostile.ckpt"
    torch.save(checkpoint, path)
    return path


def changed(good: dict, key: str, value: object) -> dict:
    """A checkpoint whose config says something else at a dotted key."""
    checkpoint = {**good, "ser": copy.deepcopy(good["ser"])}
    *parents, last = key.split(".")
    node = checkpoint["ser"]["config"]
    for parent in parents:
        node = node[parent]
    node[last] = value
    return checkpoint


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["pickle", "old torch", "among the config", "as a weight"])
def test_a_pickle_bomb_does_not_go_off(tmp_path, canary, good, kind):
    path, bomb = tmp_path / "hostile.ckpt", Bomb(canary)
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": bomb}))
    elif kind == "old torch":
        torch.save({**good, "ser": bomb}, path, _use_new_zipfile_serialization=False)
    elif kind == "among the config":
        saved(tmp_path, changed(good, "model.dropout", bomb))
    else:
        saved(tmp_path, {**good, "state_dict": {**good["state_dict"], "model.x": bomb}})
    with pytest.raises(UserError, match="nothing in it was executed"):
        ser.load(path)
    assert not canary.exists()
    pickle.loads(pickle.dumps(bomb))
    assert canary.exists(), "the bomb is a real one"


TARGETS = [
    "os.system", "subprocess.Popen", "builtins.eval", "builtins.exec", "torch.hub.load", "torch.load", "shutil.rmtree",
    "ser.cli.os", "ser.cli.os.system", "ser.cli.main", "ser.data.audio.prepare.os.system",
    "ser.data.audio.prepare.Path", "ser.data.audio.prepare.load",
    "ser.data.store.array_store.clear_entries", "ser.commands.store.main", "ser.system.files.write_text",
    "ser.inference.load.load",
    "torch.nn.modules.module.torch", "torch.nn.init.zeros_", "torch.nn.Module.load_state_dict", "torch.optim.Adam",
    "ser.models.mlp.nn.Linear", "ser.instantiate.build", "..os.system", "", "ser", 3,
]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "target"),
    [("model", target) for target in TARGETS]
    + [(where, target) for where in ("frontend", "frontend.stft", "audio") for target in TARGETS[::4]],
    ids=str,
)
def test_a_config_names_parts_of_models_only(tmp_path, canary, good, monkeypatch, where, target):
    monkeypatch.chdir(tmp_path)
    checkpoint = changed(good, f"{where}._target_", target)
    checkpoint["ser"]["config"]["run"]["trust"] = [
        "os",
        "subprocess",
        "builtins",
        "torch",
        "shutil",
        "ser",
    ]  # its own word
    (tmp_path / "kept").mkdir()
    with pytest.raises(UserError):
        ser.load(saved(tmp_path, checkpoint))
    call = {"_target_": target, "command": f"touch {canary}", "path": "kept", "root": "kept"}
    with pytest.raises(UserError):
        ser.load(saved(tmp_path, changed(good, where, call)))
    assert not canary.exists() and (tmp_path / "kept").is_dir()


def test_resolvers_stay_text(tmp_path, good, run, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    with pytest.raises(UserError, match=r"\$\{oc\.env:SECRET\}") as caught:
        ser.load(saved(tmp_path, changed(good, "model.pooling", "${oc.env:SECRET}")))
    assert "hunter2" not in str(caught.value)
    copied = shutil.copytree(run, tmp_path / "run")
    config = yaml.safe_load((copied / "config.yaml").read_text())
    config["audio"]["level"] = "${oc.env:SECRET}"
    (copied / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=r"\$\{oc\.env:SECRET\}"):
        ser.load(copied)


YAML = {
    "a call": "x: !!python/object/apply:os.system ['touch {canary}']\n",
    "an object": "x: !!python/object/new:subprocess.Popen [['touch', '{canary}']]\n",
    "a name": "x: !!python/name:os.system\n",
    "depth": "x: " + "[" * 200_000 + "\n",
    "depth in blocks": "x:\n " + "- " * 200_000 + "\n",
    "a date": "x: 2020-13-45\n",
    "no text": "x: \udcff\udcfe\n",
    "cut off": "x: {{a: [1, 2\n",
}


@pytest.mark.parametrize("kind", YAML)
def test_yaml_is_plain_data(tmp_path, canary, run, kind):
    copied = shutil.copytree(run, tmp_path / "run")
    text = (copied / "config.yaml").read_text() + YAML[kind].format(canary=canary)
    (copied / "config.yaml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"config\.yaml is damaged"):
        ser.load(copied)
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "[&a [0,0,0,0,0,0,0,0], &b [*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b], "
        "&d [*c,*c,*c,*c,*c,*c,*c,*c], &e [*d,*d,*d,*d,*d,*d,*d,*d], [*e,*e,*e,*e,*e,*e,*e,*e]]",
    ],
    ids=["a list in itself", "a billion laughs"],
)
def test_yaml_without_end(tmp_path, run, text):
    copied = shutil.copytree(run, tmp_path / "run")
    lines = (copied / "config.yaml").read_text().replace("model:\n", f"model:\n  hidden_: {text}\n", 1)
    (copied / "config.yaml").write_text(lines)
    with pytest.raises(UserError, match="too many settings"):
        ser.load(copied)


LARGE = 2**40
SIZES = [
    ("model.hidden", [10**9]), ("model.hidden", [2**20, 2**20]), ("model.hidden", [1] * 100_000),
    ("model.hidden", [8] * 3000), ("model.blocks", LARGE), ("frontend.n_mels", LARGE), ("frontend.n_mels", 2**20),
    ("frontend.n_mels", 1e6), ("frontend.stft.n_fft", LARGE), ("frontend.stft.n_fft", 2**20),
    ("frontend.stft.n_fft", float(2**20)), ("frontend.f_max", float("inf")), ("frontend.log_floor", float("nan")),
    ("frontend.stft.hop_length", 1), ("audio.duration_s", 1e9), ("audio.duration_s", 1e300),
    ("audio.sample_rate", LARGE), ("model.dropout", "x" * 10**7),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), SIZES, ids=lambda value: str(value)[:20])
def test_sizes_beyond_all_use_are_refused_before_anything_is_made(tmp_path, good, key, value, monkeypatch):
    checkpoint = changed(good, key, value)
    if key == "frontend.stft.hop_length":
        checkpoint = changed(checkpoint, "audio.duration_s", 60.0)
    monkeypatch.setattr("ser.inference.source.load_weights", lambda *_: pytest.fail("a model was made"))
    words = "beyond what can be|too large|too many|belongs to another model|cannot be built|must be a"
    with pytest.raises(UserError, match=words):
        ser.load(saved(tmp_path, checkpoint))
    with pytest.raises(UserError, match=f"{words}|dropout"):  # where no weights say how large it is
        check_model(checkpoint["ser"]["config"], 8, tmp_path / "config.yaml", MOST_BYTES)


@pytest.mark.parametrize("place", ["audio", "dataset", "split", "optimizer", "augmentation.waveform.0"])
def test_layers_are_no_part_of_anything_but_a_model(place, monkeypatch):
    """They would fill the memory before anybody asked what they are: as a part, and as a part of one."""
    monkeypatch.setattr("torch.nn.Linear.__init__", lambda *_, **__: pytest.fail("it was made"))
    layer = {"_target_": "torch.nn.Linear", "in_features": 2**17, "out_features": 2**17}
    for node, at in ((layer, place), (layer, f"{place}.inner")):
        with pytest.raises(UserError, match="no part of an? "):
            build(node, at)
    with pytest.raises(UserError, match="no part of an? "):
        build({"_target_": "ser.data.audio.prepare.AudioSettings", "level": layer}, place)


def test_a_part_of_its_place_is_of_its_kind():
    with pytest.raises(UserError, match="dataset names ser.data.corpora.demo_voice.Manner, which is no Corpus"):
        build({"_target_": "ser.data.corpora.demo_voice.Manner"}, "dataset", kind=Corpus)


@pytest.mark.parametrize("part", ["torch.nn.Linear", "ser.models.mlp.MLP"])
def test_layers_are_no_part_of_a_frontend(tmp_path, good, part, monkeypatch):
    """A frontend is made before anybody knows how large it is."""
    layer = {"_target_": part, "in_features": 2**17, "out_features": 2**17}
    monkeypatch.setattr("torch.nn.Linear.__init__", lambda *_, **__: pytest.fail("it was made"))
    for key in ("frontend", "frontend.stft"):
        with pytest.raises(UserError, match="no part of a frontend"):
            ser.load(saved(tmp_path, changed(good, key, layer)))


def test_many_filterbanks_are_counted_together(tmp_path, good):
    frontend = good["ser"]["config"]["frontend"]
    one = {**frontend, "n_mels": 256, "stft": {**frontend["stft"], "n_fft": 8192}}
    several = {"_target_": "ser.frontends.concat.Concat", "parts": {f"p{k}": one for k in range(9)}}
    with pytest.raises(UserError, match="weights in filterbanks"):
        ser.load(saved(tmp_path, changed(good, "frontend", several)))


@pytest.mark.parametrize(
    "model",
    [
        {"_target_": "ser.models.mlp.MLP", "hidden": [8] * 3000},
        {"_target_": "ser.models.cnn2d.CNN2D", "blocks": 2**20},
        {"_target_": "ser.models.cnn2d.CNN2D", "blocks": 100, "stages": [1] * 100},
    ],
    ids=["a long list", "many blocks", "blocks in each entry"],
)
def test_layers_are_counted_before_any_is_made(tmp_path, good, model):
    with pytest.raises(UserError, match="more than 2000 layers"):
        ser.load(saved(tmp_path, changed(good, "model", model)))


def test_settings_that_honest_runs_have_are_no_sizes(tmp_path, good):
    """f_max in Hz is larger than n_fft; that says nothing of bands."""
    model = ser.load(saved(tmp_path, changed(good, "frontend.f_max", 8000)))
    assert bins_per_sample(model._classifier.frontend) == pytest.approx(513 / 256, abs=3)


def test_a_packed_checkpoint_is_not_unpacked(tmp_path, good):
    path, packed = saved(tmp_path, good), tmp_path / "packed.ckpt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
        target.writestr("archive/data/999", bytes(20_000_000))
    with pytest.raises(UserError, match="ser does not compress"):
        ser.load(packed)


WEIGHTS = {
    "claims": (lambda weight: torch.zeros(1).expand(10**6, 10**6), "claims"),
    "nan": (lambda weight: weight * float("nan"), "NaN or infinite weights"),
    "shape": (lambda weight: weight[:1], "belongs to another model"),
    "text": (lambda weight: "text", "weights that are not tensors"),
    "sparse": (lambda weight: weight.to_sparse(), "weights that are not tensors"),
    "nowhere": (lambda weight: weight.to("meta"), "weights that are not tensors"),
    "quantised": (lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8), "not tensors"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.filterwarnings("ignore")  # torch on quantised tensors
def test_weights_are_tensors_of_the_file_s_size(tmp_path, good, kind):
    make, words = WEIGHTS[kind]
    name = next(name for name, value in good["state_dict"].items() if name.startswith("model.") and value.ndim == 2)
    state = {**good["state_dict"], name: make(good["state_dict"][name])}
    with pytest.raises(UserError, match=words):
        ser.load(saved(tmp_path, {**good, "state_dict": state}))


@pytest.mark.parametrize(
    ("checkpoint", "words"),
    [
        ({"state_dict": {}}, "none of ser's"),
        ({"weights": {}}, "no state_dict"),
        ([1, 2], "no state_dict"),
        ({"state_dict": {}, "ser": {"classes": ["a", "b"]}}, "has no config of its model"),
        ({"state_dict": {}, "ser": {"config": {}, "classes": ["a", "b"]}}, "lacks audio"),
        ({"state_dict": {}, "ser": {"config": {}, "classes": ["a", "a"]}}, "one of them twice"),
        ({"state_dict": {}, "ser": {"config": {}, "classes": [1]}}, "has no classes"),
        ({"state_dict": {}, "ser": {"config": {}, "classes": [str(k) for k in range(2000)]}}, "more than 1000"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_checkpoint_of_ours(tmp_path, checkpoint, words):
    with pytest.raises(UserError, match=words):
        ser.load(saved(tmp_path, checkpoint))


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_checkpoint_that_is_cut_off(tmp_path, good, share):
    whole = saved(tmp_path, good).read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="truncated or damaged"):
        ser.load(tmp_path / "cut.ckpt")


def test_other_files_are_no_checkpoints(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "notes.txt").write_text("notes")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="The run comes first"):
        find_source(tmp_path / "a.wav")
    with pytest.raises(UserError, match="damaged"):
        find_source(tmp_path / "notes.txt")
    with pytest.raises(UserError, match="neither"):
        find_source(tmp_path / "pipe")
    with pytest.raises(UserError, match="no config.yaml"):
        find_source(tmp_path)


@pytest.mark.parametrize("temperature", [float("nan"), -1.0, 0, 1e9])
def test_a_temperature_that_nobody_fitted(tmp_path, run, temperature):
    copied = shutil.copytree(run, tmp_path / "run")
    metrics = json.loads((copied / "metrics.json").read_text())
    (copied / "metrics.json").write_text(json.dumps({**metrics, "temperature": temperature}))
    with pytest.raises(UserError, match=r"metrics\.json is damaged"):
        ser.load(copied, calibrated=True)


def test_what_a_run_says_of_trust_does_not_count(tmp_path, run, monkeypatch):
    (tmp_path / "their_parts.py").write_text("from ser.models.mlp import MLP\nclass Theirs(MLP): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    copied = shutil.copytree(run, tmp_path / "run")
    config = yaml.safe_load((copied / "config.yaml").read_text())
    config["run"]["trust"] = ["their_parts"]
    config["model"]["_target_"] = "their_parts.Theirs"
    (copied / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="outside the trusted packages"):
        ser.load(copied)
    assert "their_parts" not in sys.modules
    assert ser.load(copied, device="cpu", trust=["their_parts"]).classes
    del sys.modules["their_parts"]


def test_ones_own_package_is_trusted_by_the_caller_only(tmp_path, good, monkeypatch, model):
    (tmp_path / "my_parts.py").write_text(
        "from ser.models.mlp import MLP\nclass Own(MLP): pass\ndef made(**settings): return MLP(**settings)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("Own", "made"):
        checkpoint = changed(good, "model._target_", f"my_parts.{name}")
        checkpoint["ser"]["config"]["run"]["trust"] = ["my_parts"]
        path = saved(tmp_path, checkpoint)
        with pytest.raises(UserError, match="trust"):
            ser.load(path)
        assert "my_parts" not in sys.modules, "not even imported"
        own = ser.load(path, trust="my_parts", device="cpu")
        assert own.classes == model.classes
        del sys.modules["my_parts"]


# ---- every command -------------------------------------------------------------------------------------------------


def with_config(run: Path, changes: dict) -> None:
    """Another config, in the file and in the checkpoints."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config = {key: {**value, **changes[key]} if key in changes else value for key, value in config.items()}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for name in ("best.ckpt", "last.ckpt"):
        checkpoint = torch.load(run / "checkpoints" / name, weights_only=True)
        checkpoint["ser"]["config"] = config
        torch.save(checkpoint, run / "checkpoints" / name)


def flip_bits(run: Path) -> None:
    """Other weights in both checkpoints, which torch loads without a word."""
    for name in ("best.ckpt", "last.ckpt"):
        path = run / "checkpoints" / name
        weight = torch.load(path, weights_only=True)["state_dict"]["model.layers.0.weight"]
        damaged = bytearray(path.read_bytes())
        damaged[damaged.index(weight.numpy().tobytes()[:64]) + 7] ^= 0x20
        path.write_bytes(damaged)
        assert not torch.equal(torch.load(path, weights_only=True)["state_dict"]["model.layers.0.weight"], weight)


HOSTILE = {
    "160 GB of weights": lambda run: with_config(run, {"model": {"hidden": [200_000, 200_000]}}),
    "a large filterbank": lambda run: with_config(
        run, {"frontend": {"n_mels": 4000, "stft": {"_target_": "ser.frontends.stft.Stft", "n_fft": 2**20,
                                                    "hop_length": 256}}}
    ),
    "four months of audio": lambda run: with_config(run, {"audio": {"duration_s": 1e7}}),
    "30,000 layers": lambda run: with_config(run, {"model": {"hidden": [4] * 30_000}}),
    "flipped bits": flip_bits,
    "deep figures": lambda run: (run / "metrics.json").write_text("[" * 100_000),
    "a list for a mapping": lambda run: (run / "config.yaml").write_text("choices: {}\nmodel: [1]\ntrainer: [2]\n"),
}  # fmt: skip
LOADING = ("predict", "evaluate", "elsewhere", "init_from", "resume")  # all that open the one run
PASS = {  # what has no use for what is wrong
    "160 GB of weights": ("init_from",),
    "a large filterbank": ("init_from",),
    "four months of audio": ("init_from",),
    "30,000 layers": ("init_from",),
    "flipped bits": ("evaluate", "resume"),  # from its predictions; from the first epoch
    "deep figures": ("init_from",),
    "a list for a mapping": ("init_from",),
}


def contents(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_command_refuses_it(ser, in_tmp, run, tiny_ravdess, tiny_tess, kind, recwarn):
    recording = next(tiny_ravdess.rglob("*.wav"))
    runs = in_tmp / "runs"
    bad = Path(shutil.copytree(run, runs / "bad"))
    HOSTILE[kind](bad)
    before = contents(in_tmp)
    commands = {
        "predict": ["predict", bad, recording],
        "evaluate": ["evaluate", f"run={bad}", "device=cpu"],
        "elsewhere": ["evaluate", f"run={bad}", "dataset=tess", f"dataset.root={tiny_tess}", "device=cpu"],
        "init_from": ["train", "dataset=ravdess", f"dataset.root={tiny_ravdess}", f"init_from={bad}", "trainer=cpu"],
        "resume": ["train", f"run.resume={bad}"],
    }
    for name in (name for name in LOADING if name not in PASS[kind]):
        code, out, err = ser(*map(str, commands[name]))
        assert code == 2 and len(err.strip().splitlines()) == 1 and str(bad) in err, (name, out, err)
        assert contents(in_tmp) == before, name
    shutil.copytree(run, runs / "good")
    for command in ("runs", "compare"):
        code, out, err = ser(command)
        assert code == 0 and "good" in out + err or kind == "flipped bits", (out, err)


MEASURED = """
import resource, sys, time
from ser.cli import main
main(["evaluate", f"run={sys.argv[1]}"])  # what is imported counts once
for run in sys.argv[2:]:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for command in (["evaluate", f"run={run}"], ["train", f"run.resume={run}"], ["predict", run, __file__]):
        assert main(command) == 2, command
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000, (run, grown)
    assert time.process_time() - start < 10, run  # what could keep it busy for hours
"""


@pytest.mark.slow
def test_it_takes_no_memory(tmp_path, run):
    """In a process with 9 GB of address space."""
    bad = []
    for kind in ("a list for a mapping", "160 GB of weights", "a large filterbank", "four months of audio"):
        bad.append(shutil.copytree(run, tmp_path / kind / "bad"))
        HOSTILE[kind](bad[-1])
    (tmp_path / "measured.py").write_text(MEASURED)
    limited = ["prlimit", f"--as={9 * 2**30}", sys.executable, str(tmp_path / "measured.py"), *map(str, bad)]
    done = subprocess.run(limited, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
