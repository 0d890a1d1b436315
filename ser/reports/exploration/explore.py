"""The recipe of `ser explore`: find the corpus, decode it, measure its files, suspect some, draw examples."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ser.data.audio.prepare import AudioSettings
from ser.data.build import build_audio, build_recordings
from ser.data.recordings import left_out
from ser.data.store.waveforms import Waveforms, open_store
from ser.data.targets import predicts_numbers
from ser.errors import UserError
from ser.frontends.base import Frontend
from ser.instantiate import build
from ser.reports.exploration.examples import draw_examples
from ser.reports.exploration.inspection import Inspected, inspect_recordings
from ser.reports.exploration.outliers import Suspicion, find_suspicious
from ser.system.cache import cache_folder

UNSPLIT = {"_target_": "ser.data.splits.base.Splitter"}  # uses every recording
MOST_EMOTIONS = 16  # with examples: those with most recordings
LONGEST_S = 10.0  # of an example; longer recordings are cut
Progress = Callable[[str, int], Callable[[Iterable], Iterable]]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An example recording with its waveform and features.

    Args:
        gender: `female`, `male`, or None where it is not known.
        recording: Its facts.
        waveform: (T,) as training gets it, at its own length, at most 10 s.
        features: (F, L) of the frontend.
    """

    gender: str | None
    recording: Inspected
    waveform: np.ndarray
    features: np.ndarray

    @property
    def name(self) -> str:
        """`female angry`, or the emotion alone."""
        return " ".join(word for word in (self.gender, self.recording.emotion) if word)


@dataclass(frozen=True, slots=True, eq=False)
class Exploration:
    """The facts that are shown of a corpus.

    Args:
        corpus: Short name.
        recordings: The chosen ones.
        emotions: Those that occur, in order.
        suspicious: Why some deserve a look.
        examples: By emotion, then by gender.
        audio: How they are prepared for training.
        frontend: Of the examples' features.
        features: Its name.
        notes: Remarks of the corpus.
    """

    corpus: str
    recordings: tuple[Inspected, ...]
    emotions: tuple[str, ...]
    suspicious: tuple[Suspicion, ...]
    examples: tuple[Example, ...]
    audio: AudioSettings
    frontend: Frontend
    features: str
    notes: tuple[str, ...]


def explore(config: dict[str, Any], bars: Progress = lambda what, total: iter) -> Exploration:
    """Inspects a corpus; training reuses the waveforms decoded here from the store.

    Args:
        config: The resolved `explore.yaml`.
        bars: Makes a progress bar from a label and a number of files.

    Raises:
        UserError: From the corpus, the selection or the store; an invalid setting; no usable recording.
    """
    seed = config["examples"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"examples={seed} is the seed that draws the examples, a whole number from 0.")
    audio, frontend = build_audio(config), build(config["frontend"], "frontend", config["run"]["trust"]).eval()
    if predicts_numbers(config):
        raise UserError("ser explore shows a corpus by its emotions: leave out dataset.target, which names a number.")
    found = build_recordings({**config, "split": UNSPLIT}, cache_folder())
    bar = bars("decoding", len(found.paths))
    waveforms = open_store(found.paths, found.hashes, audio, cache_folder(), found.corpus, bar)
    recordings = inspect_recordings(found, waveforms, audio, bars("measuring", len(found.utterances)))
    suspicious = find_suspicious(recordings)
    if all(recording.bad for recording in recordings):
        first, *others = [*(recording.bad for recording in recordings), *found.unreadable.values()]
        raise UserError(f"None of the {1 + len(others)} recordings can be used; the first: {first}.")
    return Exploration(
        corpus=found.corpus,
        recordings=tuple(recordings),
        emotions=found.classes,
        suspicious=tuple(suspicious),
        examples=tuple(
            _examples(recordings, suspicious, waveforms, frontend, seed, int(LONGEST_S * audio.sample_rate))
        ),
        audio=audio,
        frontend=frontend,
        features=config["choices"]["frontend"],
        notes=(*found.notes, *([left_out(found.unreadable)] if found.unreadable else [])),
    )


@torch.inference_mode()
def _examples(
    recordings: list[Inspected],
    suspicious: list[Suspicion],
    waveforms: Waveforms,
    frontend: Frontend,
    seed: int,
    longest: int,
) -> Iterator[Example]:
    avoided = {suspicion.index for suspicion in suspicious}
    counts = Counter(recording.emotion for recording in recordings if recording.bad is None)
    shown = {emotion for emotion, _ in counts.most_common(MOST_EMOTIONS)}
    for (gender, emotion), i in draw_examples(recordings, avoided, seed).items():
        if emotion in shown:
            waveform = np.array(waveforms[recordings[i].row][:longest])  # (T,), a copy: the store is read-only
            features, _ = frontend(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))  # (1, F, L)
            yield Example(gender, recordings[i], waveform, features[0].numpy())
