"""What a run predicts, as `dataset.target` says it: one of several classes, or numbers such as arousal and valence."""

from collections.abc import Mapping
from typing import Any

from ser.data.emotions import one_form
from ser.errors import UserError

CLASSES = ("emotion", "gender", "gender_emotion", "intensity")


def numbers_of(target: Any) -> tuple[str, ...]:
    """The names of the numbers that a target asks for, in one form; none where it is a class.

    Args:
        target: One of `CLASSES`; else the name of a number, or a list of them.

    Raises:
        UserError: No name, one twice, or a class in a list.

    >>> numbers_of("emotion"), numbers_of("Arousal"), numbers_of(["arousal", "valence"])
    ((), ('arousal',), ('arousal', 'valence'))
    """
    if isinstance(target, str) and target in CLASSES:
        return ()
    names = target if isinstance(target, list | tuple) else [target]
    if not names or not all(isinstance(name, str) and one_form(name) for name in names):
        raise UserError(
            f"dataset.target={shown_target(target)} names nothing to predict: choose from {', '.join(CLASSES)}, or "
            "name a column of numbers, or several: [arousal,valence]."
        )
    found = tuple(map(one_form, names))
    if mixed := [name for name in found if name in CLASSES]:
        raise UserError(
            f"dataset.target={shown_target(target)}: {mixed[0]} is a class, and a list is of numbers: leave it out."
        )
    if len(set(found)) < len(found):
        raise UserError(f"dataset.target={shown_target(target)} names a number twice.")
    return found


def predicts_numbers(config: Mapping[str, Any]) -> bool:
    """Whether the run of a config predicts numbers; an older one, or one that is damaged, recognises classes."""
    node = config.get("dataset")
    try:
        return bool(numbers_of(node.get("target", "emotion"))) if isinstance(node, Mapping) else False
    except UserError:
        return False


def shown_target(target: Any) -> str:
    """A target as it is typed.

    >>> shown_target(["arousal", "valence"])
    '[arousal,valence]'
    """
    return f"[{','.join(map(str, target))}]" if isinstance(target, list | tuple) else str(target)
