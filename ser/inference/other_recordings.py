"""Other recordings in a run's terms: its target, its emotions, and without those seen in training."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ser.data.corpora.corpus import Corpus, Scan
from ser.data.emotion_mapping import map_emotions
from ser.data.recordings import Decoded, Recordings, find_recordings
from ser.data.selection import Selection
from ser.data.targets import predicts_numbers
from ser.errors import UserError
from ser.instantiate import build

OF_EMOTIONS = ("emotion", "gender_emotion")  # targets that a map of emotions applies to


class Renamed:
    """A corpus with a run's emotions; an emotion without a counterpart is put in brackets and never selected.

    It stays in the scan, so that all runs share one store of the corpus.

    Args:
        corpus: The corpus.
        scan: Its recordings.
        words: The corpus's emotion → the run's.
    """

    def __init__(self, corpus: Corpus, scan: Scan, words: Mapping[str, str]):
        self.name = corpus.name
        renamed = (replace(u, emotion=words.get(u.emotion, f"({u.emotion})")) for u in scan.utterances)
        self._scan = replace(scan, utterances=tuple(renamed))

    def scan(self) -> Scan:
        """Its recordings."""
        return self._scan


def find_others(
    dataset: Mapping[str, Any], chosen: Mapping[str, str | None] | None, run: Mapping[str, Any], classes: Sequence[str],
    cache: Path,
) -> tuple[Recordings, list[str]]:  # fmt: skip
    """The recordings that a run can be scored on, and remarks on those that it cannot.

    Args:
        dataset: Node of the other corpus, with `on_bad_file`.
        chosen: The user's map of emotions.
        run: The run's config, whose target counts.
        classes: Of the run.
        cache: The folder of hashes.

    Raises:
        UserError: From the corpus; nothing in common; a map where the target is not an emotion.
    """
    target, on_bad_file = run["dataset"].get("target", "emotion"), dataset.get("on_bad_file", "stop")
    own = {key: value for key, value in dataset.items() if key != "on_bad_file"}
    corpus = build(own, "dataset", run["run"]["trust"])
    if predicts_numbers(run):
        if chosen:
            raise UserError(f"map is about emotions, and this run predicts {', '.join(classes)}: leave it out.")
        return find_recordings(corpus, Selection(target=target, on_bad_file=on_bad_file), cache), []
    scan = corpus.scan()
    notes, words, emotions = [], {}, None
    if target in OF_EMOTIONS:
        names = list(dict.fromkeys(name.partition("_")[2] if target == "gender_emotion" else name for name in classes))
        words, notes = map_emotions(Counter(u.emotion for u in scan.utterances), names, chosen)
        emotions = sorted(set(words.values()))
        notes += _merged_in_training(run, set(scan_emotions(scan)) - set(words))
    elif chosen:
        raise UserError(f"map is about emotions, and this run recognises {target}: leave it out.")
    else:
        words = {emotion: emotion for emotion in scan_emotions(scan)}
    selection = Selection(emotions, target=target, on_bad_file=on_bad_file)
    recordings = find_recordings(Renamed(corpus, scan, words), selection, cache)
    known = [k for k, label in enumerate(recordings.labels) if recordings.classes[label] in classes]
    return only(recordings, known), notes


def without(
    recordings: Recordings, seen: Collection[str], decoded: Decoded | None = None
) -> tuple[Recordings, list[str]]:
    """Leaves out the recordings that a run was trained or validated on: by their files, and where they are decoded by
    their samples, which a file of another format can hold too.

    Args:
        recordings: All of them.
        seen: Hashes of both.
        decoded: The same, or None.

    Raises:
        UserError: Nothing is left.
    """
    pairs = zip(decoded.rows.tolist(), decoded.utterances, strict=True) if decoded else ()
    copies = {row for row, utterance in pairs if utterance.original in seen}
    kept = [k for k, i in enumerate(recordings.chosen) if recordings.hashes[i] not in seen and i not in copies]
    lost = len(recordings.chosen) - len(kept)
    if not kept:
        raise UserError(f"The run was trained on all {lost} of these recordings: nothing is left to score it on.")
    what = "copies of them in other files" if decoded else "them"
    return only(recordings, kept), [f"{lost} recordings left out: the run was trained on {what}"] if lost else []


def only(recordings: Recordings, kept: Sequence[int]) -> Recordings:
    """Some of the chosen recordings, and the classes that occur in them.

    Args:
        recordings: All.
        kept: Positions in `chosen`.
    """
    utterances, chosen = (tuple(column[k] for k in kept) for column in (recordings.utterances, recordings.chosen))
    if recordings.are_numbers:
        labels = tuple(recordings.labels[k] for k in kept)
        return replace(recordings, utterances=utterances, chosen=chosen, labels=labels)
    labels = [recordings.classes[recordings.labels[k]] for k in kept]
    classes = tuple(name for name in recordings.classes if name in set(labels))
    return replace(
        recordings,
        chosen=chosen,
        utterances=utterances,
        labels=tuple(classes.index(label) for label in labels),
        classes=classes,
    )


def scan_emotions(scan: Scan) -> list[str]:
    """The emotions that occur."""
    return list(dict.fromkeys(utterance.emotion for utterance in scan.utterances))


def _merged_in_training(run: Mapping[str, Any], left_out: Collection[str]) -> list[str]:
    """A hint where training merged an emotion into another that is left out here."""
    merged = run["dataset"].get("merge") or {}
    again = [f"{old}: {new}" for old, new in merged.items() if old in left_out]
    return [f"training counted some as others; to do so here: map='{{{', '.join(again)}}}'"] if again else []
