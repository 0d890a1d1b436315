"""Published systems with the protocol each was tested by, read from published.yaml and from files of the user's.

A figure is put beside ours only where the protocol is the same: corpus, emotions, recordings, folds and speakers. What
is compared are facts of the runs (`Facts`), not the names of their settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ser.data.emotions import canonical, in_order
from ser.data.splits.published import bare_speaker
from ser.errors import UserError, did_you_mean
from ser.runs.reading import read_yaml

OURS = Path(__file__).with_name("published.yaml")
METRICS = {"uar": "UAR", "wa": "WA", "f1_macro": "macro F1"}
SHARED, APART = "shared", "apart"
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Facts:
    """By what protocol runs were tested, from their predictions and settings.

    Args:
        corpus: `ravdess`; of several `ravdess + tess`.
        emotions: The classes.
        recordings: Tested, in all folds together.
        folds: How many, or None for a single division.
        apart: Whether no test speaker is in training; None where speakers are unknown.
        speakers: The speakers that each fold tests, where they are apart.
        split: The choice of `split`.
        settings: By dotted key.
    """

    corpus: str
    emotions: tuple[str, ...]
    recordings: int
    folds: int | None
    apart: bool | None
    speakers: frozenset[frozenset[str]] | None
    split: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How systems are tested; the fields are described in published.yaml."""

    name: str
    about: str
    corpus: str
    emotions: list
    recordings: int
    speakers: list | str
    split: str = ""
    folds: int | None = None
    settings: dict = field(default_factory=dict)

    def check(self, where: str) -> None:
        """Raises a `UserError` where a value cannot be one."""
        known = isinstance(self.speakers, list) and all(isinstance(fold, list) and fold for fold in self.speakers)
        if not known and self.speakers not in (SHARED, APART):
            raise UserError(f"{where}: speakers is a list of folds, each a list of speakers, or {SHARED}, or {APART}.")
        if not known and not self.split:
            raise UserError(f"{where}: give split, the choice of `split` that divides like it, or list its speakers.")
        if len(self.emotions) < 2:
            raise UserError(f"{where}: emotions names at least two.")

    def mismatch(self, facts: Facts) -> str:
        """The first thing in which runs differ from it, in words about it; empty where there is none."""
        emotions, theirs = (in_order(map(canonical, map(str, names))) for names in (self.emotions, facts.emotions))
        if self.corpus != facts.corpus:
            return f"its corpus is {self.corpus}, not {facts.corpus}"
        if emotions != theirs:
            return f"it has {len(emotions)} emotions ({', '.join(emotions)}), not {', '.join(theirs)}"
        for key, value in self.settings.items():
            if key in facts.settings and facts.settings[key] != value:
                return f"it has {key}={value}, not {facts.settings[key]}"
        if facts.apart is not None and facts.apart != (self.speakers != SHARED):
            return f"its test speakers are {'not ' * facts.apart}apart from those in training"
        folds = len(self.speakers) if isinstance(self.speakers, list) else self.folds
        if folds != facts.folds:
            return f"it has {_folds(folds)}, not {_folds(facts.folds)}"
        if isinstance(self.speakers, list):
            if facts.speakers != {frozenset(bare_speaker(name, self.corpus) for name in it) for it in self.speakers}:
                return "its folds test other speakers"
        elif self.split != facts.split:
            return f"it divides as split={self.split} does, not as split={facts.split}"
        if self.recordings != facts.recordings:
            return f"it tests {self.recordings} recordings, not {facts.recordings}"
        return ""


@dataclass(frozen=True, slots=True)
class Published:
    """A published system.

    Args:
        system: Its name.
        source: Who published it, and where.
        corpus, protocol: Of a `Protocol`.
        pretrained: Whether it was trained on other recordings, first or beside.
        figures: `uar`, `wa` or `f1_macro` → percent.
        year: Of the publication; None where there is none.
        aside: Why the figure is never put beside others, or empty.
    """

    system: str
    source: str
    corpus: str
    protocol: str
    pretrained: bool
    figures: dict
    year: int | None = None
    aside: str = ""

    def check(self, where: str) -> None:
        """Raises a `UserError` where a value cannot be one."""
        for metric, value in self.figures.items():
            if metric not in METRICS:
                raise UserError(f"{where}: figures has '{metric}'. {did_you_mean(str(metric), list(METRICS))}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 1 < value <= 100:
                raise UserError(
                    f"{where}: figures are in percent, more than 1 and at most 100, and {metric} is {value}."
                )
        if not self.figures:
            raise UserError(f"{where}: figures is empty; give uar, wa or f1_macro.")

    @property
    def reference(self) -> str:
        """`EmoBox 2024`."""
        return self.source if self.year is None else f"{self.source} {self.year}"


@dataclass(frozen=True, slots=True)
class Library:
    """Protocols and systems."""

    protocols: tuple[Protocol, ...]
    systems: tuple[Published, ...]

    def protocol_of(self, system: Published) -> Protocol:
        """The protocol of a system."""
        return next(it for it in self.protocols if (it.corpus, it.name) == (system.corpus, system.protocol))


def read_published(files: Sequence[Path] = ()) -> Library:
    """What is published: ser's list, and the user's.

    Args:
        files: In the format of published.yaml. A system of a name and protocol that is known replaces it.

    Raises:
        UserError: A file cannot be read, or an entry is incomplete or wrong.
    """
    protocols: dict[tuple[str, str], Protocol] = {}
    systems: dict[tuple[str, str, str], Published] = {}
    for file in (OURS, *files):
        found = read_yaml(file)
        if not isinstance(found, dict) or not found or not found.keys() <= {"protocols", "systems"}:
            raise UserError(f"{file} holds two lists, `protocols` and `systems`, and nothing else.")
        for protocol in _entries(file, found, "protocols", Protocol):
            key = (protocol.corpus, protocol.name)
            if protocols.setdefault(key, protocol) != protocol:
                raise UserError(f"{file}: the protocol {protocol.name} of {protocol.corpus} is another one already.")
        for system in _entries(file, found, "systems", Published):
            if (system.corpus, system.protocol) not in protocols:
                names = sorted(name for corpus, name in protocols if corpus == system.corpus)
                hint = did_you_mean(system.protocol, names) if names else "Add it to `protocols`."
                raise UserError(f"{file}: {system.system} has no protocol {system.corpus}/{system.protocol}. {hint}")
            systems[(system.system, system.corpus, system.protocol)] = system
    return Library(tuple(protocols.values()), tuple(systems.values()))


def _entries(file: Path, found: Mapping[str, Any], name: str, kind: type[Entry]) -> list[Entry]:
    """The entries of one of the lists, checked by the annotations of their fields."""
    listed = found.get(name) or []
    if not isinstance(listed, list):
        raise UserError(f"{file}: {name} is not a list.")
    kinds = {it.name: it.type for it in fields(kind)}
    entries = []
    for number, values in enumerate(listed, start=1):
        where = f"{file}, {name}, entry {number}"
        if not isinstance(values, dict):
            raise UserError(f"{where} is not a mapping.")
        for key, value in values.items():
            if key not in kinds:
                raise UserError(f"{where}: it has '{key}'. {did_you_mean(str(key), list(kinds))}")
            if not isinstance(value, kinds[key]) or (isinstance(value, bool) and kinds[key] is not bool):
                raise UserError(f"{where}: {key} cannot be {value!r}.")
        try:
            entries.append(kind(**values))
        except TypeError:
            needed = [it.name for it in fields(kind) if it.default is MISSING and it.default_factory is MISSING]
            lacking = ", ".join(name for name in needed if name not in values)
            raise UserError(f"{where} lacks {lacking}.") from None
        entries[-1].check(where)
    return entries


def _folds(count: int | None) -> str:
    return "one division" if count is None else f"{count} folds"
