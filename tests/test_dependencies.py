"""Every dependency is imported by `ser`, and whatever `ser` imports is a dependency."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPO = Path(__file__).parents[1]
PLUGINS = {"hydra-joblib-launcher"}  # found by Hydra, imported by nobody


def declared() -> dict[str, list[str]]:
    """Distribution → the extras that bring it; none for those that everybody gets."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {name_of(line): [] for line in project["dependencies"]}
    for extra, lines in project["optional-dependencies"].items():
        for line in lines:
            found.setdefault(name_of(line), []).append(extra)
    return found


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower()


def imported() -> set[str]:
    """Distributions of the modules that `ser` and its plugins import, wherever in them."""
    modules = set()
    for path in [*(REPO / "ser").rglob("*.py"), *(REPO / "hydra_plugins").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.split(".")[0])
    known = packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - {"ser", "hydra_plugins"}
    return {known[module][0].lower() for module in foreign if module in known}


def test_dependencies_are_imported_and_imports_are_dependencies():
    everybody = {name for name, extras in declared().items() if not extras}
    assert everybody - imported() - PLUGINS == set(), "nothing in ser/ imports these"
    assert imported() - set(declared()) - {"markupsafe"} == set(), "pyproject.toml does not name these"
