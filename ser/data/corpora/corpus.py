"""The contract of a corpus: a folder of recordings that knows who speaks, and with which emotion.

A corpus is one class that lists its recordings. It reads names and folders only; decoding is the job of
`ser.data.audio`, choosing emotions and targets that of `ser.data.selection`.
"""

import importlib
import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar

from ser.data.corpora.audio_files import FILM_SUFFIXES, find_audio, how_to_convert
from ser.data.corpora.publication import Publication
from ser.data.duplicates import without_copies
from ser.data.emotions import one_form
from ser.data.targets import CLASSES
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean, readable, some
from ser.system.names import near


@dataclass(frozen=True, slots=True)
class Scan:
    """What a corpus found: its utterances, sorted by key, and remarks for the run's summary.

    Args:
        utterances: Each recording once.
        notes: Readable remarks, e.g. `1440 second copies skipped`.
        damaged: A second copy that cannot be used → the first one, and why.
    """

    utterances: tuple[Utterance, ...]
    notes: tuple[str, ...] = field(default=())
    damaged: dict[Path, tuple[Path, str]] = field(default_factory=dict)


class Corpus:
    """A folder of recordings. Subclasses set the data sheet and write `_read`.

    Args:
        root: Folder of the corpus: absolute, relative to the working folder, or starting with `~`.

    A subclass defines:
        name: Short name, the prefix of its speakers.
        layout: What the folder should look like, for the message about a missing root.
        source: Where to get it, and its size.
        licence: Of the recordings; a network that was trained on them inherits its terms.
        emotions: The corpus's own words or codes for emotions → canonical names.
        published: Its data sheet for `ser download`; None where it has to be got by hand.

    Raises:
        UserError: `root` is empty.
    """

    name: ClassVar[str]
    layout: ClassVar[str]
    source: ClassVar[str]
    licence: ClassVar[str] = "not known; ask those who made the recordings"
    emotions: ClassVar[dict[str, str]] = {}
    published: ClassVar[Publication | None] = None
    setting = "dataset.root"  # what messages call `root`

    def __init__(self, root: str):
        if not root:
            raise UserError(f"{self.setting} is empty: name the folder of the {self.name} corpus.")
        self.root = Path(root).expanduser().absolute()

    def read_numbers(self, names: Sequence[str]) -> None:
        """Asks for numbers of each recording, which `scan` then gives as `Utterance.numbers`.

        Args:
            names: `arousal`, `valence`, … in one form.

        Raises:
            UserError: The corpus knows no numbers.
        """
        name = names[0]
        raise UserError(
            f"dataset.target={name} does not exist. {did_you_mean(name, list(CLASSES))} Numbers such as arousal are "
            "columns of your own list (dataset=csv)."
        )

    @property
    def members(self) -> tuple["Corpus", ...]:
        """The corpora of which it consists, each with its own data sheet and licence."""
        return (self,)

    def scan(self) -> Scan:
        """Lists the recordings under `root`.

        Raises:
            UserError: `root` is missing or holds no recording of this corpus.
        """
        self._check_root()
        scan = self._read()
        if not scan.utterances:
            films = how_to_convert(map(str, find_audio(self.root, FILM_SUFFIXES)))
            remarks = "".join(f" {note}." for note in (*scan.notes, *filter(None, [films])))
            raise UserError(f"No {self.name} recordings under {self.root}.{remarks} {self._how_to_get()}")
        return with_one_spelling(scan)

    def _read(self) -> Scan:
        """The recordings under the existing `root`; what a subclass writes."""
        raise NotImplementedError

    def _check_root(self) -> None:
        if self.root.is_file():
            raise UserError(
                f"No {self.name} corpus: {self.root} is a file, not a folder. Unpack an archive first, then set "
                f"{self.setting}=<folder>."
            )
        if not self.root.is_dir():
            raise UserError(
                f"No {self.name} corpus: the folder {self.root} does not exist.{self._near_root()} {self._how_to_get()}"
            )

    def _near_root(self) -> str:
        """A hint where the parent folder exists, or the folder is spelt in another case."""
        parent = self.root.parent
        if parent.is_dir() and parent.name.lower() == self.root.name.lower():
            return f" Its parent does: if that is the corpus, set {self.setting}={parent}."
        if found := child_folder(parent, self.root.name):
            return f" But {found} does: set {self.setting}={found}."
        return ""

    def _how_to_get(self) -> str:
        command = f"`{self._download_command()}`, or by hand from " if self.published else ""
        return (
            f"Expected layout: {self.layout} Get it: {command}{self.source} Licence: {self.licence}. "
            f"Then set {self.setting}=<folder>, or SER_DATA to the folder that holds {self.name}/."
        )

    def _download_command(self) -> str:
        """The command that puts the corpus where it is looked for, if that folder has the corpus's name."""
        parent = self.root.parent if self.root.name.lower() == self.name else self.root
        return f"ser download {self.name} --root {shlex.quote(near(parent))}"

    def key_of(self, path: Path) -> str:
        """`path`, which lies under the root, relative to it, with forward slashes and as text."""
        return readable(path.as_posix()[len(self.root.as_posix().rstrip("/")) + 1 :])  # `relative_to` takes 6 times


class NamedCorpus(Corpus):
    """A published corpus whose recordings are known by their names, however its folders lie. Subclasses write `_facts`.

    Each recording is used once (`ser.data.duplicates`). A root that holds the corpus in a folder of the corpus's
    name, and no other recording of it, is taken to mean that folder.

    A subclass defines, beside what every corpus does:
        grammar: What a file's name without its ending has to match.
    """

    grammar: ClassVar[re.Pattern[str]]

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        """Fields of `Utterance` from a file's name, and its folders where they say something; or why it is skipped."""
        raise NotImplementedError

    def count(self) -> int:
        """How many recordings lie under `root`, which need not exist."""
        return len(self._read().utterances) if self.root.is_dir() else 0

    @classmethod
    def usual_place(cls, name: str) -> str:
        """Where a file lies below the usual root, if it is published by its name alone; keys begin there."""
        return name

    def _recording(self, utterance: Utterance) -> str:
        """The name that all copies of one recording share."""
        return utterance.path.stem.lower()

    def _read(self) -> Scan:
        scan = self._read_root()
        inner = child_folder(self.root, self.name)
        if inner and scan.utterances and all(u.key.startswith(f"{inner.name}/") for u in scan.utterances):
            self.root = inner  # else the keys, which name recordings in split files, would depend on this choice
            return self._read_root()
        return scan

    def _read_root(self) -> Scan:
        named, skipped = [], defaultdict(list)
        for path in find_audio(self.root):
            match = self.grammar.fullmatch(readable(path.stem))
            facts = self._facts(match, path) if match else f"the name does not follow the grammar of {self.name}"
            if isinstance(facts, str):
                skipped[facts].append(self.key_of(path))
            else:
                utterance = Utterance(path, self.key_of(path), corpus=self.name, **facts)
                named.append((self._recording(utterance), utterance))
        utterances, copies, damaged = without_copies(named)
        notes = [skipped_note(keys, reason) for reason, keys in skipped.items()]
        if copies:
            notes.append(f"{copies} second {'copies' if copies > 1 else 'copy'} skipped")
        return Scan(tuple(sorted(utterances, key=lambda utterance: utterance.key)), tuple(notes), damaged)


def named_corpora() -> dict[str, type[NamedCorpus]]:
    """Name → class of each published corpus."""
    found = {module.name: named_corpus(module.name) for module in iter_modules([str(Path(__file__).parent)])}
    return {name: corpus for name, corpus in sorted(found.items()) if corpus}


def named_corpus(name: str) -> type[NamedCorpus] | None:
    """The published corpus of this name, whose module is called like it and is the only one that is imported."""
    if not re.fullmatch("[a-z_]+", name) or not Path(__file__).with_name(f"{name}.py").is_file():
        return None
    found = vars(importlib.import_module(f"{__name__.rpartition('.')[0]}.{name}")).values()
    return next((c for c in found if isinstance(c, type) and NamedCorpus in c.__bases__ and c.name == name), None)


def with_one_spelling(scan: Scan) -> Scan:
    """A speaker whose name is written in several ways (`Ann`, `ann`; `1`, `01`) is one, under the first, and a remark.

    As two people one might be trained on and the other tested.
    """
    spelt: dict[str, dict[str, None]] = {}
    for speaker in filter(None, dict.fromkeys(utterance.speaker for utterance in scan.utterances)):
        spelt.setdefault(re.sub(r"(?<![0-9])0+(?=[0-9])", "", one_form(speaker)), {})[speaker] = None
    several = [[*names] for names in spelt.values() if len(names) > 1]
    if not several:
        return scan
    first = {name: names[0] for names in several for name in names}
    utterances = tuple(replace(u, speaker=first.get(u.speaker, u.speaker)) for u in scan.utterances)
    remark = f"speakers counted as one: {some([' and '.join(names) for names in several])}"
    return replace(scan, utterances=utterances, notes=(*scan.notes, remark))


def skipped_note(keys: list[str], reason: str) -> str:
    """A remark on files that are not used, naming the first three.

    >>> skipped_note(["a.wav", "b.wav"], "song")
    '2 audio files skipped (song): a.wav, b.wav'
    """
    named = ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
    return f"{len(keys)} audio file{'s' * (len(keys) > 1)} skipped ({reason}): {named}"


def child_folder(parent: Path, name: str) -> Path | None:
    """The folder `name` in `parent`, in any mixture of upper and lower case; the exact one first."""
    if (parent / name).is_dir():
        return parent / name
    try:
        alike = sorted(child for child in parent.iterdir() if child.name.lower() == name.lower() and child.is_dir())
    except OSError:  # no folder, or none that may be read
        return None
    return alike[0] if alike else None
