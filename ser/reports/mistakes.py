"""The most confident mistakes of a model, each with its sound and picture."""

from dataclasses import dataclass

import numpy as np

from ser.data.audio.prepare import AudioSettings
from ser.data.recordings import Decoded
from ser.evaluation.predictions import Predictions
from ser.reports.figures import Picture
from ser.reports.page import Markup, audio, card, figure, heading, note, text, wav_bytes
from ser.reports.recording import recording_picture

MOST = 10
MOST_SOUND_BYTES = 3_000_000  # of all players of a page, so that it can be sent by mail


class Sounds:
    """Waveforms as the model gets them, found by corpus and key.

    Args:
        decoded: Utterances and their waveforms.
        settings: How they were prepared; the duration is cut here, as in batches.
    """

    def __init__(self, decoded: Decoded, settings: AudioSettings):
        self.sample_rate = settings.sample_rate
        self._decoded, self._num_samples = decoded, settings.num_samples
        self._index = {(utterance.corpus, utterance.key): i for i, utterance in enumerate(decoded.utterances)}

    def find(self, corpus: str | None, key: str) -> np.ndarray | None:
        """The waveform (T,) of a recording, or None if it is missing."""
        i = self._index.get((corpus, key))
        return None if i is None else self._decoded.waveforms[self._decoded.rows[i]][: self._num_samples]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake.

    Args:
        row: In the predictions.
        title: `1. angry taken for happy, 97 %`.
        picture: Waveform and mel spectrogram, where the recording is available.
        wav: The sound, where available.
        cut: Whether the sound is only the beginning.
    """

    row: int
    title: str
    picture: Picture | None = None
    wav: bytes | None = None
    cut: bool = False


def most_confident_mistakes(test: Predictions, count: int) -> list[int]:
    """Rows of the wrong predictions with the highest probabilities, highest first."""
    wrong = np.flatnonzero(~test.right)
    return wrong[np.argsort(-test.confidence[wrong], kind="stable")][:count].tolist()


def find_mistakes(test: Predictions, sounds: Sounds | None, stamp: str) -> list[Mistake]:
    """The ten most confident mistakes with their recordings.

    Args:
        test: The model's predictions.
        sounds: The recordings, where available.
        stamp: The split's stamp.
    """
    rows, mistakes = most_confident_mistakes(test, MOST), []
    for place, row in enumerate(rows, start=1):
        true, predicted = test.classes[test.true[row]], test.classes[test.predicted[row]]
        title = f"{place}. {true} taken for {predicted}, {test.confidence[row]:.0%}"
        waveform = None if sounds is None else sounds.find(test.traits["corpus"][row], test.keys[row])
        if waveform is None:
            mistakes.append(Mistake(row, title))
            continue
        longest = MOST_SOUND_BYTES // (2 * len(rows))  # 2 bytes a sample
        wav = wav_bytes(waveform[:longest], sounds.sample_rate)
        picture = recording_picture(f"mistake_{place:02}", waveform, sounds.sample_rate, stamp)
        mistakes.append(Mistake(row, title, picture, wav, len(waveform) > longest))
    return mistakes


def mistake_card(mistake: Mistake, test: Predictions) -> Markup:
    """A mistake as a part of the page."""
    row, parts = mistake.row, [heading(mistake.title)]
    known = [str(words[row]) for trait, words in test.traits.items() if trait != "corpus" and words[row] is not None]
    parts.append(note(" · ".join([test.keys[row], *known])))
    best = np.argsort(-test.probabilities[row], kind="stable")[:3]
    true = test.true[row]
    shown = [*best.tolist(), *([] if true in best else [int(true)])]
    chances = [f"{test.classes[k]}{' (true)' if k == true else ''} {test.probabilities[row, k]:.1%}" for k in shown]
    parts.append(text(" · ".join(chances)))
    if mistake.picture is not None:
        parts.append(figure(mistake.picture.png, f"{test.keys[row]}: {mistake.picture.alt}"))
    if mistake.wav is not None:
        parts.append(audio(mistake.wav, f"{test.keys[row]}, true {test.classes[true]}"))
    if mistake.cut:
        parts.append(note("The player has its beginning only."))
    return card(*parts)


def mistakes_parts(test: Predictions, mistakes: list[Mistake]) -> list[Markup]:
    """The text above the cards."""
    wrong = int((~test.right).sum())
    if not wrong:
        return [text("The model made no mistake in the test part.")]
    words = f"{wrong} of {len(test)} utterances are wrong; these are the {len(mistakes)} with the highest confidence."
    lost = sum(mistake.wav is None for mistake in mistakes)
    if lost:
        words += f" {lost} of these recordings are not available, and have no sound and picture."
    return [text(words)]
