"""The recordings seen in training, and what they have in common with others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser.data.build import build_recordings
from ser.data.splits.protocol import stamp
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.predictions import AnyPredictions
from ser.inference.finished_run import FinishedRun
from ser.system.cache import cache_folder


@dataclass(frozen=True, slots=True)
class SeenRecordings:
    """The recordings that a run was trained and validated on.

    Args:
        train, val: The parts.
        labels: Of `train`; of several runs, those of the first.
        hashes: Content hashes of both.
    """

    train: tuple[Utterance, ...]
    val: tuple[Utterance, ...]
    labels: np.ndarray
    hashes: frozenset[str]


def seen_in_training(run: FinishedRun, test: AnyPredictions, val: AnyPredictions | None) -> SeenRecordings:
    """Finds them again: the run's recordings without its test part; train is what is not validation.

    Args:
        run: The run.
        test, val: Its own predictions, which name the recordings of these parts.

    Raises:
        UserError: The recordings have moved or changed.
    """
    recordings = build_recordings(run.config, cache_folder())
    keys = [(utterance.corpus, utterance.key) for utterance in recordings.utterances]
    tested, chosen_by = (set(zip(p.traits["corpus"], p.keys, strict=True)) if p else set() for p in (test, val))
    if recordings.classes != test.classes or not (tested | chosen_by) <= set(keys):
        raise UserError("the recordings in its folder are not those that the run was trained on.")
    train = [i for i, key in enumerate(keys) if key not in tested | chosen_by]
    validated = [i for i, key in enumerate(keys) if key in chosen_by]
    return SeenRecordings(
        tuple(recordings.utterances[i] for i in train),
        tuple(recordings.utterances[i] for i in validated),
        np.array([recordings.labels[i] for i in train]),
        frozenset(recordings.hashes[recordings.chosen[i]] for i in train + validated),
    )


def together(seen: Sequence[SeenRecordings]) -> SeenRecordings:
    """The recordings seen by any of several runs."""
    train, val = (
        tuple(dict.fromkeys(it for of_run in seen for it in getattr(of_run, part))) for part in ("train", "val")
    )
    return SeenRecordings(train, val, seen[0].labels, frozenset().union(*(of_run.hashes for of_run in seen)))


def transfer_stamp(seen: SeenRecordings | None, trained_on: set[str], others: Sequence[Utterance]) -> str:
    """`cross-corpus: trained on ravdess, tested on tess; …`, then the stamp that every split has.

    Args:
        seen: The recordings seen in training; None if they cannot be found.
        trained_on: Names of its corpora.
        others: The recordings that it is tested on.
    """
    tested_on = {utterance.corpus for utterance in others}
    kind = "same corpus" if trained_on & tested_on else "cross-corpus"
    head = f"{kind}: trained on {' + '.join(sorted(trained_on))}, tested on {' + '.join(sorted(tested_on))}"
    if seen is None:
        return f"{head}; shared speakers not counted, since the training recordings are not available"
    groups = {"train": seen.train, "val": seen.val, "test": others}
    everyone = [utterance for group in groups.values() for utterance in group]
    ends = np.cumsum([len(group) for group in groups.values()]).tolist()
    parts = {part: range(end - len(groups[part]), end) for part, end in zip(groups, ends, strict=True)}
    return f"{head}; {stamp(everyone, parts)}"
