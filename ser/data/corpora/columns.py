"""Which column of a list of recordings holds which field, and which word means which part: one rule for all readers."""

from collections.abc import Iterable, Mapping, Sequence

from ser.data.corpora.table import NAMES, USUAL, Row, check_text
from ser.data.emotions import one_form
from ser.errors import UserError, did_you_mean

PART_NAMES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "devel", "development"),
    "test": ("test", "testing", "tst", "heldout"),
}
_EITHER = ("eval", "evaluation")  # of val and test the one that has no other name in the list
_PART_OF = {name: part for part, names in PART_NAMES.items() for name in names}


def place_columns(
    file: object, found: Sequence[str], rows: Sequence[Row], required: Sequence[str], optional: Sequence[str],
    named: Mapping[str, str] | None, setting: str,
) -> tuple[dict[str, str], list[str]]:  # fmt: skip
    """The column of each field, and remarks on ambiguous and on unused columns.

    Args:
        file: For messages.
        found: The columns in one form.
        rows: Their cells: a column for the part holds words for parts.
        required: Fields that must have a column: `path`, `emotion`, …
        optional: Fields that may have one.
        named: Field → column, where the user says it.
        setting: What that is called: `dataset.columns`.

    Raises:
        UserError: A required field has no column, `named` names a field or a column that there is not, or a cell
            beside the path is not text.
    """
    place = _named(file, found, (*required, *optional), named, setting)
    notes, rivals = [], []
    for field in (*required, *optional):
        usual = _usual(field)
        alike = [column for column in found if _bare(column) in usual and column not in place.values()]
        if field == "split":
            alike = [c for c in alike if _holds_parts(rows, c)] or [c for c in alike if c == "split" or c in required]
        if field in place or not alike:
            continue
        place[field], *others = sorted(alike, key=lambda column: (column != field, usual.index(_bare(column))))
        if others:
            rivals += others
            note = f"column {place[field]} taken for {_what(field)}, not {' or '.join(others)}"
            notes.append(f"{note} ({setting}={{{field}: {others[0]}}} would)")
    for field in required:
        if field not in place:
            raise UserError(
                f"{file} has no column for {_what(field)}: call it {' or '.join(_usual(field)[:3])}, or name yours "
                f"with {setting}={{{field}: …}}. Columns found: {_listed(found)}."
            )
    for number, row in rows:
        check_text(file, number, (cell for column, cell in row.items() if column != place.get("path")))
    unused = [column for column in found if column and column not in (*place.values(), *rivals)]
    return place, notes + ([f"columns not used: {', '.join(unused)}"] if unused else [])


def first_named(facts: Mapping[str, object], field: str, default: object) -> object:
    """The value of a field in a JSON object, by the first of its usual names.

    >>> first_named({"key": "x", "Wav": "a.wav"}, "path", "")
    'a.wav'
    """
    usual = _usual(field)
    places = {_bare(one_form(name)): name for name in reversed(facts)}
    return next((facts[places[name]] for name in usual if name in places), default)


def part_names(words: Iterable[str]) -> dict[str, str]:
    """Each word that means a part → `train`, `val` or `test`; the other words of a list are left out.

    >>> part_names(["Train", "dev", "eval", "1"])
    {'Train': 'train', 'dev': 'val', 'eval': 'test'}
    """
    forms = {word: _bare(one_form(word)) for word in words}
    parts = {word: _PART_OF[form] for word, form in forms.items() if form in _PART_OF}
    free = [part for part in ("test", "val") if part not in parts.values()]
    return parts | {word: free[0] for word, form in forms.items() if form in _EITHER and free}


def _named(
    file: object, found: Sequence[str], fields: Sequence[str], named: Mapping[str, str] | None, setting: str
) -> dict[str, str]:
    """The columns that the user names, in one form."""
    if not isinstance(named or {}, Mapping):
        raise UserError(f"{setting}={named} does not name the field of this column: write {setting}={{path: {named}}}.")
    place = {}
    for field, column in (named or {}).items():
        if field not in fields:
            raise UserError(f"{setting} names the unknown field '{field}'. {did_you_mean(str(field), list(fields))}")
        if (place_of := one_form(column)) not in found:
            raise UserError(
                f"{setting}={{{field}: {column}}}: {file} has no such column. Columns found: {_listed(found)}."
            )
        place[field] = place_of
    return place


def _usual(field: str) -> list[str]:
    return USUAL.get(field, _bare(field)).split()


def _bare(name: str) -> str:
    return name.replace("_", "")


def _holds_parts(rows: Sequence[Row], column: str) -> bool:
    words = {row[column] for _, row in rows} - {""}
    return words == set(part_names(words))


def _what(field: str) -> str:
    return {"path": "the recording", "split": "the part"}.get(field, f"the {field}")


def _listed(columns: Sequence[str]) -> str:
    """The columns for a message. The config of an untrusted run may name any file of the user's as a list: where the
    first row is no header of one, only the words that such headers have are shown.

    >>> _listed(["path", "label", "age"]), _listed(["path", "hunter"]), _listed(["root:x:0:0:root:/root:/bin/sh"])
    ('path, label, age', 'path', 'none that a list has')
    """
    usual = [column for column in columns if _bare(column) in NAMES]
    shown = [column for column in columns if column] if len(usual) > 1 else usual
    return ", ".join(shown) or ("none that a list has" if any(columns) else "none")
