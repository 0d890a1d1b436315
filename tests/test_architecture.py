"""Who may import whom, read from the source; and that nothing heavy starts `ser`."""

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

# From the ground up: a room imports only what stands before it. Rooms in one tuple do not know each other.
ROOMS = [
    "errors", "system", "instantiate", "masking", "data", ("frontends", "augmentations", "models"), "evaluation",
    "runs", "comparison", "reports", "training", "inference", "sweeps", "commands", "cli", "__main__",
]  # fmt: skip
FLOOR = {name: floor for floor, room in enumerate(ROOMS) for name in ([room] if isinstance(room, str) else room)}
# a third party, and the files (or folders) that may know it
KNOWN_BY = {
    "hydra": ("ser/commands/",),
    "omegaconf": ("ser/commands/",),
    "pytorch_lightning": ("ser/training/", "ser/data/datamodule.py", "ser/sweeps/preflight.py"),
    "soundfile": ("ser/data/audio/decode.py",),
    "soxr": ("ser/data/audio/prepare.py",),
    "torchaudio": ("ser/frontends/functional.py", "ser/augmentations/"),
    "tensorboard": ("ser/reports/",),
    "matplotlib": ("ser/reports/",),
    "librosa": ("ser/reports/",),  # pictures; of the frontends it is the reference of the tests
    "jinja2": ("ser/reports/page.py",),
    "mlflow": ("ser/training/loggers/mlflow.py",),
    "wandb": ("ser/training/loggers/wandb.py",),
    "statsmodels": ("ser/comparison/",),
    "optuna": ("ser/sweeps/search/",),
    "torchmetrics": ("ser/evaluation/epoch_scores.py", "ser/training/module.py"),
    "sklearn": ("ser/evaluation/",),  # the decision tree; of all other figures it is the reference of the tests
}  # fmt: skip


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
def test_imports_point_down(name):
    room = name.removesuffix(".py").split("/")[1]
    if room == "__init__":  # hands out what is asked for by name, imported then
        return
    for dotted in imports(name):
        other = dotted.split(".")[1] if dotted.startswith("ser.") else None
        assert other in (None, room, "__version__") or FLOOR[other] < FLOOR[room], f"{name} imports {dotted}"


def test_no_module_imports_itself_in_a_circle():
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in NAMES}

    def module_of(dotted: str) -> str | None:
        while dotted and dotted not in modules:
            dotted = dotted.rpartition(".")[0]
        return dotted if dotted not in ("", "ser") else None

    uses = {own: {module_of(dotted) for dotted in imports(name)} - {None, own} for own, name in modules.items()}
    del uses["ser"]  # hands out `load` when it is asked for
    while free := [own for own, others in uses.items() if not others & uses.keys()]:
        for own in free:
            del uses[own]
    assert not uses, f"in circles: {sorted(uses)}"


def test_rooms_and_loose_modules_are_few():
    loose = {path.stem for path in (REPOSITORY / "ser").glob("*.py")}
    assert loose == {"__init__", "__main__", "cli", "errors", "instantiate", "masking"}
    rooms = {path.name for path in (REPOSITORY / "ser").iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert rooms | loose - {"__init__"} == set(FLOOR)


@everywhere
def test_no_room_for_what_has_no_room(name):
    words = {part.removesuffix(".py") for part in Path(name).parts}
    assert not words & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}, name


@everywhere
def test_a_module_is_one_page(name):
    lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 280, f"{name}: past 280 lines a module wants to be two"


@everywhere
def test_doctests(name):
    module = importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert doctest.testmod(module).failed == 0


def test_some_doctests_are_there():
    modules = [name.removesuffix(".py").replace("/", ".") for name in NAMES if not name.endswith("__init__.py")]
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
