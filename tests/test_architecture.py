"""Who may import whom (architecture.md, 2), read from the source; and that nothing heavy starts `ser`."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FILES = sorted((REPOSITORY / "ser").rglob("*.py"))
NAMES = [str(path.relative_to(REPOSITORY)) for path in FILES]
everywhere = pytest.mark.parametrize("name", NAMES)

# a third party, and the files (or folders) that may know it
KNOWN_BY = {
    "hydra": ("ser/commands/",),
    "omegaconf": ("ser/commands/",),
    "pytorch_lightning": (
        "ser/training/module.py", "ser/data/datamodule.py", "ser/callbacks/", "ser/training/train.py", "ser/training/trainer.py",
        "ser/training/setup.py", "ser/sweeps/preflight.py",
    ),
    "soundfile": ("ser/data/audio/decode.py",),
    "soxr": ("ser/data/audio/prepare.py",),
    "miniaudio": ("ser/flac.py",),
    "torchaudio": ("ser/frontends/functional.py", "ser/augmentations/"),
    "tensorboard": ("ser/reports/",),
    "matplotlib": ("ser/reports/",),
    "statsmodels": ("ser/comparison/",),
    "librosa": ("ser/benchmarks/",),  # the reference of parity tests and benchmarks, never the implementation
    "keras": ("ser/benchmarks/keras_network.py",),
    "optuna": ("ser/search/",),
    "sklearn": ("ser/evaluation/",),  # the decision tree; of all other figures it is the reference of the tests
}  # fmt: skip
# a room, and the rooms of ours that it never looks into
NEVER = {
    "ser/models/": (
        "ser.frontends",
        "ser.data",
        "ser.training.module",
        "ser.training.train",
        "ser.runs",
        "ser.data.audio.prepare",
    ),
    "ser/frontends/": (
        "ser.models",
        "ser.data",
        "ser.training.module",
        "ser.training.train",
        "ser.runs",
        "ser.data.audio.prepare",
    ),
    "ser/augmentations/": (
        "ser.models",
        "ser.data",
        "ser.training.module",
        "ser.training.train",
        "ser.runs",
        "ser.data.audio.prepare",
    ),
    "ser/data/": (
        "ser.frontends",
        "ser.models",
        "ser.training.module",
        "ser.training.train",
        "ser.runs",
        "ser.augmentations",
    ),
    "ser/runs/": ("ser.frontends", "ser.models", "ser.training.module", "ser.training.train"),
    "ser/comparison/": ("ser.frontends", "ser.models", "ser.training.module", "ser.training.train", "ser.reports"),
    "ser/training/module.py": ("ser.data", "ser.runs", "ser.training.train"),
    "ser/data/audio/prepare.py": ("ser.data", "ser.frontends", "ser.models", "ser.runs"),
    "ser/data/audio/decode.py": ("ser.data.audio.prepare", "ser.data", "ser.frontends", "ser.models", "ser.runs"),
    "ser/flac.py": ("ser.",),
    "ser/search/": ("ser.frontends", "ser.models", "ser.augmentations", "ser.data", "ser.data.audio.prepare"),
    "ser/evaluation/metrics.py": ("ser.",),
    "ser/cli.py": ("ser.training.train", "ser.data", "ser.runs", "ser.models", "ser.frontends"),
}
BELOW = ("ser.commands", "ser.cli")  # nothing looks up to the command line but itself and __main__


def imports(name):
    """Dotted names that a file imports, wherever in it, `from package import module` with the module."""
    for node in ast.walk(ast.parse((REPOSITORY / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(dotted, package):
    return f"{dotted}.".startswith(package if package.endswith(".") else f"{package}.")


@everywhere
def test_third_parties_stay_in_their_files(name):
    for dotted in imports(name):
        for package, files in KNOWN_BY.items():
            assert not within(dotted, package) or name.startswith(files), f"{name} imports {dotted}"


@everywhere
def test_rooms_do_not_look_into_others(name):
    for room, others in NEVER.items():
        for dotted in imports(name) if name.startswith(room) else ():
            assert not any(within(dotted, other) for other in others), f"{name} imports {dotted}"
    if not name.startswith(("ser/commands/", "ser/benchmarks/", "ser/__main__.py", "ser/cli.py")):
        assert not any(within(dotted, top) for dotted in imports(name) for top in BELOW), name


@everywhere
def test_no_room_for_what_has_no_room(name):
    words = {part.removesuffix(".py") for part in Path(name).parts}
    assert not words & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}, name


@everywhere
def test_a_module_is_one_page(name):
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 300, f"{name}: past 300 lines a module wants to be two"


@everywhere
def test_doctests(name):
    if "keras" in name:
        pytest.importorskip("keras", reason="Keras is an extra: pip install -e '.[benchmark]'")
    module = importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert doctest.testmod(module).failed == 0


def test_some_doctests_are_there():
    modules = [name.removesuffix(".py").replace("/", ".") for name in NAMES if not name.endswith("__init__.py")]
    modules.remove("ser.benchmarks.keras_network")  # needs an extra
    examples = [
        test
        for name in modules
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
        if test.examples
    ]
    assert len(examples) >= 15


HEAVY = (
    "torch",
    "hydra",
    "omegaconf",
    "numpy",
    "pandas",
    "librosa",
    "pytorch_lightning",
    "matplotlib",
    "soundfile",
    "rich",
    "optuna",
)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["train", "--help"], ["runs", "--help"], ["show"], ["show", "model"], ["--version"]],
)
def test_nothing_heavy_is_imported_for_help(arguments):
    code = (
        f"import sys; from ser.cli import main; main({arguments!r}); print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout[-300:] + done.stderr
