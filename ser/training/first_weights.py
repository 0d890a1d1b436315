"""Weights of another run that training begins with (`init_from`): what they were trained on must not be tested."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ser.data.recordings import Recordings
from ser.data.splits import Split
from ser.data.utterance import Utterance
from ser.errors import UserError
from ser.runs.seen_recordings import Seen, SeenRecordings, read_seen

NOT_RECORDED = "what its first weights were trained on is not recorded"


def file_hashes(recordings: Recordings) -> dict[Path, str]:
    """The content hash of the file of each recording that a run uses."""
    return {u.path: recordings.hashes[i] for i, u in zip(recordings.chosen, recordings.utterances, strict=True)}


def held_apart(run: str | None, split: Split, utterances: Sequence[Utterance], hashes: Mapping[Path, str]) -> Split:
    """The split, its stamp with what test and validation share with the training of the first weights.

    Args:
        run: The directory that `init_from` names, if any.
        split: Of this run.
        utterances: What it indexes.
        hashes: From `file_hashes`.

    Raises:
        UserError: The first weights have seen a recording that is tested here.
    """
    if run is None:
        return split
    if (seen := read_seen(Path(run))) is None:
        return replace(split, protocol=f"{split.protocol}; {NOT_RECORDED}")
    known = seen.hashes
    tested, held = ([utterances[i] for i in part] for part in (split.test, split.val))
    if shared := sum(hashes[utterance.path] in known for utterance in tested):
        raise UserError(
            f"init_from={run} was trained on {shared} of the {len(tested)} recordings that are tested here, so that "
            "test would be no test. Give this run the division of that one (its split, split.fold and split.seed), "
            "or begin with weights of other recordings."
        )
    before = seen.of("train", "val", "before")
    everybody = {utterance.speaker for utterance in before}
    speakers = {utterance.speaker for utterance in tested}
    corpora = " + ".join(sorted({utterance.corpus for utterance in before})).upper()
    words, protocol = f"first weights trained on {corpora}", split.protocol
    if None in everybody | speakers:
        words += ", by speakers who are not all known"
        protocol = protocol.replace("speaker-independent", "speakers unknown", 1)
    elif common := len(speakers & everybody):
        words += f", with {common} of {len(speakers)} test speaker{'s' * (len(speakers) > 1)}"
        protocol = protocol.replace("speaker-independent", "speaker-dependent", 1)
    if validated := sum(hashes[utterance.path] in known for utterance in held):
        words += f", and on {validated} of {len(held)} validation recordings"
    return replace(split, protocol=f"{protocol}; {words}")


def seen_by(
    split: Split, utterances: Sequence[Utterance], true: Sequence[str], hashes: Mapping[Path, str], run: str | None
) -> SeenRecordings | None:
    """What a run has seen at its end; None where its first weights do not say what they have.

    Args:
        split, utterances, hashes, run: As in `held_apart`.
        true: Of each utterance the name of its class, or its numbers.
    """
    before = SeenRecordings(()) if run is None else read_seen(Path(run))
    if before is None:
        return None
    own = [
        Seen(hashes[utterances[i].path], part, utterances[i], true[i])
        for part in ("train", "val")
        for i in getattr(split, part)
    ]
    known = {seen.hash for seen in own}
    inherited = (Seen(seen.hash, "before", seen.utterance) for seen in before.recordings if seen.hash not in known)
    return SeenRecordings((*own, *inherited))
