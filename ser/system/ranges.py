"""The types and ranges of settings, read from annotations:

    n_mels: Annotated[int, Range(1)] = 64

so that signatures are the only schema, of users' own parts too: no annotation, no check.
"""

import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ser.errors import UserError, did_you_mean

LISTS = (list, tuple, Sequence, Iterable)
MAPPINGS = (dict, Mapping)
PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
OBJECTS = ("ser", "torch", "pytorch_lightning", "lightning_fabric")  # packages whose classes cannot be plain values


class OutOfRange(UserError):
    """A setting has a wrong type or is out of range."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a setting may be; NaN and infinity never.

    Args:
        low, high: The ends, or None.
        open: Which ends are excluded: `low`, `high` or `both`.

    >>> str(Range(1)), str(Range(0, open="low")), str(Range(1, 8)), str(Range(0, 1, "high"))
    ('from 1', 'above 0', 'from 1 to 8', 'in [0, 1)')
    """

    low: float | None = None
    high: float | None = None
    open: str = ""

    def __contains__(self, number: float) -> bool:
        above = self.low is None or number > self.low or (number == self.low and self.open not in ("low", "both"))
        below = self.high is None or number < self.high or (number == self.high and self.open not in ("high", "both"))
        return abs(number) <= sys.float_info.max and above and below  # false for NaN and infinity

    def __str__(self) -> str:
        low, high = (
            f"{end:g}" if isinstance(end, float) or (end or 0) > 10**12 else str(end) for end in (self.low, self.high)
        )
        if self.high is None:
            return "" if self.low is None else f"above {low}" if self.open else f"from {low}"
        if not self.open:
            return f"from {low} to {high}"
        return f"in {'[' if self.open == 'high' else '('}{low}, {high}{']' if self.open == 'low' else ')'}"


Count = Annotated[int, Range(1)]
Size = Annotated[int, Range(1, 2**16)]  # of a layer, a filter, a transform
Bands = Annotated[int, Range(1, 4096)]  # of a filterbank
Index = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 10**19)]
SampleRate = Annotated[int, Range(1000, 10**6)]  # Hz
Positive = Annotated[float, Range(0, open="low")]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Rate = Annotated[float, Range(0, 1, "high")]  # of dropout, and the like
Drawn = float | tuple[float, float]  # one number, or [smallest, largest], drawn evenly for each clip


def check_value(value: Any, kind: Any, where: str, within: Range | None = None) -> None:
    """Compares a setting with its annotation.

    Args:
        value: Plain data, or a part that was built already.
        kind: The annotation.
        where: The setting as it is typed.
        within: Range of its numbers, where the annotation has none.

    Raises:
        UserError: Another type, or out of range; of a list the element is named.
    """
    kind, within = _bare(kind, within)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        _check_any(value, kind, where, within)
    elif not _has_shape(value, kind, within):
        raise OutOfRange(_refusal(value, kind, where, within))
    elif origin in LISTS and args:
        kinds = args if origin is tuple and args[-1] is not ... else args[:1] * len(value)
        for i, (element, its_kind) in enumerate(zip(value, kinds, strict=True)):
            check_value(element, its_kind, f"{where}.{i}", within)
    elif origin in MAPPINGS:
        for key, element in value.items():
            check_value(element, args[1], f"{where}.{key}", within)


def in_words(kind: Any, within: Range | None = None) -> str:
    """An annotation in words, for messages and help pages; empty for unknown types.

    >>> in_words(Count | None), in_words(Sequence[Share]), in_words(Annotated[Drawn, Range(-50, 100)])
    ('a whole number from 1 or null', 'a list, each a number from 0 to 1', 'a number from -50 to 100, or [smallest, \
largest]')
    """
    kind, within = _bare(kind, within)
    origin, args = get_origin(kind), get_args(kind)
    if kind == Drawn:
        return f"{in_words(float, within)}, or [smallest, largest]"
    if origin in (Union, types.UnionType):
        return _joined(filter(None, (in_words(member, within) for member in args if not _is_object(member))))
    if origin is Literal:
        return _joined(map(shown, args))
    if origin in LISTS:
        of_two = f" of {len(args)}" if origin is tuple and args[-1] is not ... else ""
        return f"a list{of_two}" + (f", each {each}" if args and (each := in_words(args[0], within)) else "")
    if origin in MAPPINGS or kind in MAPPINGS:
        return "a mapping" + (f", each value {each}" if args and (each := in_words(args[1], within)) else "")
    if kind in (int, float) and within is not None:
        return f"{PLAIN[kind]} {within}".strip()
    return (
        PLAIN.get(kind, "") if isinstance(kind, type) and kind in PLAIN else "a part with a _target_" * _is_object(kind)
    )


def _bare(kind: Any, within: Range | None) -> tuple[Any, Range | None]:
    """The type without `Annotated`, and its range."""
    kind = type(None) if kind is None else kind
    while get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        within = next((note for note in more if isinstance(note, Range)), within)
    return kind, within


def _check_any(value: Any, kind: Any, where: str, within: Range | None) -> None:
    """One of several types has to fit; the error for a list or a mapping is that of the one member of such a type."""
    members, errors = get_args(kind), []
    for member in members:
        try:
            check_value(value, member, where, within)
            if kind == Drawn and isinstance(value, Sequence) and value[0] > value[1]:
                break
            return
        except UserError as error:
            if isinstance(value, (list, tuple, dict)) and _has_shape(value, *_bare(member, within)):
                errors.append(error)
    raise errors[0] if errors else OutOfRange(_refusal(value, kind, where, within))


def _refusal(value: Any, kind: Any, where: str, within: Range | None) -> str:
    """One sentence; a lone number or word where a list belongs is the commonest mistake on the command line."""
    lists = [one for one in (kind, *get_args(kind)) if get_origin(one) in LISTS and get_origin(one) is not tuple]
    alone = lists and isinstance(value, (int, float, str)) and _has_shape([value], *_bare(lists[0], within))
    words = [str(word) for one in (kind, *get_args(kind)) if get_origin(one) is Literal for word in get_args(one)]
    near = did_you_mean(str(value), words) if words else ""
    return (
        f"{where}={shown(value)} must be {in_words(kind, within)}{f': write {where}=[{value}]' if alone else ''}."
        f"{f' {near}' if near.startswith('Did') else ''}"
    )


def _has_shape(value: Any, kind: Any, within: Range | None) -> bool:
    """Whether a value is of a type and in range, without its elements."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in args)
    if origin in LISTS:
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        return listed and (origin is not tuple or args[-1] is ... or len(args) == len(value))
    if origin in MAPPINGS or kind in MAPPINGS:
        return isinstance(value, Mapping)
    if kind in (int, float):
        number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        return number and value in (within or Range())
    if isinstance(kind, type) and (kind in PLAIN or _is_object(kind)):
        return isinstance(value, kind)
    return True


def _joined(words: Iterable[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last


def _is_object(kind: Any) -> bool:
    return isinstance(kind, type) and kind.__module__.split(".")[0] in OBJECTS


def shown(value: Any) -> str:
    """A value as it is typed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = f"[{', '.join(map(shown, value))}]" if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
