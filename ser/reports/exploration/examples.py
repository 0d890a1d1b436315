"""One recording of each gender and emotion, drawn so that they can be compared: one voice, one sentence."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ser.data.emotions import in_order
from ser.reports.exploration.inspection import Inspected

Cell = tuple[str | None, str]  # gender, None where it is not known, and emotion


def draw_examples(recordings: Sequence[Inspected], suspicious: set[int], seed: int) -> dict[Cell, int]:
    """An index for each gender and emotion that occur, by emotion, then by gender.

    Each gender has one speaker, the one with most emotions, and all examples one sentence at one intensity, as far as
    the corpus has it; between equals the seed decides.

    Args:
        recordings: Inspected ones; bad ones are never drawn.
        suspicious: Suspicious ones, drawn only where there is no other.
        seed: Another one shows other examples.
    """
    usable = [i for i, recording in enumerate(recordings) if recording.bad is None]
    order = [int(i) for i in np.random.default_rng(seed).permutation(usable)]
    genders = genders_of(recordings)
    voices = {
        gender: _commonest([recordings[i] for i in order if recordings[i].utterance.gender == gender], "speaker")
        for gender in genders
    }
    sentence, intensity = (_commonest([recordings[i] for i in order], trait) for trait in ("statement", "intensity"))

    def distance(i: int) -> tuple[bool, ...]:
        """How far a recording is from the wanted example."""
        it = recordings[i].utterance
        wanted = (it.speaker == voices[it.gender], it.statement == sentence, it.intensity == intensity)
        return i in suspicious, *(not met for met in wanted)

    found: dict[Cell, int] = {}
    for i in sorted(order, key=distance):
        found.setdefault(_cell(recordings[i]), i)
    emotions = in_order(emotion for _, emotion in found)
    return {cell: found[cell] for emotion in emotions for gender in genders if (cell := (gender, emotion)) in found}


def genders_of(recordings: Sequence[Inspected]) -> list[str | None]:
    """The genders that occur, female and male first, None last."""
    found = {recording.utterance.gender for recording in recordings}
    return sorted(found, key=lambda gender: (gender is None, gender not in ("female", "male"), gender))


def _commonest(recordings: Sequence[Inspected], trait: str) -> str | None:
    """The speaker, statement or intensity with most genders and emotions; the first between equals."""
    cells = defaultdict(set)
    for recording in recordings:
        cells[getattr(recording.utterance, trait)].add(_cell(recording))
    return max(cells, key=lambda value: len(cells[value]), default=None)


def _cell(recording: Inspected) -> Cell:
    return recording.utterance.gender, recording.emotion
