"""The most confident mistakes of a model, or of numbers its largest errors, each with its sound and picture."""

from dataclasses import dataclass

import numpy as np

from ser.data.audio.prepare import AudioSettings
from ser.data.recordings import Decoded
from ser.evaluation.number_predictions import NumberPredictions
from ser.evaluation.numbers import relative_errors
from ser.evaluation.predictions import AnyPredictions, Predictions
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
        title: `1. angry taken for happy, 97 %`; `1. arousal 6.1, predicted 2.4`.
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


def largest_errors(test: NumberPredictions, count: int) -> list[int]:
    """Rows of the predictions farthest from the truth, the farthest first; each target by its own spread."""
    return np.argsort(-relative_errors(test.true, test.predicted), kind="stable")[:count].tolist()


def find_mistakes(test: AnyPredictions, sounds: Sounds | None, stamp: str) -> list[Mistake]:
    """The ten most confident mistakes, or largest errors, with their recordings.

    Args:
        test: The model's predictions.
        sounds: The recordings, where available.
        stamp: The split's stamp.
    """
    ranked = most_confident_mistakes if isinstance(test, Predictions) else largest_errors
    rows, mistakes = ranked(test, MOST), []
    for place, row in enumerate(rows, start=1):
        title = f"{place}. {_title(test, row)}"
        waveform = None if sounds is None else sounds.find(test.traits["corpus"][row], test.keys[row])
        if waveform is None:
            mistakes.append(Mistake(row, title))
            continue
        longest = MOST_SOUND_BYTES // (2 * len(rows))  # 2 bytes a sample
        wav = wav_bytes(waveform[:longest], sounds.sample_rate)
        picture = recording_picture(f"mistake_{place:02}", waveform, sounds.sample_rate, stamp)
        mistakes.append(Mistake(row, title, picture, wav, len(waveform) > longest))
    return mistakes


def _title(test: AnyPredictions, row: int) -> str:
    if isinstance(test, Predictions):
        true, predicted = test.classes[test.true[row]], test.classes[test.predicted[row]]
        return f"{true} taken for {predicted}, {test.confidence[row]:.0%}"
    return "; ".join(
        f"{name} {true:.3g}, predicted {predicted:.3g}"
        for name, true, predicted in zip(test.targets, test.true[row], test.predicted[row], strict=True)
    )


def mistake_card(mistake: Mistake, test: AnyPredictions) -> Markup:
    """A mistake as a part of the page."""
    row, parts = mistake.row, [heading(mistake.title)]
    known = [str(words[row]) for trait, words in test.traits.items() if trait != "corpus" and words[row] is not None]
    parts.append(note(" · ".join([test.keys[row], *known])))
    if isinstance(test, Predictions):
        parts.append(text(_chances(test, row)))
    if mistake.picture is not None:
        parts.append(figure(mistake.picture.png, f"{test.keys[row]}: {mistake.picture.alt}"))
    if mistake.wav is not None:
        true = test.classes[test.true[row]] if isinstance(test, Predictions) else _title(test, row)
        parts.append(audio(mistake.wav, f"{test.keys[row]}, true {true}"))
    if mistake.cut:
        parts.append(note("The player has its beginning only."))
    return card(*parts)


def _chances(test: Predictions, row: int) -> str:
    """The most probable classes, and the true one."""
    best, true = np.argsort(-test.probabilities[row], kind="stable")[:3], test.true[row]
    shown = [*best.tolist(), *([] if true in best else [int(true)])]
    chances = [f"{test.classes[k]}{' (true)' if k == true else ''} {test.probabilities[row, k]:.1%}" for k in shown]
    return " · ".join(chances)


def mistakes_title(test: AnyPredictions) -> str:
    """The heading above it all."""
    return "Most confident mistakes" if isinstance(test, Predictions) else "Largest errors"


def mistakes_parts(test: AnyPredictions, mistakes: list[Mistake]) -> list[Markup]:
    """The text above the cards."""
    if isinstance(test, Predictions):
        wrong = int((~test.right).sum())
        if not wrong:
            return [text("The model made no mistake in the test part.")]
        shown = f"these are the {len(mistakes)} with the highest confidence"
        words = f"{wrong} of {len(test)} utterances are wrong; {shown}."
    else:
        words = f"The {len(mistakes)} of {len(test)} utterances whose prediction is farthest from the truth."
    lost = sum(mistake.wav is None for mistake in mistakes)
    if lost:
        words += f" {lost} of these recordings are not available, and have no sound and picture."
    return [text(words)]
