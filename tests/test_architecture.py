"""Who may import whom, read from the source; and that nothing heavy starts `ser`."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
FILES = sorted((REPOSITORY / "ser").rglob("*.py"))
NAMES = [str(path.relative_to(REPOSITORY)) for path in FILES]

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
    "pooch": ("ser/data/download/fetch.py",),
    "soxr": ("ser/data/audio/prepare.py", "ser/data/audio/blocks.py"),
    "silero_vad": ("ser/inference/voice_activity.py",),
    "sounddevice": ("ser/inference/live_sources.py",),
    "gradio": ("ser/inference/demo_server.py",),
    "torchaudio": ("ser/frontends/functional.py", "ser/frontends/wav2vec2_formats.py", "ser/augmentations/"),
    "safetensors": ("ser/frontends/checkpoint.py",),
    "transformers": ("ser/frontends/hub.py",),
    "huggingface_hub": ("ser/frontends/hub.py",),
    "tensorboard": ("ser/reports/",),
    "matplotlib": ("ser/reports/", "ser/sweeps/search/figures.py"),
    "librosa": ("ser/reports/",),  # pictures; of the frontends it is the reference of the tests
    "jinja2": ("ser/reports/page.py",),
    "mlflow": ("ser/training/loggers/mlflow.py",),
    "wandb": ("ser/training/loggers/wandb.py",),
    "statsmodels": ("ser/comparison/",),
    "optuna": ("ser/sweeps/search/",),
    "torchmetrics": ("ser/evaluation/epoch_scores.py", "ser/training/learning.py", "ser/training/task.py"),
    "sklearn": ("ser/evaluation/",),  # the decision tree; of all other figures it is the reference of the tests
}  # fmt: skip


# names that begin with _ and are not ours, with the files that may use them; for lack of a public one
PRIVATE = {
    "os._exit": (  # documented
        "ser/system/stopping.py",
        "ser/sweeps/task.py",
        "ser/sweeps/side_by_side.py",
        "ser/training/ranks.py",
    ),  # fmt: skip
    "torch._standard_gamma": ("ser/augmentations/mixing.py",),  # the only Gamma draws with a generator
    "torch._foreach_add_": ("ser/training/callbacks/averaging.py",),  # documented: one kernel for many tensors
    "torch._foreach_mul_": ("ser/training/callbacks/averaging.py",),
    "torch._foreach_sub": ("ser/training/callbacks/averaging.py",),
}


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


def test_third_parties_stay_in_their_files():
    astray = [
        f"{name} imports {dotted}"
        for name in NAMES
        for dotted in imports(name)
        for package, files in KNOWN_BY.items()
        if within(dotted, package) and not name.startswith(files)
    ]
    assert astray == []


def private_names(name):
    """Private modules that a file imports, and private attributes that it takes of anything but itself."""
    for dotted in imports(name):
        if any(part.startswith("_") and not part.endswith("__") for part in dotted.split(".")):
            yield dotted
    for node in ast.walk(ast.parse((REPOSITORY / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "super()"):
                yield f"{owner}.{node.attr}"


def test_nothing_private_of_others_is_used():
    astray = [
        f"{name} uses {dotted}"
        for name in [*NAMES, *(str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("hydra_plugins/**/*.py"))]
        for dotted in private_names(name)
        if not any(within(dotted, known) and name in files for known, files in PRIVATE.items())
    ]
    assert astray == []


def test_no_name_of_hydras_insides_is_written_anywhere():
    """As `_target_` in a config file would be."""
    folders = (REPOSITORY / name for name in ("ser", "hydra_plugins", "configs", "scripts", "tests"))
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".yaml")]
    inside = "hydra." + "_internal"
    assert len(files) > 300 and [path for path in files if inside in path.read_text(encoding="utf-8")] == []


def test_imports_point_down():
    upward = []
    for name in NAMES:
        room = name.removesuffix(".py").split("/")[1]
        for dotted in imports(name) if room != "__init__" else ():  # which hands out what is asked for by name
            other = dotted.split(".")[1] if dotted.startswith("ser.") else room
            if other != room and FLOOR[other] >= FLOOR[room]:
                upward.append(f"{name} imports {dotted}")
    assert upward == []


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


def test_no_room_for_what_has_no_room():
    leftovers = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
    assert [name for name in NAMES if leftovers & set(name.removesuffix(".py").split("/"))] == []


def test_a_module_is_one_page():
    """Past 280 lines it wants to be two."""
    lines = {name: len((REPOSITORY / name).read_text(encoding="utf-8").splitlines()) for name in NAMES}
    assert {name: count for name, count in lines.items() if count > 280} == {}


def test_doctests():
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in NAMES]
    results = {name: doctest.testmod(importlib.import_module(name)) for name in modules}
    assert [name for name, result in results.items() if result.failed] == []
    assert sum(result.attempted for result in results.values()) > 100


HEAVY = (
    "torch", "hydra", "omegaconf", "numpy", "pandas", "librosa", "pytorch_lightning", "matplotlib", "soundfile", "rich",
    "optuna",
)  # fmt: skip


COMMANDS = [[], ["--help"], ["train", "--help"], ["runs", "--help"], ["show"], ["show", "model"], ["--version"]]


def test_nothing_heavy_is_imported_for_help():
    code = f"""if True:
        import sys
        from ser.cli import main
        for arguments in {COMMANDS!r}:
            main(arguments)
            print(arguments, [module for module in {HEAVY!r} if module in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    for arguments in COMMANDS:
        assert f"{arguments} []" in done.stdout.splitlines(), done.stdout[-300:] + done.stderr


def test_nothing_heavy_is_imported_with_the_package():
    code = f"import sys, ser; print(dir(ser), [module for module in {HEAVY!r} if module in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    names, heavy = done.stdout.strip().rsplit(" [", 1)
    assert heavy == "]" and {"train", "crossval", "compare", "open_run", "load", "errors"} <= set(
        ast.literal_eval(names)
    )
