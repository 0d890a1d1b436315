"""SAVEE, the Surrey Audio-Visual Expressed Emotion database."""

import re
from pathlib import Path
from typing import Any

from ser.data.corpora.corpus import NamedCorpus
from ser.data.utterance import Utterance

_SPEAKERS = ("dc", "je", "jk", "kl")


class Savee(NamedCorpus):
    """SAVEE: four men (DC, JE, JK, KL), researchers of 27 to 31 years, British English, acted.

    Source: Haq and Jackson 2010, in Machine Audition (IGI Global), chapter 17.

    Contents: 480 recordings, WAV, 44.1 kHz, 16 bit, mono, about 4 s: each speaker 15 TIMIT sentences in each of six
    emotions (anger, disgust, fear, happiness, sadness, surprise) and 30 neutral ones. All are men: gender cannot be
    learnt from SAVEE.

    File name: `<emotion><number>` in a folder of the speaker, `DC/a01.wav`, or `DC_a01.wav` in Kaggle's copy; emotions
    `a` anger, `d` disgust, `f` fear, `h` happiness, `n` neutral, `sa` sadness, `su` surprise.

    Irregular: three of the sentences of an emotion are common to all emotions, and with the two special ones of each
    they are spoken neutrally too; under which numbers does not come with the corpus. `statement` is therefore unknown,
    and a split by statements is refused: hold speakers apart.

    Args:
        root: The folder with `DC` to `KL`, or one that holds it as `savee/`.
    """

    name = "savee"
    layout = "DC/ JE/ JK/ KL/ with files such as a01.wav, or files such as DC_a01.wav (WAV or FLAC)."
    source = "http://kahlan.eps.surrey.ac.uk/savee/ (480 files, on registration)."
    licence = "for research only"
    grammar = re.compile(
        r"((?P<speaker>DC|JE|JK|KL)_)?(?P<emotion>sa|su|a|d|f|h|n)(?P<number>0[1-9]|[12]\d|30)", re.IGNORECASE
    )
    emotions = {
        "a": "angry",
        "d": "disgust",
        "f": "fearful",
        "h": "happy",
        "n": "neutral",
        "sa": "sad",
        "su": "surprised",
    }

    def _facts(self, match: re.Match[str], path: Path) -> dict[str, Any] | str:
        speaker = (match["speaker"] or path.parent.name).lower()
        if speaker not in _SPEAKERS:
            return "neither the name nor the folder says who speaks: DC, JE, JK or KL"
        return {
            "emotion": self.emotions[match["emotion"].lower()],
            "speaker": f"{self.name}_{speaker}",
            "gender": "male",
            "repetition": int(match["number"]),
        }

    def _recording(self, utterance: Utterance) -> str:
        return f"{utterance.speaker}_{utterance.emotion}_{utterance.repetition}"
