"""Building parts from config nodes: `_target_` and settings in, an object out, nothing else executed.

A node may name classes of the rooms of `ser` where parts live, of torch's `nn` and `optim` and of torchmetrics'
`classification`, and the functions of `ser.training.schedules`. No other function: a class only makes an object, while
a function that clears the store, named in an untrusted config, would do harm. Packages of the user's own are named by
`run.trust=[my_package]` on the command line, classes and functions alike. Without such a package each place takes parts
of its own kind only (`PLACES`): a layer in the place of a corpus could fill the memory before it is checked. Settings
are checked against the target's signature, which is the schema: a misspelt one is named with its nearest right one, a
value of another type or out of its range with what it may be (`ser.system.ranges`).
"""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ser.errors import UserError, did_you_mean
from ser.system.ranges import Range, check_value

ROOMS = ("augmentations", "data", "frontends", "models", "training.schedules")  # of `ser`: where parts live
METRICS = ("torchmetrics.classification", "torchmetrics.regression")
TRUSTED = (*(f"ser.{room}" for room in ROOMS), "torch.nn", "torch.optim", *METRICS)
FUNCTIONS = "ser.training.schedules"  # the one module of ours whose functions a config may call
PLACES = {  # first part of a node's place → packages of its parts, ours and others'; a model's sizes are checked first
    "audio": ("ser.data.audio.prepare",),
    "augmentation": ("ser.augmentations",),
    "dataset": ("ser.data",),
    "frontend": ("ser.frontends",),
    "metrics": METRICS,
    "optimizer": ("torch.optim",),
    "scheduler": ("ser.training.schedules", "torch.optim"),
    "split": ("ser.data.splits",),
}


def build(node: dict[str, Any], where: str, trust: Sequence[str] = (), kind: type | None = None, **given: Any) -> Any:
    """Calls what `node["_target_"]` names with the node's settings; nested nodes are built first.

    Args:
        node: A plain dict with `_target_` (full dotted name) and settings.
        where: The node's place in the config, for messages: `model`.
        trust: Packages allowed beside `TRUSTED`.
        kind: The base class of parts of ours in this place.
        given: Arguments added at composition, which the node must not name.

    Raises:
        UserError: An unknown or untrusted target, one of another place, a misspelt or missing setting.
    """
    target = resolve(node, where, trust)
    if not trust:
        check_place(target, node["_target_"], where, kind)
    settings = {key: _build_nested(value, f"{where}.{key}", trust) for key, value in node.items() if key != "_target_"}
    check_settings(target, settings, where, given)
    try:
        return target(**settings, **given)
    except TypeError as error:  # a list where a number belongs, and the like
        raise UserError(
            f"{where}: {error} (settings: {', '.join(f'{k}={v}' for k, v in settings.items())})."
        ) from error


def resolve(node: dict[str, Any], where: str, trust: Sequence[str] = ()) -> Callable:
    """The class or function of a node's `_target_`, if it may be called.

    Args:
        node: A plain dict with `_target_`.
        where: The node's place in the config.
        trust: Packages allowed beside our own.

    Raises:
        UserError: No such name, one outside the trusted packages, or a function that configs may not call.
    """
    trust = [trust] if isinstance(trust, str) else list(trust or ())  # run.trust=my_package, without brackets
    if not isinstance(node, dict) or not isinstance(node.get("_target_"), str):
        raise UserError(f"The config node '{where}' names no _target_, the class to build.")
    dotted = node["_target_"]
    allowed = (*TRUSTED, *trust)
    if not _within(dotted, allowed):
        package = dotted.split(".")[0]
        raise UserError(
            f"{where}._target_={dotted} lies outside the trusted packages ({', '.join(allowed)}). "
            f"If the package is yours, add run.trust=[{package}] on the command line (of ser evaluate and ser explore: "
            f"trust=[{package}], of ser predict: --trust={package})."
        )
    found = _locate(dotted, where)
    home = str(getattr(found, "__module__", ""))  # a trusted module also holds what it imported: `pathlib.Path`
    if isinstance(found, type) and _within(home, allowed):
        return found
    if inspect.isfunction(found) and (home == FUNCTIONS or _within(home, trust)):
        return found
    raise UserError(f"{where}._target_={dotted} is not a class of {', '.join(allowed)}, nor a function of {FUNCTIONS}.")


def check_place(target: Callable, dotted: str, where: str, kind: type | None = None) -> None:
    """Refuses a part of another place.

    Args:
        target: The named part.
        dotted: Its name in the config.
        where: The node's place in the config.
        kind: The base class of the place's parts.

    Raises:
        UserError: It is not a part of this place.
    """
    place = where.split(".")[0]
    if not _within(target.__module__, PLACES.get(place, TRUSTED)):
        raise UserError(f"{where} names {dotted}, which is no part of {'an' if place[0] in 'aeiou' else 'a'} {place}.")
    if kind is not None and isinstance(target, type) and not issubclass(target, kind):
        raise UserError(f"{where} names {dotted}, which is no {kind.__name__}: choose one (`ser show {place}`).")


def _within(dotted: str, packages: Sequence[str]) -> bool:
    """Whether a dotted name is one of the packages or lies in one.

    >>> _within("ser.data.audio.prepare.load", ["ser"]), _within("service.load", ["ser"])
    (True, False)
    """
    return any(f"{dotted}.".startswith(f"{package}.") for package in packages)


def _locate(dotted: str, where: str) -> Any:
    module_name, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{where}._target_={dotted} cannot be found: {error}.") from error


def check_settings(
    target: Callable, settings: Mapping[str, Any], where: str, given: Mapping[str, Any] | None = None,
    ranges: Mapping[str, Range] | None = None,
) -> None:  # fmt: skip
    """Compares settings with the signature of `target`: their names, types and ranges.

    Args:
        target: The class or function.
        settings: By name.
        where: The node's place in the config, for messages.
        given: Arguments added at composition.
        ranges: Of numbers, where another library's signature has none.

    Raises:
        UserError: A setting it does not have (with the nearest one that it has), a missing one, or an invalid value.
    """
    given = given or {}
    parameters = parameters_of(target)
    known = [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    open_ended = len(known) < len(parameters)
    free = [name for name in known if name not in given and name not in ("self", "params")]
    for key in settings:
        if not isinstance(key, str):
            raise UserError(f"{where} has the setting {key!r}, which is not a name.")
        if key in given or (key not in known and not open_ended):
            raise UserError(f"{where} has no setting '{key}'. {did_you_mean(key, free)}")
    missing = [
        name for name in free if parameters[name].default is inspect.Parameter.empty
        and parameters[name].kind is not inspect.Parameter.VAR_POSITIONAL and name not in settings
    ]  # fmt: skip
    if missing:
        raise UserError(f"{where} needs a value for {' and '.join(f'{where}.{name}' for name in missing)}.")
    for key, value in settings.items():
        if key in known and (kind := parameters[key].annotation) is not inspect.Parameter.empty:
            check_value(value, kind, f"{where}.{key}", (ranges or {}).get(key))


def parameters_of(target: Callable) -> Mapping[str, inspect.Parameter]:
    """The parameters of a signature, their annotations evaluated where they can be."""
    try:
        return inspect.signature(target, eval_str=True).parameters
    except (NameError, AttributeError, TypeError, SyntaxError):  # a name for type checkers only
        return inspect.signature(target).parameters


def _build_nested(value: Any, where: str, trust: Sequence[str]) -> Any:
    if isinstance(value, dict):
        if "_target_" in value:
            return build(value, where, trust)
        return {key: _build_nested(item, f"{where}.{key}", trust) for key, item in value.items()}
    if isinstance(value, list):
        return [_build_nested(item, f"{where}.{i}", trust) for i, item in enumerate(value)]
    return value
