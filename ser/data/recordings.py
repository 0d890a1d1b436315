"""A run's data: the chosen utterances, their labels, and what identifies them."""

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ser.data.audio.prepare import AudioSettings
from ser.data.corpora.corpus import Corpus
from ser.data.selection import Selected, Selection, rare_misspellings
from ser.data.splits.base import Splitter
from ser.data.store.hashes import try_hashes
from ser.data.store.waveforms import Waveforms, open_store
from ser.data.utterance import Utterance
from ser.errors import UserError, readable, some

log = logging.getLogger("ser")

IDENTIFYING = ("key", "emotion", "speaker", "gender", "intensity", "statement", "word", "part")
MANY = 20  # lines that a terminal shows at once


@dataclass(frozen=True, slots=True)
class Recordings:
    """The utterances of a run, before anything is decoded.

    Args:
        corpus: Short name.
        paths, hashes: Every recording of the corpus that can be read and its content hash: what the store is keyed by.
        chosen: Indices into them: the recordings that the run uses.
        utterances, labels: Of the chosen; of a class its index, of numbers all of them.
        classes: Names of the labels, or of the numbers.
        on_bad_file: `stop` or `skip`.
        notes: Remarks for the run's summary.
        unreadable: What cannot be opened, and damaged second copies: files that the run would use, and why it cannot.
        are_numbers: Whether labels are numbers to predict, and not classes to recognise.
    """

    corpus: str
    paths: tuple[Path, ...]
    hashes: tuple[str, ...]
    chosen: tuple[int, ...]
    utterances: tuple[Utterance, ...]
    labels: tuple[int, ...] | tuple[tuple[float, ...], ...]
    classes: tuple[str, ...]
    on_bad_file: str
    notes: tuple[str, ...]
    unreadable: dict[Path, str] = field(default_factory=dict)
    are_numbers: bool = False

    def in_words(self, label: int | Sequence[float]) -> str:
        """A label as text: the name of its class, or its numbers with all digits."""
        return " ".join(map(repr, label)) if self.are_numbers else self.classes[label]

    def fingerprint(self) -> str:
        """A hash of the run's data: of each utterance its content, key, label and the fields that a split may use."""
        labels = self.labels if self.are_numbers else [self.classes[label] for label in self.labels]
        facts = [
            [self.hashes[i], label, *(getattr(u, name) for name in IDENTIFYING)]
            for i, u, label in zip(self.chosen, self.utterances, labels, strict=True)
        ]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def find_recordings(corpus: Corpus, selection: Selection, cache: Path, splitter: Splitter | None = None) -> Recordings:
    """Scans a corpus and chooses from it; reads each new or changed file once, for its hash.

    Args:
        corpus: Where the recordings are.
        selection: Which of them are used, and what they are called.
        cache: The folder of hashes.
        splitter: May leave some of them out (`Splitter.usable`).

    Raises:
        UserError: From the corpus, the selection or the splitter.
    """
    if selection.numbers:
        corpus.read_numbers(selection.numbers)
    scan = corpus.scan()
    selected, remarks = selection.apply(scan.utterances), ()
    if splitter is not None:
        selected, remarks = _usable(selected, splitter, selection)
    hashes, unreadable = try_hashes([utterance.path for utterance in scan.utterances], cache)
    position = {path: i for i, path in enumerate(u.path for u in scan.utterances if u.path in hashes)}
    label_of = {name: i for i, name in enumerate(selected.classes)}
    chosen = {utterance.path for utterance in selected.utterances}
    kept = [k for k, utterance in enumerate(selected.utterances) if utterance.path in position]
    doubts = []
    if not selection.numbers:
        doubts = [*_not_in_all(selected, selection), *rare_misspellings(selected.labels, selection.target)]
    copies = {copy: why for copy, (first, why) in scan.damaged.items() if first in chosen}
    return Recordings(
        corpus=corpus.name,
        paths=tuple(position),
        hashes=tuple(hashes[path] for path in position),
        chosen=tuple(position[selected.utterances[k].path] for k in kept),
        utterances=tuple(selected.utterances[k] for k in kept),
        labels=tuple(selected.labels[k] if selection.numbers else label_of[selected.labels[k]] for k in kept),
        classes=tuple(selected.classes),
        on_bad_file=selection.on_bad_file,
        notes=(*scan.notes, *remarks, *doubts),
        unreadable={path: why for path, why in unreadable.items() if path in chosen} | copies,
        are_numbers=bool(selection.numbers),
    )


def _usable(selected: Selected, splitter: Splitter, selection: Selection) -> tuple[Selected, Sequence[str]]:
    """The recordings that the split uses, and remarks; losing a class that the user asked for is an error."""
    kept, remarks = splitter.usable(selected.utterances, selected.labels)
    utterances, labels = (tuple(column[i] for i in kept) for column in (selected.utterances, selected.labels))
    if selection.numbers:
        return Selected(utterances, labels, selected.classes), remarks
    left = set(labels)
    classes = tuple(name for name in selected.classes if name in left)
    lost = ", ".join(name for name in selected.classes if name not in left)
    if lost and selection.emotions is not None:
        raise UserError(
            f"dataset.emotions asks for {lost}, and the split does not use it ({'; '.join(remarks)}). Leave it out "
            "of dataset.emotions, or take another split."
        )
    if len(classes) < 2:
        raise UserError(f"The split leaves one class only, {', '.join(classes)} ({'; '.join(remarks)}).")
    return Selected(utterances, labels, classes), remarks


def _not_in_all(selected: Selected, selection: Selection) -> list[str]:
    """A remark on classes that not every corpus of several has, since they give away the corpus."""
    corpora = sorted({utterance.corpus for utterance in selected.utterances})
    owners: dict[str, set[str]] = {name: set() for name in selected.classes}
    for utterance, label in zip(selected.utterances, selected.labels, strict=True):
        owners[label].add(utterance.corpus)
    rare = [f"{name} ({', '.join(sorted(of))})" for name, of in owners.items() if len(of) < len(corpora)]
    what = "emotions" if selection.target == "emotion" else f"classes of {selection.target}"
    return [f"{what} that not every corpus has: {', '.join(rare)}"] if rare else []


@dataclass(frozen=True, slots=True)
class Decoded:
    """Usable utterances with their waveforms: utterance i is waveform `rows[i]` of the store."""

    utterances: tuple[Utterance, ...]
    labels: np.ndarray
    rows: np.ndarray
    waveforms: Waveforms
    notes: tuple[str, ...]


def decode_recordings(recordings: Recordings, audio: AudioSettings, cache: Path, progress=iter) -> Decoded:
    """Opens or fills the store and leaves out, or refuses, the files that cannot be used.

    Raises:
        UserError: Bad files with `on_bad_file=stop` (all are named), no usable file, or the store cannot be written.
    """
    waveforms = open_store(recordings.paths, recordings.hashes, audio, cache, recordings.corpus, progress)
    chosen = set(recordings.chosen)
    undecoded = {recordings.paths[i]: reason for i, reason in waveforms.bad.items() if i in chosen}
    bad = recordings.unreadable | undecoded
    notes = list(recordings.notes)
    if bad:
        if recordings.on_bad_file == "stop":
            raise UserError(_bad_files(bad))
        notes.append(left_out(bad))
        for path, reason in bad.items():
            log.info("left out: %s: %s", readable(path), reason)
    kept = [k for k, i in enumerate(recordings.chosen) if i not in waveforms.bad]
    rows = np.asarray(recordings.chosen)[kept]
    labels = np.asarray(recordings.labels)[kept]
    gone = set() if recordings.are_numbers else set(range(len(recordings.classes))) - set(labels.tolist())
    if gone:
        names = ", ".join(recordings.classes[label] for label in sorted(gone))
        raise UserError(f"After leaving out {len(bad)} bad files no recording is left of: {names}.")
    utterances = tuple(
        replace(recordings.utterances[k], content=waveforms.contents[row], original=waveforms.originals[row])
        for k, row in zip(kept, rows, strict=True)
    )
    return Decoded(utterances, labels, rows, waveforms, tuple(notes))


def left_out(bad: dict[Path, str]) -> str:
    """'2 bad files left out: 1 empty file, 1 silent (a.wav, b.wav)': a remark on files that cannot be used.

    Args:
        bad: The files, and why; at least one.
    """
    above = len(os.path.dirname(os.path.commonprefix([str(path.parent) for path in bad])))
    names = some([readable(str(path)[above:].lstrip("/\\")) for path in bad])
    return f"{len(bad)} bad file{'s' * (len(bad) > 1)} left out: {_reasons(bad)} ({names})"


def _bad_files(bad: dict[Path, str]) -> str:
    lines = [f"  {path}: {reason}" for path, reason in bad.items()]
    count = f"{len(bad)} recording{'s' * (len(bad) > 1)} cannot be used"
    remedy = "fix or remove them, or leave them out with dataset.on_bad_file=skip"
    if len(bad) > MANY:  # the first line has scrolled away
        lines.append(f"{count} ({_reasons(bad)}); {remedy}.")
    return "\n".join([f"{count}; {remedy}:", *lines])


def _reasons(bad: dict[Path, str]) -> str:
    """'3 empty file, 1 silent': reasons counted, without their details."""
    counted = Counter(reason.split(":")[0].split(" (")[0] for reason in bad.values())
    return ", ".join(f"{count} {reason}" for reason, count in counted.most_common())
