"""What a finished run has seen in training, and the stamp of its figures on other recordings."""

from collections.abc import Sequence

import numpy as np

from ser.data.build import build_recordings
from ser.data.splits.protocol import stamp
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.evaluation.averaging import recording_of, recordings_of
from ser.inference.finished_run import FinishedRun
from ser.inference.source import built_from
from ser.runs.directory import load_config
from ser.runs.seen_recordings import FILE, PARTS, Seen, SeenRecordings, read_seen
from ser.system.cache import cache_folder


def seen_in_training(run: FinishedRun) -> SeenRecordings:
    """The recordings that a run has seen: from its list, or found again where an older version wrote none.

    Args:
        run: One that has weights.

    Raises:
        UserError: They cannot be known.
    """
    if (run.path / FILE).is_file():
        if not (seen := read_seen(run.path)).complete:
            raise UserError(
                f"What the first weights of {run.path} were trained on is not recorded, so that it cannot be left out: "
                f"they are of an older version of ser, which wrote no {FILE}. Train both again with run.rerun=true."
            )
        return seen
    try:
        if load_config(run.path).get("init_from"):
            raise UserError("It began with the weights of another run.")
        with built_from(run.path / "config.yaml"):
            return _found_again(run)
    except UserError as error:
        raise UserError(
            f"What {run.path} was trained on cannot be left out: it is of an older version of ser, which wrote no "
            f"{FILE}, and is not found again: {str(error).splitlines()[0]} Name the folder of the run's own recordings "
            "with root=FOLDER, or train it again with run.rerun=true."
        ) from error


def _found_again(run: FinishedRun) -> SeenRecordings:
    """The run's recordings without its test part; train is what is not validation."""
    test, val = run.predictions()
    recordings = build_recordings(run.config, cache_folder())
    keys = [recording_of(utterance.corpus, utterance.key) for utterance in recordings.utterances]
    tested, held = (set(recordings_of(part)) if part else set() for part in (test, val))
    if recordings.classes != test.classes or not (tested | held) <= set(keys):
        raise UserError("The recordings in its folder are not those that it was trained on.")
    return SeenRecordings(
        tuple(
            Seen(
                recordings.hashes[recordings.chosen[i]],
                "val" if key in held else "train",
                u,
                recordings.in_words(recordings.labels[i]),
            )
            for i, (key, u) in enumerate(zip(keys, recordings.utterances, strict=True))
            if key not in tested
        )
    )


def transfer_stamp(seen: SeenRecordings, others: Sequence[Utterance]) -> str:
    """`cross-corpus: trained on ravdess, tested on tess; …`, then the stamp that every split has.

    Args:
        seen: The recordings seen in training.
        others: The recordings that it is tested on.
    """
    trained_on = {utterance.corpus for utterance in seen.of(*PARTS)}
    tested_on = {utterance.corpus for utterance in others}
    kind = "same corpus" if trained_on & tested_on else "cross-corpus"
    head = f"{kind}: trained on {' + '.join(sorted(trained_on))}, tested on {' + '.join(sorted(tested_on))}"
    groups = {"train": seen.of("train", "before"), "val": seen.of("val"), "test": others}
    everyone = [utterance for group in groups.values() for utterance in group]
    ends = np.cumsum([len(group) for group in groups.values()]).tolist()
    parts = {part: range(end - len(groups[part]), end) for part, end in zip(groups, ends, strict=True)}
    return f"{head}; {stamp(everyone, parts)}"
