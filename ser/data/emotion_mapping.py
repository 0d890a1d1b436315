"""Which emotion of other recordings is which class of a run: by name, or as the user maps it, and never by a guess."""

from collections.abc import Mapping, Sequence

from ser.data.emotions import canonical, in_order
from ser.errors import UserError, did_you_mean


def map_emotions(
    present: Mapping[str, int], known: Sequence[str], chosen: Mapping[str, str | None] | None = None
) -> tuple[dict[str, str], list[str]]:
    """Emotions of the other recordings → emotions of the run, and remarks on what has no counterpart.

    Equal canonical names are one emotion. `chosen` takes precedence, and None leaves an emotion out.

    Args:
        present: Emotion of the other recordings → how many there are.
        known: Emotions of the run.
        chosen: The user's own words for either side.

    Raises:
        UserError: A word that one of the sides does not have, or fewer than two classes in common.

    >>> map_emotions({"happy": 4, "bored": 2, "sad": 1}, ["happy", "sad"])[0]
    {'happy': 'happy', 'sad': 'sad'}
    """
    chosen = _checked(chosen or {}, list(present), list(known))
    mapped = {emotion: chosen.get(emotion, emotion) for emotion in in_order(present)}
    found = {emotion: name for emotion, name in mapped.items() if name in known}
    if len(set(found.values())) < 2:
        raise UserError(_too_little(list(known), in_order(present), in_order(found.values())))
    return found, _remarks(present, known, found)


def _too_little(known: list[str], present: list[str], common: list[str]) -> str:
    unknown = [emotion for emotion in present if emotion not in known]
    hint = f" Map further emotions with map='{{{unknown[0]}: {known[0]}}}'." if unknown else ""
    return (
        f"The run and these recordings have {f'only {common[0]}' if common else 'no emotion'} in common, and there is "
        f"nothing to classify: the run has {', '.join(known)}; the recordings have {', '.join(present)}.{hint}"
    )


def _checked(chosen: Mapping[str, str | None], present: list[str], known: list[str]) -> dict[str, str | None]:
    """The user's map in canonical names."""
    checked = {}
    for old, new in chosen.items():
        emotion, name = canonical(old), None if new is None else canonical(new)
        if emotion not in present:
            raise UserError(f"map names '{old}', which these recordings do not have. {did_you_mean(emotion, present)}")
        if name is not None and name not in known:
            raise UserError(f"map sends '{old}' to '{new}', which is no class of the run. {did_you_mean(name, known)}")
        checked[emotion] = name
    return checked


def _remarks(present: Mapping[str, int], known: Sequence[str], found: Mapping[str, str]) -> list[str]:
    remarks = []
    if renamed := [f"{old} as {new}" for old, new in found.items() if old != new]:
        remarks.append(f"counted: {', '.join(renamed)}")
    if left := [f"{emotion} ({count})" for emotion, count in present.items() if emotion not in found]:
        remarks.append(f"left out, since the run has no such class or map says so: {', '.join(left)}")
    if lacking := [name for name in known if name not in found.values()]:
        remarks.append(f"no recording is {', '.join(lacking)}: predicting it is always wrong")
    return remarks
