"""`ser show [group | group=choice]`: the choices of each config group, or the settings of one with their ranges."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args

from ser.errors import UserError, did_you_mean
from ser.runs.settings import OPTIMIZER, RUN
from ser.system.config_folder import config_folder
from ser.system.ranges import in_words, shown

GIVEN = (  # arguments passed at composition
    "self", "params", "optimizer", "total_steps", "num_features", "num_frames", "num_classes", "recordings",
    "lower_is_better",
)  # fmt: skip
HELP = """ser show [group | group=choice]: lists the choices of each config group, or the settings of one of them

  ser show                all groups
  ser show model          one
  ser show model=cnn2d    a choice: its settings, their defaults and allowed values
"""


def main(arguments: list[str]) -> int:
    """Prints the groups."""
    groups, texts = config_groups(), []
    for word in arguments or sorted(groups):
        group, _, choice = word.partition("=")
        if group not in groups:
            raise UserError(f"There is no config group '{group}'. {did_you_mean(group, sorted(groups))}")
        files = {file.stem: file for file in groups[group]}
        if choice and choice not in files:
            raise UserError(f"{group} has no choice '{choice}'. {did_you_mean(choice, sorted(files))}")
        texts.append(describe_choice(group, files[choice]) if choice else describe(group, groups[group]))
    sys.stdout.write("\n".join(texts))
    return 0


def with_settings(text: str, name: str, groups: Sequence[str] | None = None) -> str:
    """A help text with the settings of a file in configs/ in place of `{settings}`, and of groups for `{groups}`.

    Args:
        text: Has both.
        name: Of the file.
        groups: Those shown; None for all.
    """
    files = config_groups()
    shown = "\n".join(describe(group, files[group]) for group in (groups or sorted(files)))
    return text.format(settings=settings(name), groups=shown)


def config_groups() -> dict[str, list[Path]]:
    """Group → its files, sorted."""
    folders = [folder for folder in config_folder().iterdir() if folder.is_dir()]
    groups = {folder.name: sorted(folder.glob("*.yaml")) for folder in folders}
    return {name: files for name, files in groups.items() if files}


def describe(group: str, files: list[Path]) -> str:
    """The group's name, then a line a choice."""
    width = max(len(file.stem) for file in files)
    return "\n".join([group, *(f"  {file.stem:<{width}}  {first_comment(file)}" for file in files), ""])


def describe_choice(group: str, file: Path) -> str:
    """A choice's settings, one a line: name, default, allowed values."""
    rows = list(_settings_of(_content(file, group), group))
    widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
    lines = [f"  {key:<{widths[0]}}  {default:<{widths[1]}}  {may_be}".rstrip() for key, default, may_be in rows]
    return "\n".join([f"{group}={file.stem}  {first_comment(file)}", *lines, ""])


def _content(file: Path, group: str) -> dict[str, Any]:
    """A config file, on top of those that its defaults list names."""
    import yaml
    from omegaconf import OmegaConf

    from ser.runs.defaults import LOADER

    own = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER) or {}
    bases = [entry for entry in own.get("defaults") or () if isinstance(entry, str) and entry != "_self_"]
    files = [*(_content(config_folder() / group / f"{base}.yaml", group) for base in bases), own]
    return OmegaConf.to_container(OmegaConf.merge(*files))


def _settings_of(node: Any, where: str, kind: Any = None) -> Iterator[tuple[str, str, str]]:
    """(key, default, allowed values) of a node, and of the nodes in it.

    Args:
        node: As in the file.
        where: Its place in the config.
        kind: Its annotation in the signature of the node around it.
    """
    node = dict(enumerate(node)) if isinstance(node, list) else dict(node)
    kinds = {name.rpartition(".")[2]: kind for name, kind in RUN.items() if name.rpartition(".")[0] == where}
    defaults: dict[Any, Any] = dict.fromkeys(kinds, "")
    if (called := _called(node, where, kind)) is not None:
        from ser.instantiate import parameters_of

        for name, parameter in parameters_of(called).items():
            if name not in GIVEN and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                kinds[name] = parameter.annotation
                defaults[name] = "" if parameter.default is parameter.empty else parameter.default
    for key, value in {**defaults, **node}.items():
        place, its_kind = f"{where}.{key}", kinds.get(key, kind)
        if key in ("_target_", "defaults"):
            continue
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            yield from _settings_of(value, place, its_kind)
        elif value == "" and (inner := _dataclass_in(its_kind)):
            yield from _settings_of({}, place, inner)
        else:
            within = OPTIMIZER.get(key) if where == "optimizer" else None
            yield place, shown(value), "" if key not in kinds else in_words(its_kind, within)


def _called(node: dict, where: str, kind: Any) -> Any:
    """The class or function of a node's settings, if named or known."""
    if "_target_" not in node:
        return None if 0 in node else _dataclass_in(kind)
    from ser.instantiate import resolve

    return resolve(node, where, trust=["ser"])  # shipped with it


def _dataclass_in(kind: Any) -> Any:
    """The dataclass that an annotation names, anywhere in it."""
    if isinstance(kind, type) and is_dataclass(kind):
        return kind
    return next(filter(None, map(_dataclass_in, get_args(kind))), None)


def settings(name: str) -> str:
    """The settings of a command with their comments: the part of its file between the defaults and Hydra's node.

    The range of a number follows the comment.
    """
    text = (config_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    lines, node = [], ""
    for line in text.partition("\n\n")[2].partition("\nhydra:")[0].splitlines():
        code, mark, _ = line.partition("#")
        key = code.partition(":")[0]
        node = node if key.startswith(" ") else f"{key}."
        name = f"{node}{key.strip()}" if key.startswith(" ") else key
        names = [known for known in RUN if known == name or known.startswith(f"{name}.") and "{" in code]
        may_be = [words for words in map(in_words, map(RUN.get, names)) if "number" in words and "text" not in words]
        lines.append(f"  {line}{' ' if mark else '  # '}({'; '.join(may_be)})" if may_be else f"  {line}")
    return "\n".join(line for line in lines if line.strip())


def first_comment(file: Path) -> str:
    """A config file's description: its first line, or the second after Hydra's `@package`."""
    with file.open(encoding="utf-8") as lines:
        comments = (line.lstrip("# ").strip() for line in lines)
        return next((comment for comment in comments if not comment.startswith("@package")), "")
