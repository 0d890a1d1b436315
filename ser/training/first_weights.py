"""Weights of another run that training begins with (`init_from`): what they have seen must not be tested."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser.data.build import build_audio, build_split
from ser.data.recordings import Recordings, decode_recordings
from ser.data.splits import Split
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.runs.seen_recordings import PARTS, Seen, SeenRecordings, read_seen


def seen_before(config: Mapping[str, Any]) -> SeenRecordings:
    """What a run's first weights have seen; nothing where they are drawn.

    Args:
        config: Of the run, resolved.
    """
    return read_seen(Path(config["init_from"])) if config["init_from"] else SeenRecordings(())


def file_hashes(recordings: Recordings) -> dict[Path, str]:
    """The content hash of the file of each recording that a run uses."""
    return {u.path: recordings.hashes[i] for i, u in zip(recordings.chosen, recordings.utterances, strict=True)}


def look_ahead(config: dict[str, Any], recordings: Recordings, cache: Path) -> tuple[Split, np.ndarray]:
    """The split of a run that is planned, and the label of each of its utterances.

    Nothing is decoded for it, unless the run begins with other weights: bad files and copies, that decoding shows,
    can change who is tested.

    Args:
        config: Of the run, resolved.
        recordings: The run's.
        cache: The cache folder.

    Raises:
        UserError: As of `dealt`; from decoding.
    """
    if not config["init_from"]:
        return build_split(config)(recordings.utterances), np.asarray(recordings.labels)
    decoded = decode_recordings(recordings, build_audio(config), cache)
    return dealt(config, decoded.utterances, file_hashes(recordings), seen_before(config)), decoded.labels


def dealt(
    config: dict[str, Any], utterances: Sequence[Utterance], hashes: Mapping[Path, str], before: SeenRecordings
) -> Split:
    """The run's split, whose stamp counts what its first weights have seen as training.

    Args:
        config: Of the run, resolved.
        utterances: To divide, decoded.
        hashes: From `file_hashes`.
        before: From `seen_before`.

    Raises:
        UserError: The first weights have seen a recording that is tested here, or were trained on one that validates;
            from the splitter.
    """
    split, known = build_split(config)(utterances, before.of(*PARTS)), before.hashes()
    tested = set(split.test) - set(split.train)  # a rehearsal tests what it trains on
    if shared := sum(_is_known(utterances[i], hashes, known) for i in tested):
        raise UserError(
            f"init_from={config['init_from']} was trained on {shared} of the {len(tested)} recordings that are tested "
            "here, so that test would be no test. Give this run the division of that one (its split, split.fold and "
            "split.seed), or begin with weights of other recordings."
        )
    trained, validates = before.hashes("train", "before"), set(split.val) - set(split.train)
    if shared := sum(_is_known(utterances[i], hashes, trained) for i in validates):
        raise UserError(
            f"init_from={config['init_from']} was trained on {shared} of the {len(validates)} recordings that validate "
            "here, so that they cannot choose an epoch. Leave them out (split.val=0 checkpoint=last), or give this run "
            "the division of that one."
        )
    return split


def _is_known(utterance: Utterance, hashes: Mapping[Path, str], known: Collection[str]) -> bool:
    """Whether its file, or a lossless copy of it, was seen."""
    return hashes[utterance.path] in known or utterance.original in known


def seen_by(
    split: Split,
    utterances: Sequence[Utterance],
    true: Sequence[str],
    hashes: Mapping[Path, str],
    before: SeenRecordings,
) -> SeenRecordings:
    """What a run has seen at its end.

    Args:
        split, utterances, hashes, before: As in `dealt`.
        true: Of each utterance the name of its class, or its numbers.
    """
    own = [
        Seen(hashes[utterances[i].path], part, utterances[i], true[i])
        for part in ("train", "val")
        for i in getattr(split, part)
    ]
    known = {seen.hash for seen in own}
    inherited = (Seen(seen.hash, "before", seen.utterance) for seen in before.recordings if seen.hash not in known)
    return SeenRecordings((*own, *inherited))
