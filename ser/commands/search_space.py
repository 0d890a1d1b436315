"""The search space of `ser tune`, from overrides in Hydra's sweep grammar."""

from collections.abc import Iterable

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from ser.commands.show import config_groups
from ser.errors import UserError, did_you_mean
from ser.sweeps.search.space import Parameter

TAGS = ("log", "int", "float")


def parameter(override: Override) -> Parameter:
    """The search parameter of one override.

    Args:
        override: With several values.

    Raises:
        UserError: A reversed interval, the logarithm of 0, an unknown tag.
    """
    key = override.input_line.partition("=")[0]
    sweep, group = override.value(), override.key_or_group in config_groups()
    tags = set(getattr(sweep, "tags", ()))
    for tag in sorted(tags - set(TAGS)):
        raise UserError(f"{override.input_line}: there is no tag '{tag}'. {did_you_mean(tag, list(TAGS))}")
    if isinstance(sweep, IntervalSweep):
        return _interval(key, sweep, tags)
    if isinstance(sweep, RangeSweep):
        return _range(key, sweep, tags)
    if tags:
        raise UserError(f"{override.input_line}: tags are for intervals and ranges, not for choices.")
    sweep.shuffle = False  # the order of choices is irrelevant, and equal calls must be the same search
    return _choice(key, override.sweep_string_iterator(), group)


def _choice(key: str, values: Iterable[str], group: bool) -> Parameter:
    choices = tuple(dict.fromkeys(values))
    if not choices:
        raise UserError(f"{key} has no value to choose.")
    return Parameter(key, "choice", choices, group=group)


def _interval(key: str, sweep: IntervalSweep, tags: set[str]) -> Parameter:
    low, high = sweep.start, sweep.end
    # int(interval(1,4)) has whole ends; plain interval(1,4) has 1.0 and 4.0
    whole = "int" in tags or isinstance(low, int) and isinstance(high, int)
    typed = f"interval({low:g},{high:g})"
    if not low < high:
        raise UserError(f"{key}={typed} is reversed or empty: the first end must be below the second.")
    if "log" in tags and low <= 0:
        raise UserError(f"{key}=tag(log,{typed}): there is no logarithm of {low:g}; begin above 0, e.g. at 1e-6.")
    if whole and (low != int(low) or high != int(high)):
        raise UserError(f"{key}={typed} is tagged int, and its ends are not whole numbers.")
    kind, number = ("int", int) if whole else ("float", float)
    return Parameter(key, kind, low=number(low), high=number(high), log="log" in tags)


def _range(key: str, sweep: RangeSweep, tags: set[str]) -> Parameter:
    typed = f"range({sweep.start:g},{sweep.stop:g},{sweep.step:g})"
    if sweep.step == 0:
        raise UserError(f"{key}={typed} never ends: its step is 0.")
    values = sorted(sweep.range())
    if not values:
        raise UserError(f"{key}={typed} holds no value: the end of a range is excluded.")
    if "log" in tags:
        raise UserError(f"{key}={typed} has equal steps, which no logarithm has: use tag(log,interval(…)).")
    kind = "int" if all(isinstance(value, int) for value in values) or "int" in tags else "float"
    return Parameter(key, kind, low=values[0], high=values[-1], step=abs(sweep.step))
