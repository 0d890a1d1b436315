"""Checks the structure of a composed config: no unused key, every node a node, null settings filled in."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ser.commands.experiments import read_config
from ser.commands.mistakes import dotted_keys, nearest
from ser.commands.top_file import PRESETS, SEVERAL, choices_of, top_file
from ser.errors import UserError, did_you_mean
from ser.runs.identity import flatten
from ser.system.config_folder import config_folder

OFF = {  # the meaning of null for a node that is not a group; for a group it is the choice `none`
    "loss": {"label_smoothing": 0.0, "class_weights": "none", "l2": None},  # plain cross-entropy
    "early_stopping": {"patience": None},
    "sweep": {"skip": None, "bad": "stop", "jobs_per_gpu": 1},
}
PACKAGE = re.compile(r"#\s*@package\s+(\S+)")


def whole_config(
    config: Mapping[str, Any], chosen: Mapping[str, str | None], app: str, typed: Sequence[str], folders: Sequence[Path]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config with every node of its top file, and the choices made.

    Args:
        config: Composed, not resolved.
        chosen: The choice in each group.
        app: Name of the top file.
        typed: Overrides as typed.
        folders: Folders of config files, ours and then the user's own.

    Raises:
        UserError: An unused key, a group without a choice, a value in place of a node.
    """
    top, config, chosen = top_file(app), dict(config), dict(chosen)
    own = list(_own_files(chosen, folders))
    _check_files(own, config)
    if not config.get(PRESETS):  # a file without settings
        config.pop(PRESETS, None)
    _refuse_unread(config, config, {*top.settings, *top.groups} - {PRESETS}, "", own)
    for group, by_default in top.groups.items():
        if group == PRESETS:
            continue
        choices, node, choice = choices_of(group, folders), config.get(group), chosen.get(group)
        shared = top.settings.get(group) or {}
        taken_away = any(word.partition("=")[0] == f"~{group}" for word in typed)
        off = node is None or taken_away or (group in chosen and choice is None)
        if off and by_default is not None:
            if "none" not in choices:
                raise UserError(f"{group} cannot be left out. Choose from: {', '.join(choices)}.")
            kept = {key: (node or {}).get(key, value) for key, value in shared.items()}
            node, chosen[group] = {**kept, **read_config(folders, group, "none")}, "none"
        elif choice is None and by_default is not None and group not in SEVERAL:
            raise UserError(f"{group} is given several choices, and takes one of: {', '.join(choices)}.")
        if group in SEVERAL:  # no single choice to name a run by
            chosen.pop(group, None)
        config[group] = node = _settings(group, {} if node is None else node, shared, choices)
        if not node and by_default == []:  # empty, as by default: as if the group were absent
            del config[group]
        if shared and "_target_" not in node and set(node) - set(shared):  # not checked by a signature
            files = () if off else (config_folder() / group).glob("*.yaml")
            ours = {key for path in files for key in read_config([config_folder()], group, path.stem)}
            _refuse_unread(node, config, {*shared, *ours} - {"defaults"}, group, own)
    return whole_settings(config, app), chosen


def whole_settings(config: Mapping[str, Any], app: str) -> dict[str, Any]:
    """The config with all settings outside of groups, and with null nodes as their values.

    Args:
        config: Composed, not resolved.
        app: Name of the top file.

    Raises:
        UserError: A removed setting, a value in place of a node, a setting that a node does not have.
    """
    top = top_file(app)
    given = {key: value for key, value in top.settings.items() if key not in top.groups}
    nodes = {key: value for key, value in given.items() if isinstance(value, dict) and value}
    config = _settings(
        "", {**config, **{key: OFF[key] for key in OFF.keys() & nodes if config.get(key) is None}}, given
    )
    for key, settings in nodes.items():
        config[key] = _settings(key, config[key], settings)
        for name in config[key]:
            if name not in settings:
                raise UserError(f"{key} has no setting '{name}'. {did_you_mean(str(name), list(settings))}")
    return config


def _settings(where: str, node: Any, known: Mapping[str, Any], choices: Sequence[str] = ()) -> dict[str, Any]:
    """A node with all its required settings; removed ones get their default where it is not a choice.

    Args:
        where: Its place in the config, empty for the whole.
        node: As composed.
        known: Its content in the top file.
        choices: Of a group.
    """
    if not isinstance(node, dict):
        its = ", ".join(choices or (f"{where}.{name}" for name in known))
        its = f"Choose from: {its}." if choices else f"Its settings are {its}."
        raise UserError(f"{where}={_shown(node)} takes the place of a whole node. {its}")
    node = dict(node)
    for name, by_default in known.items():
        key = f"{where}.{name}" if where else name
        if name not in node:
            if by_default:
                raise UserError(f"{key} is needed: leave out ~{key}.")
            node[name] = by_default
        elif by_default == [] and choices:  # of a group: the steps, in order
            node[name] = [] if node[name] is None else node[name]
            if not isinstance(node[name], list) and "${" not in str(node[name]):
                raise UserError(f"{key}={_shown(node[name])} must be a list of nodes, each with its _target_.")
    return node


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _own_files(
    chosen: Mapping[str, str | None], folders: Sequence[Path]
) -> Iterator[tuple[str, Path, dict[str, Any], str | None]]:
    """Group, path, content and package of each user's file that a choice or a defaults list names."""
    for group, choice in chosen.items():
        name = group.partition("@")[0]
        for folder in folders:
            path = folder / name / f"{choice}.yaml"
            if choice is None or not path.is_file():
                continue
            if folder != config_folder():
                content = read_config([folder], name, choice)
                lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
                package = PACKAGE.match(next(filter(None, lines), ""))
                yield group, path, content, package and package.group(1)
                bases = [entry for entry in content.get("defaults") or () if isinstance(entry, str)]
                yield from _own_files({f"{name}@{i}": base for i, base in enumerate(bases)}, folders)
            break


def _check_files(own: Sequence[tuple], config: Mapping[str, Any]) -> None:
    """Refuses files whose settings would be in an unused place."""
    for group, path, content, package in own:
        name, first = group.partition("@")[0], "its first line must be '# @package _global_'"
        if name == PRESETS and config.get(PRESETS) and package != "_global_":
            mark = " (it has a byte order mark before it)" if path.read_bytes().startswith(BOM_UTF8) else ""
            lost = f"Without it its settings are under '{name}', where they are not used."
            raise UserError(f"{path}: {first}{mark}. {lost}")
        nested = isinstance(content.get(name), dict) and "_target_" not in content and package != "_global_"
        if nested:
            raise UserError(f"{path} has its settings under '{name}:' once more: write them without it, or {first}.")
        if package not in (None, "_global_", "_group_", name) and group not in config:
            raise UserError(f"{path} begins with '# @package {package}': its settings are not under '{name}'.")


def _refuse_unread(
    node: Mapping[str, Any], config: Mapping[str, Any], known: set[str], where: str, own: Sequence[tuple]
) -> None:
    """Refuses a key that is neither known nor read by an interpolation."""
    for key in node:
        dotted = f"{where}.{key}" if where else str(key)
        if key in known or _is_read(dotted, config):
            continue
        origin = next((f" ({path})" for _, path, content, _ in own if key in content), "")
        if where:
            raise UserError(f"{where} has no setting '{key}'{origin}. {did_you_mean(str(key), sorted(known))}")
        others = dotted_keys({name: value for name, value in config.items() if name in known})
        raise UserError(f"There is no setting '{key}'{origin}. {nearest(str(key), sorted({*others, *known}))}")


def _is_read(key: str, config: Mapping[str, Any]) -> bool:
    """Whether an interpolation refers to the key or its children, absolutely or relatively."""
    texts = (value for _, value in flatten(config) if "${" in str(value))
    words = {word for text in texts for word in re.findall(r"[.\w]+", str(text))}
    beside = key.rpartition(".")[2]
    return any(f"{word}.".startswith(f"{key}.") or word.lstrip(".") == beside != word for word in words)
